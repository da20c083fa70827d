"""What an application developer's editor shows: mypy holds each public call to its exact type. Never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Literal, assert_type

from pydantic import BaseModel

from pipelex.boot import Pipelex
from pipelex.bulk.options import MapRow
from pipelex.bulk.ray.engine import Ray
from pipelex.bulk.run import MapRun
from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.llm.llm_job import LLMJob
from pipelex.cogt.llm.llm_stream import LLMObjectStream, LLMObjectStreamSync
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.cogt.search.search_job import SearchAnswer, SearchJob
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.generated import accessors
from pipelex.generated.families import LLM, SEARCH
from pipelex.hub import PipelexHub
from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry
from pipelex.plugins.model_handle import ModelHandle
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.usage_log import UsageLog


class City(BaseModel):
    """A type that is asked for."""

    capital: str


def sync_calls() -> None:
    with Pipelex.setup(reporting_delegate=UsageLog()) as px:
        assert_type(px, Pipelex)
        assert_type(px.llm("m"), LLMWorkerAbstract)
        assert_type(px.img_gen("m"), ImgGenWorkerAbstract)
        assert_type(px.extract("m"), ExtractWorkerAbstract)
        assert_type(px.search("m"), SearchWorkerAbstract)
        assert_type(px.llm("m").gen_text_sync("x"), str)
        assert_type(px.llm("m").gen_object_sync("x", City), City)
        assert_type(px.llm("m").gen_object_sync("x", list[int]), list[int])
        assert_type(px.llm("m").stream_text_sync("x"), Generator[str, None, None])
        assert_type(px.img_gen("m").gen_image_sync("x"), GeneratedImage)
        assert_type(px.img_gen("m").gen_image_list_sync("x", 2), list[GeneratedImage])
        assert_type(px.extract("m").extract_pages_sync(Path("x.pdf")), list[ExtractedPage])
        assert_type(px.extract("m").stream_pages_sync("x.pdf"), Generator[ExtractedPage, None, None])
        assert_type(px.search("m").search_sync("x"), SearchAnswer)
        assert_type(px.search("m").search_structured_sync("x", City), City)


async def async_calls() -> None:
    async with Pipelex.setup() as px:
        assert_type(px, Pipelex)
        assert_type(await px.llm("m").gen_text("x"), str)
        assert_type(await px.llm("m").gen_object("x", dict[str, int]), dict[str, int])
        assert_type(px.llm("m").stream_text("x"), AsyncGenerator[str, None])
        assert_type(await px.img_gen("m").gen_image("x"), GeneratedImage)
        assert_type(await px.img_gen("m").gen_image_list("x"), list[GeneratedImage])
        assert_type(await px.extract("m").extract_pages(b"%PDF"), list[ExtractedPage])
        assert_type(px.extract("m").stream_pages(b"%PDF"), AsyncGenerator[ExtractedPage, None])
        assert_type(await px.search("m").search("x"), SearchAnswer)
        assert_type(await px.search("m").search_structured("x", City), City)


def token_calls(hub: PipelexHub, model: InferenceModelSpec) -> None:
    assert_type(hub.worker(LLM, "m"), LLMWorkerAbstract)
    assert_type(hub.worker(SEARCH, model), SearchWorkerAbstract)
    assert_type(SEARCH.load_base(), type[SearchWorkerAbstract])


async def types_that_are_no_classes(llm: LLMWorkerAbstract, search: SearchWorkerAbstract) -> None:
    assert_type(await llm.gen_object("x", City | None), City | None)
    assert_type(await llm.gen_object("x", Literal["a", "b"]), Literal["a", "b"])
    assert_type(llm.gen_object_sync("x", list[int] | str), list[int] | str)
    assert_type(llm.gen_object_sync("x", tuple[City, int]), tuple[City, int])
    assert_type((await llm.run_tools("x", [], schema=City | None)).output, City | None)
    assert_type(await search.search_structured("x", City | None), City | None)
    assert_type(search.search_structured_sync("x", Literal["a", "b"]), Literal["a", "b"])
    assert_type(search.search_structured_sync("x", list[int]), list[int])


async def streams_that_are_closed(llm: LLMWorkerAbstract, extract: ExtractWorkerAbstract) -> None:
    async with aclosing(llm.stream_text("x")) as pieces:
        assert_type(await anext(pieces), str)
    async with aclosing(llm.stream_answer("x").text()) as pieces:
        assert_type(await anext(pieces), str)
    async with llm.stream_object("x", City | None) as objects:
        assert_type(objects, LLMObjectStream[City | None])
        assert_type(await objects.output(), City | None)
    async with aclosing(extract.stream_pages(b"%PDF")) as pages:
        assert_type(await anext(pages), ExtractedPage)
    with closing(llm.stream_text_sync("x")) as lines:
        assert_type(next(lines), str)
    with closing(llm.stream_answer_sync("x").text()) as lines:
        assert_type(next(lines), str)
    with llm.stream_object_sync("x", list[int]) as lists:
        assert_type(lists, LLMObjectStreamSync[list[int]])
        assert_type(lists.output(), list[int])
    with closing(extract.stream_pages_sync(b"%PDF")) as sheets:
        assert_type(next(sheets), ExtractedPage)


async def many_rows(px: Pipelex) -> None:
    async for row in px.map([1, 2], lambda number: f"Is {number} even?", model="m", key=lambda number: number):
        assert_type(row, MapRow[str])
        assert_type((row.key, row.value, row.unwrap()), tuple[str | int, str | None, str])
    assert_type(px.map(["x"], LLMJob.of, model="m", schema=City), MapRun[City])
    assert_type(px.map(["x"], SearchJob.of, model="m", schema=City | None), MapRun[City | None])
    assert_type(px.map(["x"], ImgGenJob.of, model="m"), MapRun[list[GeneratedImage]])
    for found in px.map_sync(["x"], str.upper, model="m", schema=City | int, ledger="job.db", engine=Ray()):
        assert_type(found, MapRow[City | int])
    assert_type(px.map_sync(["x"], str.upper, model="m", key=str.lower), Iterator[MapRow[str]])
    assert_type(px.map_sync(["x.pdf"], ExtractJob.of, model="m"), Iterator[MapRow[list[ExtractedPage]]])
    assert_type(px.map_sync(["x"], SearchJob.of, model="m"), Iterator[MapRow[SearchAnswer]])


def accessor_calls(registry: InferenceBackendRegistry, model: InferenceModelSpec, backend: InferenceBackend) -> None:
    clients = SdkClientRegistry()
    known = accessors.make_llm_worker(
        registry, sdk="llama_cpp", inference_model=model, backend=backend, sdk_clients=clients, reporting_delegate=None
    )
    assert_type(known, LLMWorkerAbstract)
    strangers: str = model.sdk
    foreign = accessors.make_search_worker(
        registry, sdk=strangers, inference_model=model, backend=backend, sdk_clients=clients, reporting_delegate=None
    )
    assert_type(foreign, SearchWorkerAbstract)
    handle = ModelHandle.make_for_inference_model(inference_model=model)
    assert_type(clients.get_or_create(handle=handle, build=lambda: Path()), Path)
