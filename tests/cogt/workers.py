"""Workers of all families that answer from a script, for the tests of their bases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.extract.extract_job import ExtractedPage
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, TextDelta
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import Capability, InferenceModelSpec
from pipelex.cogt.search.search_job import SearchAnswer
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.extract.extract_job import ExtractJob
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob
    from pipelex.cogt.search.search_job import SearchJob

USAGE = InferenceUsage(input_tokens=3, output_tokens=5)


def spec(family: InferenceFamily, *capabilities: Capability) -> InferenceModelSpec:
    """Return the record of a model that declares just these capabilities."""
    return InferenceModelSpec(
        name="rocket",
        family=family,
        backend_name="acme",
        sdk="acme",
        model_id="rocket-1",
        capabilities=frozenset(capabilities),
    )


class ScriptedLLM(LLMWorkerAbstract):
    """Answers with its text, raises its error, ends for its reason."""

    def __init__(self, text: str = "blue", *capabilities: Capability) -> None:
        self.log = UsageLog()
        super().__init__(inference_model=spec(InferenceFamily.LLM, *capabilities), reporting_delegate=self.log)
        self.text = text
        self.error: Exception | None = None
        self.named: InferenceError | None = None
        self.finish_reason = FinishReason.STOP
        self.jobs: list[LLMJob] = []
        self.schemas: list[dict[str, object]] = []

    def _answer(self, job: LLMJob) -> InferenceResult[str]:
        self.jobs.append(job)
        if self.error is not None:
            raise self.error
        return InferenceResult(
            content=self.text, usage=USAGE, finish_reason=self.finish_reason, model_served="rocket-1.1"
        )

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return self._answer(job)

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        if job.params.structured_output is not None:
            self.schemas.append(dict(job.params.structured_output))
        result = await self._gen_text(job)
        return LLMAnswer(
            text=result.content,
            usage=result.usage,
            finish_reason=result.finish_reason,
            finish_detail=result.finish_detail,
            model_served=result.model_served,
        )

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        for letter in self._answer(job).content:
            yield TextDelta(text=letter)
        yield AnswerDone(answer=LLMAnswer(usage=USAGE, finish_reason=self.finish_reason, model_served="rocket-1.1"))

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return self.named


class ScriptedImgGen(ImgGenWorkerAbstract):
    """Makes as many one-byte images as it is asked for."""

    def __init__(self, *capabilities: Capability) -> None:
        super().__init__(inference_model=spec(InferenceFamily.IMG_GEN, *capabilities), reporting_delegate=UsageLog())

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        return InferenceResult(
            content=tuple(GeneratedImage(data=bytes([index]), mime_type="image/png") for index in range(job.count))
        )


class ScriptedExtract(ExtractWorkerAbstract):
    """Finds two pages in every document; the first one has an error where the document asks for it."""

    def __init__(self, *capabilities: Capability) -> None:
        self.log = UsageLog()
        super().__init__(inference_model=spec(InferenceFamily.EXTRACT, *capabilities), reporting_delegate=self.log)

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        errors: dict[bytes | None, object] = {b"bad page": InferenceRequestError("no ink"), b"wrong error": "no ink"}
        pages = [ExtractedPage(number=number, text=f"page {number}") for number in (1, 2)]
        error = errors.get(job.document.data)
        if error is not None:
            pages[0] = ExtractedPage(number=1, text="", error=error)  # type: ignore[arg-type]  # one of them is wrong
        return InferenceResult(content=tuple(pages))


class ScriptedSearch(SearchWorkerAbstract):
    """Knows one answer, in words and as an object."""

    def __init__(self, *capabilities: Capability) -> None:
        super().__init__(inference_model=spec(InferenceFamily.SEARCH, *capabilities), reporting_delegate=None)

    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        return InferenceResult(content=SearchAnswer(text=f"about {job.query}"))

    async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        return InferenceResult(content='{"capital": "Paris"}')
