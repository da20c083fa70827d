"""The gateway's drivers of three families, and Mistral's for documents, against LiteLLM's proxy."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError, InferenceServerError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractJob, ExtractJobParams
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.cogt.search.search_job import SearchJob, SearchJobParams, SearchSource
from pipelex.generated.builtins import GatewayPlugin, MistralPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.providers import replay as scripted
from tests.providers.calls import Caller
from tests.providers.mistral import wire
from tests.slow.litellm_proxy import KEY

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from tests.slow.litellm_proxy import LitellmProxy

pytestmark = pytest.mark.counterpart(
    "litellm_proxy",
    "extract:gateway_extract",
    "extract:mistral",
    "llm:gateway_completions",
    "search:gateway_search",
)

PATIENT = CallPolicy(max_attempts=1, timeout_s=120.0)
ASKED = LLMJob(
    prompt=LLMPrompt(user_text="Repeat: Paris is the capital of France."),
    params=LLMJobParams(temperature=0.0, max_tokens=60),
)
PNG = samples.png("kit-000001")
PDF = MediaSource(data=samples.pdf("kit-000001"), mime_type="application/pdf")
RESULTS = {"results": [{"title": "Cats", "url": "https://example.org/cats", "snippet": "They sleep."}]}


@dataclass
class City:
    """A structured answer."""

    name: str
    people: int


def caller(proxy: LitellmProxy, family: InferenceFamily, sdk: str, model_id: str, *, key: str = KEY) -> Caller:
    return Caller(
        plugin=GatewayPlugin(),
        family=family,
        sdk=sdk,
        endpoint=proxy.endpoint,
        model_id=model_id,
        api_key=key,
        policy=PATIENT,
    )


def chat(proxy: LitellmProxy, *, key: str = KEY) -> Caller:
    return caller(proxy, InferenceFamily.LLM, "gateway_completions", "chat", key=key)


def test_a_real_model_answers_whole_and_in_pieces(litellm_proxy: LitellmProxy) -> None:
    async def both(worker: LLMWorkerAbstract) -> tuple[str, list[str]]:
        return await worker.gen_text(ASKED), [piece async for piece in worker.stream_text(ASKED)]

    gateway = chat(litellm_proxy)
    text, pieces = gateway.llm(both)
    assert "Paris" in text
    assert text == "".join(pieces)
    assert [True, True] == [record.usage is not None for record in gateway.log.records]


def test_the_schema_reaches_the_model(litellm_proxy: LitellmProxy) -> None:
    job = LLMJob(prompt=LLMPrompt(user_text="Rome has 3 million people."), params=ASKED.params)
    city = chat(litellm_proxy).llm(lambda worker: worker.gen_object(job, City))
    assert isinstance(city.people, int)


def test_the_models_are_listed(litellm_proxy: LitellmProxy) -> None:
    assert {"chat", "reader"} == {row.id for row in chat(litellm_proxy).list_models()}


def test_a_document_is_read(litellm_proxy: LitellmProxy) -> None:
    litellm_proxy.upstream.on("POST /v1/ocr", scripted.answer(wire.ocr(wire.page(1, "# One"), wire.page(2, "two"))))
    job = ExtractJob(document=PDF, params=ExtractJobParams(pages=(2, 1)))
    gateway = caller(litellm_proxy, InferenceFamily.EXTRACT, "gateway_extract", "reader")
    pages = gateway.extract(lambda worker: worker.extract_pages(job))
    found = [(page.number, page.text, round(page.width or 0)) for page in pages]
    assert [(2, "two", 595), (1, "# One", 595)] == found
    assert [1, 0] == litellm_proxy.upstream.last.json()["pages"]


def mistral(proxy: LitellmProxy, model_id: str) -> Caller:
    """Return Mistral's own driver and SDK, which take the proxy for Mistral."""
    endpoint = proxy.endpoint.removesuffix("/v1")
    reader = caller(proxy, InferenceFamily.EXTRACT, "mistral", model_id)
    return replace(reader, plugin=MistralPlugin(), endpoint=endpoint)


def test_mistrals_own_driver_reads_a_document_through_the_proxy(litellm_proxy: LitellmProxy) -> None:
    place = {"top_left_x": 200, "top_left_y": 100, "bottom_right_x": 600, "bottom_right_y": 500}
    beside = {
        "images": [{"id": "img-0.png", "image_base64": f"data:image/png;base64,{b64encode(PNG).decode()}", **place}],
        "tables": [wire.table(0, "| a |\n|---|\n| 1 |")],
        "blocks": [{"type": "table", "content": "[tbl-0](tbl-0)", "table_id": "tbl-0", **place}],
    }
    answer = wire.ocr(wire.page(1, "[tbl-0](tbl-0)", **beside), wire.page(2, "two"))
    litellm_proxy.upstream.on("POST /v1/ocr", scripted.answer(answer))
    job = ExtractJob(document=PDF, params=ExtractJobParams(pages=(2, 1), embedded_images=True, tables=True))
    reader = mistral(litellm_proxy, "reader")
    second, first = reader.extract(lambda worker: worker.extract_pages(job))
    assert [(2, "two"), (1, "| a |\n|---|\n| 1 |")] == [(page.number, page.text) for page in (second, first)]
    assert [(("a",), ("1",))] == [table.rows for table in first.tables]
    assert [PNG] == [image.data for image in first.images]
    box = BoundingBox(left=72.0, top=36.0, right=216.0, bottom=180.0)
    assert (box, box) == (first.tables[0].box, first.images[0].box)
    sent = litellm_proxy.upstream.last.json()
    assert {"pages": [0, 1], "include_image_base64": True, "table_format": "markdown"}.items() <= sent.items()
    assert "reader" == reader.log.records[0].model_served  # in this the proxy put its own word for Mistral's


def test_what_the_proxy_says_to_mistrals_own_driver_is_told(litellm_proxy: LitellmProxy) -> None:
    with pytest.raises(InferenceRequestError, match="Invalid model name passed in model=nope"):
        mistral(litellm_proxy, "nope").extract(lambda worker: worker.extract_pages(PDF))


def test_a_search_is_run(litellm_proxy: LitellmProxy) -> None:
    litellm_proxy.upstream.on("POST /search", scripted.answer(RESULTS))
    job = SearchJob(query="cats", params=SearchJobParams(max_results=2, include_domains=("example.org",)))
    gateway = caller(litellm_proxy, InferenceFamily.SEARCH, "gateway_search", "web")
    found = gateway.search(lambda worker: worker.search(job))
    assert (SearchSource(url="https://example.org/cats", title="Cats", snippet="They sleep."),) == found.sources
    sent = {"query": "cats", "max_results": 2, "search_domain_filter": ["example.org"]}
    assert sent == litellm_proxy.upstream.last.json()


def test_what_the_proxy_refuses_is_an_error_with_its_words(litellm_proxy: LitellmProxy) -> None:
    nowhere = caller(litellm_proxy, InferenceFamily.SEARCH, "gateway_search", "nope")
    with pytest.raises(InferenceServerError, match="'nope' not found"):
        nowhere.search(lambda worker: worker.search("cats"))
    with pytest.raises(InferenceError) as caught:  # without a database it says 400, not 401
        chat(litellm_proxy, key="wrong-key-4471").llm(lambda worker: worker.gen_text(ASKED))
    assert "wrong-key-4471" not in str(caught.value)
