"""The public methods of the worker bases: refusal, the hook, classification, the report, the typed result."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceTruncatedError,
    SyncCallInRunningLoopError,
    UnsupportedCapabilityError,
)
from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob, ExtractJobParams, ExtractProgress
from pipelex.cogt.img_gen.img_gen_job import ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt, ReasoningEffort
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.cogt.search.search_job import SearchJob, SearchJobParams
from pipelex.exceptions import MissingDependencyError
from pipelex.plugins.exceptions import InvalidContributionError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.cogt.workers import USAGE, ScriptedExtract, ScriptedImgGen, ScriptedLLM, ScriptedSearch, spec

IMAGE = MediaSource(data=b"png", mime_type="image/png")


class City(BaseModel):
    """What a structured answer holds."""

    capital: str


class Undescribed:
    """A plain class, of which pydantic knows nothing."""


class TestLLM:
    """The LLM base."""

    def test_a_text_is_a_job(self) -> None:
        worker = ScriptedLLM()
        assert "blue" == worker.gen_text_sync("Which colour?")
        assert [LLMJob(prompt=LLMPrompt(user_text="Which colour?"))] == worker.jobs

    def test_usage_and_time_are_reported_on_success(self) -> None:
        worker = ScriptedLLM()
        worker.gen_text_sync("x")
        (record,) = worker.log.records
        assert ("gen_text", "llm", "acme", "acme", "rocket", "rocket-1.1") == (
            record.operation,
            record.family,
            record.backend_name,
            record.sdk,
            record.model,
            record.model_served,
        )
        assert (USAGE, FinishReason.STOP, None, None) == (
            record.usage,
            record.finish_reason,
            record.cost_usd,
            record.error,
        )
        assert record.duration_s > 0

    def test_an_sdks_exception_leaves_as_an_inference_error_and_is_reported_once(self) -> None:
        worker = ScriptedLLM()
        worker.error = ConnectionResetError("reset by peer")
        with pytest.raises(InferenceError, match="reset by peer") as caught:
            worker.gen_text_sync("x")
        assert worker.error is caught.value.__cause__
        assert ["InferenceError"] == [record.error for record in worker.log.records]

    def test_the_drivers_table_names_the_kind(self) -> None:
        worker = ScriptedLLM()
        worker.error = RuntimeError("429")
        worker.named = InferenceRateLimitError("slow down", provider="acme", model="rocket", retry_after=2.5)
        with pytest.raises(InferenceRateLimitError) as caught:
            worker.gen_text_sync("x")
        assert (True, 2.5, "transient") == (caught.value.retryable, caught.value.retry_after, caught.value.category)
        assert ["InferenceRateLimitError"] == [record.error for record in worker.log.records]

    def test_our_own_errors_pass_as_they_are(self) -> None:
        worker = ScriptedLLM()
        worker.error = MissingDependencyError("acme", "acme", "Needed.")
        with pytest.raises(MissingDependencyError):
            worker.gen_text_sync("x")
        assert ["MissingDependencyError"] == [record.error for record in worker.log.records]

    @pytest.mark.parametrize(
        ("reason", "kind"),
        [(FinishReason.LENGTH, InferenceTruncatedError), (FinishReason.CONTENT_FILTER, InferenceRefusedError)],
    )
    def test_half_an_answer_is_a_typed_error_with_its_usage(
        self, reason: FinishReason, kind: type[InferenceError]
    ) -> None:
        worker = ScriptedLLM("half", Capability.STREAMING, Capability.STRUCTURED_OUTPUT)
        worker.finish_reason = reason
        with pytest.raises(kind):
            worker.gen_text_sync("x")
        with pytest.raises(kind):
            worker.gen_object_sync("x", City)
        with pytest.raises(kind):
            list(worker.stream_text_sync("x"))
        assert [(USAGE, kind.__name__)] * 3 == [(record.usage, record.error) for record in worker.log.records]

    def test_an_object_is_of_exactly_the_type_asked_for(self) -> None:
        worker = ScriptedLLM('{"capital": "Paris"}', Capability.STRUCTURED_OUTPUT)
        assert City(capital="Paris") == worker.gen_object_sync("x", City)
        assert {"capital"} == set(worker.schemas[0]["properties"])  # type: ignore[call-overload]  # plain JSON data

    def test_any_type_that_pydantic_validates_can_be_asked_for(self) -> None:
        worker = ScriptedLLM("[1, 2]", Capability.STRUCTURED_OUTPUT)
        assert [1, 2] == worker.gen_object_sync("x", list[int])

    @pytest.mark.parametrize("schema", [Callable, Undescribed, list[Undescribed], "Cit"])
    def test_a_type_without_a_json_schema_is_refused_before_anything_is_sent(self, schema: type[object]) -> None:
        worker = ScriptedLLM("{}", Capability.STRUCTURED_OUTPUT)
        with pytest.raises(InferenceRequestError, match=r"No JSON schema can be made of .*Nothing was sent"):
            worker.gen_object_sync("x", schema)
        assert [] == worker.jobs

    @pytest.mark.parametrize("text", ["not JSON", '{"capital": 5}', "{}"])
    def test_an_answer_that_does_not_fit_is_an_error_that_says_where(self, text: str) -> None:
        worker = ScriptedLLM(text, Capability.STRUCTURED_OUTPUT)
        with pytest.raises(InferenceInvalidAnswerError, match=r"answer: Invalid JSON|capital: "):
            worker.gen_object_sync("x", City)
        asked, asked_again = worker.jobs
        assert text in asked_again.prompt.user_text
        assert "does not fit" in asked_again.prompt.user_text
        assert asked.params == asked_again.params
        (record,) = worker.log.records
        assert (USAGE.plus(USAGE), "InferenceInvalidAnswerError") == (record.usage, record.error)

    def test_a_stream_comes_in_pieces_and_reports_at_its_end(self) -> None:
        worker = ScriptedLLM("blue", Capability.STREAMING)
        pieces = worker.stream_text_sync("x")
        assert "b" == next(pieces)
        assert [] == worker.log.records
        assert ["l", "u", "e"] == list(pieces)
        assert [("stream_text", USAGE)] == [(record.operation, record.usage) for record in worker.log.records]

    def test_a_stream_left_early_is_closed_and_reported(self) -> None:
        worker = ScriptedLLM("blue", Capability.STREAMING)
        pieces = worker.stream_text_sync("x")
        next(pieces)
        pieces.close()
        assert [("abandoned", None)] == [(record.outcome, record.error) for record in worker.log.records]

    def test_cancellation_is_reported(self) -> None:
        worker = ScriptedLLM()
        worker.error = None

        async def cancelled() -> None:
            async def hang(job: LLMJob) -> None:
                await asyncio.Event().wait()

            worker._gen_text = hang  # type: ignore[assignment,method-assign]  # a call that never ends
            task = asyncio.create_task(worker.gen_text("x"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        assert [("abandoned", None)] == [(record.outcome, record.error) for record in worker.log.records]

    @pytest.mark.parametrize(
        ("job", "capability"),
        [
            (LLMJob(prompt=LLMPrompt(user_text="x", system_text="s")), "system_text"),
            (LLMJob(prompt=LLMPrompt(user_text="x", images=(IMAGE,))), "images"),
            (LLMJob(prompt=LLMPrompt(user_text="x", documents=(IMAGE,))), "documents"),
            *(
                (LLMJob(prompt=LLMPrompt(user_text="x"), params=params), name)
                for name, params in {
                    "temperature": LLMJobParams(temperature=0),
                    "max_tokens": LLMJobParams(max_tokens=1),
                    "seed": LLMJobParams(seed=0),
                    "stop": LLMJobParams(stop=("\n",)),
                    "reasoning_effort": LLMJobParams(reasoning_effort=ReasoningEffort.NONE),
                }.items()
            ),
        ],
    )
    def test_what_the_model_does_not_declare_is_refused_and_what_it_declares_is_passed(
        self, job: LLMJob, capability: str
    ) -> None:
        with pytest.raises(UnsupportedCapabilityError) as caught:
            ScriptedLLM().gen_text_sync(job)
        assert capability == caught.value.capability
        declaring = ScriptedLLM("blue", Capability(capability))
        assert "blue" == declaring.gen_text_sync(job)
        assert [job] == declaring.jobs

    def test_structured_output_and_streaming_are_refused_where_undeclared(self) -> None:
        with pytest.raises(UnsupportedCapabilityError, match="structured_output"):
            ScriptedLLM().gen_object_sync("x", City)
        with pytest.raises(UnsupportedCapabilityError, match="streaming"):
            list(ScriptedLLM().stream_text_sync("x"))

    def test_a_sync_twin_inside_a_running_loop_is_a_named_error(self) -> None:
        worker = ScriptedLLM("blue", Capability.STREAMING, Capability.STRUCTURED_OUTPUT)

        async def inside() -> None:
            for call in (
                lambda: worker.gen_text_sync("x"),
                lambda: worker.gen_object_sync("x", City),
                lambda: worker.stream_text_sync("x"),
            ):
                with pytest.raises(SyncCallInRunningLoopError, match=r"Await|Iterate"):
                    call()

        asyncio.run(inside())
        assert [] == worker.jobs

    def test_the_async_methods_work_in_the_callers_own_loop(self) -> None:
        worker = ScriptedLLM("blue", Capability.STREAMING)

        async def calls() -> tuple[str, list[str]]:
            return await worker.gen_text("x"), [piece async for piece in worker.stream_text("x")]

        assert ("blue", ["b", "l", "u", "e"]) == asyncio.run(calls())


class TestOtherFamilies:
    """The bases of images, documents and search."""

    def test_an_image_and_a_list_of_images(self) -> None:
        worker = ScriptedImgGen(Capability.COUNT)
        assert b"\x00" == worker.gen_image_sync("a cat").data
        assert [b"\x00", b"\x01"] == [image.data for image in worker.gen_image_list_sync("a cat", 2)]

    def test_more_than_one_image_needs_the_capability(self) -> None:
        with pytest.raises(UnsupportedCapabilityError, match="'count'"):
            ScriptedImgGen().gen_image_list_sync("a cat", 2)

    @pytest.mark.parametrize("name", [field.name for field in fields(ImgGenJobParams)])
    def test_every_image_parameter_is_refused_where_undeclared(self, name: str) -> None:
        value = {"size": (8, 8), "seed": 0}.get(name, "x")
        params = ImgGenJobParams(**{name: value})  # type: ignore[arg-type]  # one of each type
        with pytest.raises(UnsupportedCapabilityError, match=f"'{name}'"):
            ScriptedImgGen().gen_image_sync(ImgGenJob(prompt=ImgGenPrompt(text="a cat"), params=params))

    def test_pages_come_whole_or_one_by_one(self) -> None:
        worker = ScriptedExtract()
        assert ["page 1", "page 2"] == [page.text for page in worker.extract_pages_sync(b"%PDF")]
        assert ["page 1", "page 2"] == [page.text for page in worker.stream_pages_sync(b"%PDF")]
        assert 2 == (worker.log.records[1].usage or USAGE).pages

    @pytest.mark.parametrize(
        "params",
        [
            ExtractJobParams(pages=(1,)),
            ExtractJobParams(password="p"),
            ExtractJobParams(embedded_images=True),
            ExtractJobParams(page_view_dpi=72),
            ExtractJobParams(tables=True),
        ],
    )
    def test_every_extract_parameter_is_refused_where_undeclared(self, params: ExtractJobParams) -> None:
        with pytest.raises(UnsupportedCapabilityError):
            ScriptedExtract().extract_pages_sync(ExtractJob(document=MediaSource(data=b"%PDF"), params=params))

    def test_the_error_of_a_page_is_completed_and_ends_nothing(self) -> None:
        worker = ScriptedExtract()
        for pages in (list(worker.stream_pages_sync(b"bad page")), worker.extract_pages_sync(b"bad page")):
            assert ["", "page 2"] == [page.text for page in pages]
            assert "[acme] no ink (model 'rocket')" == str(pages[0].error)

    def test_the_error_of_a_page_is_an_inference_error(self) -> None:
        with pytest.raises(InvalidContributionError, match="field 'error' of ExtractedPage"):
            ScriptedExtract().extract_pages_sync(b"wrong error")

    @pytest.mark.parametrize("control", list("\0\x02\x0b\f\x1b\x7f\x85\x9b"))
    def test_a_page_holds_no_control_characters_but_line_feed_and_tab(self, control: str) -> None:
        page = ExtractedPage(number=1, text=f"a{control}b\tc\r\nd\re\n")
        assert page.text == "a\ufffdb\tc\nd\ne\n"

    def test_pages_that_come_all_at_once_are_told_of_at_the_end(self) -> None:
        told: list[ExtractProgress] = []
        ScriptedExtract().extract_pages_sync(b"%PDF", on_progress=told.append)
        assert [ExtractProgress(pages_done=2, pages_total=2)] == told

    def test_an_address_needs_the_capability(self) -> None:
        with pytest.raises(UnsupportedCapabilityError, match="'url'"):
            ScriptedExtract().extract_pages_sync("https://example.com/x.pdf")

    def test_a_hook_that_is_declared_and_not_written_is_a_wrong_request(self) -> None:
        class Bare(LLMWorkerAbstract):
            async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
                return InferenceResult(content=job.prompt.user_text)

        model = spec(InferenceFamily.LLM, Capability.STRUCTURED_OUTPUT, Capability.STREAMING)
        worker = Bare(inference_model=model, reporting_delegate=None)
        with pytest.raises(InferenceRequestError, match="'structured_output', and its driver cannot do it"):
            worker.gen_object_sync("Paris", City)
        with pytest.raises(InferenceRequestError, match="'streaming', and its driver cannot do it"):
            list(worker.stream_text_sync("Paris"))

    def test_a_search_answers_in_words_or_as_an_object(self) -> None:
        worker = ScriptedSearch(Capability.STRUCTURED_OUTPUT)
        assert "about Paris" == worker.search_sync("Paris").text
        assert City(capital="Paris") == worker.search_structured_sync("Paris", City)

    @pytest.mark.parametrize(
        "params",
        [
            SearchJobParams(max_results=1),
            SearchJobParams(include_domains=("a.org",)),
            SearchJobParams(exclude_domains=("a.org",)),
            SearchJobParams(from_date=date(2026, 1, 1)),
            SearchJobParams(to_date=date(2026, 1, 1)),
        ],
    )
    def test_every_search_parameter_is_refused_where_undeclared(self, params: SearchJobParams) -> None:
        with pytest.raises(UnsupportedCapabilityError):
            ScriptedSearch().search_sync(SearchJob(query="x", params=params))


@pytest.mark.parametrize("record", [LLMPrompt, LLMJobParams, ImgGenJobParams, ExtractJobParams, SearchJobParams])
def test_every_optional_parameter_bears_the_name_of_a_capability(record: type) -> None:
    names = {field.name for field in fields(record)} - {"user_text"}
    assert names <= {capability.value for capability in Capability}


class TestMediaSource:
    """What stands for a file."""

    def test_a_string_is_an_address_or_a_path(self) -> None:
        assert "https://a.org/x.pdf" == MediaSource.of("https://a.org/x.pdf").url
        assert Path("x.pdf") == MediaSource.of("x.pdf").path

    def test_it_reads_bytes_and_files_but_fetches_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"file")
        assert [b"data", b"file"] == [MediaSource.of(b"data").read(), MediaSource.of(tmp_path / "x").read()]
        with pytest.raises(ValueError, match="not read"):
            MediaSource.of("https://a.org/x.pdf").read()

    def test_it_is_exactly_one_thing(self) -> None:
        with pytest.raises(ValueError, match="exactly one"):
            MediaSource(data=b"x", url="https://a.org")


class TestErrors:
    """Every error renders for a person and as JSON, points at its page, and survives a pickle."""

    def test_an_error_renders_with_what_it_carries(self) -> None:
        error = InferenceRateLimitError(
            "Slow down", provider="acme", model="rocket", status_code=429, request_id="r1", retry_after=1.5
        )
        assert "[acme] Slow down (model 'rocket', status 429, request r1)" == str(error)
        plain = json.loads(json.dumps(error.to_dict()))
        assert ("InferenceRateLimitError", "docs/errors.md#inferenceratelimiterror", "transient", True, 1.5) == (
            plain["error"],
            plain["page"],
            plain["category"],
            plain["retryable"],
            plain["retry_after"],
        )

    def test_an_error_survives_a_pickle(self) -> None:
        error = InferenceRateLimitError("Slow down", provider="acme", status_code=429)
        copy = pickle.loads(pickle.dumps(error))
        assert (str(error), vars(error)) == (str(copy), vars(copy))
