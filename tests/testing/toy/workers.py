"""The workers of the toy vendor: one of each family, all of them as they should be."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceAuthenticationError,
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceServerError,
    InferenceTimeoutError,
)
from pipelex.cogt.extract.extract_job import ExtractedImage, ExtractedPage, ExtractedTable, ExtractJob
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.answer_parts import text_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import AnswerDone, AnswerUpdate, LLMAnswer, LLMEvent, LLMJob, TextDelta
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.cogt.search.search_job import SearchAnswer, SearchJob, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.reporting.reporting_protocol import InferenceUsage, ReportingProtocol
from tests.testing.toy.sdk import ToyBroken, ToyClient, ToyStatus, ToyTimeout, ToyUnreachable, ToyUnreadable

KINDS_OF_STATUS = {
    401: InferenceAuthenticationError,
    404: InferenceModelNotFoundError,
    429: InferenceRateLimitError,
    500: InferenceServerError,
}
KINDS = {
    ToyUnreachable: InferenceConnectionError,
    ToyTimeout: InferenceTimeoutError,
    ToyBroken: InferenceAmbiguousError,
    ToyUnreadable: InferenceInvalidAnswerError,
}


class Toy(InferenceWorkerAbstract):
    """What the toy workers have in common."""

    def __init__(
        self, *, client: ToyClient, inference_model: InferenceModelSpec, reporting_delegate: ReportingProtocol | None
    ) -> None:
        super().__init__(inference_model=inference_model, reporting_delegate=reporting_delegate)
        self.client = client

    def _classify_error(self, error: Exception) -> InferenceError | None:
        provider, model = self.inference_model.backend_name, self.inference_model.name
        if isinstance(error, ToyStatus):
            kind = KINDS_OF_STATUS.get(error.status, InferenceError)
            return kind(
                str(error),
                provider=provider,
                model=model,
                status_code=error.status,
                retry_after=error.retry_after,
            )
        for raised, named in KINDS.items():
            if isinstance(error, raised):
                return named(str(error), provider=provider, model=model)
        return None


def usage_in(answer: dict[str, Any]) -> InferenceUsage | None:
    return usage_of(answer.get("usage"), input_tokens="input_tokens", output_tokens="output_tokens")


def reason_in(answer: dict[str, Any]) -> FinishReason:
    said = word_of(answer.get("finish"))
    return FinishReason(said) if said in set(FinishReason) else FinishReason.OTHER


def encoded(source: MediaSource) -> str:
    return source.url or base64.b64encode(source.read()).decode()


class ToyLLM(Toy, LLMWorkerAbstract):
    """Texts."""

    def fields(self, job: LLMJob) -> dict[str, Any]:
        params = asdict(job.params)
        params["stop"] = list(job.params.stop) or None
        params["schema"] = params.pop("structured_output")
        media = [encoded(source) for source in (*job.prompt.images, *job.prompt.documents)]
        prompt = {"prompt": job.prompt.user_text, "system": job.prompt.system_text, "media": media or None}
        return {"model": self.inference_model.model_id, **prompt, **params}

    def result(self, answer: dict[str, Any]) -> InferenceResult[str]:
        return InferenceResult(
            content=text_of(answer.get("text")),
            usage=usage_in(answer),
            finish_reason=reason_in(answer),
            model_served=word_of(answer.get("model")),
        )

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return self.result(await self.client.call("llm", **self.fields(job)))

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        result = await self._gen_text(job)
        return LLMAnswer(
            text=result.content,
            usage=result.usage,
            finish_reason=result.finish_reason,
            model_served=result.model_served,
        )

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        answer = self.client.stream("llm", **self.fields(job))
        async with aclosing(answer):  # type: ignore[type-var]  # it is a generator
            async for piece in answer:
                reason = reason_in(piece) if "finish" in piece else None
                yield TextDelta(text=text_of(piece.get("text")))
                yield AnswerUpdate(usage=usage_in(piece), finish_reason=reason)
        yield AnswerDone(answer=LLMAnswer())


class ToyImgGen(Toy, ImgGenWorkerAbstract):
    """Images."""

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        params = {name: value for name, value in asdict(job.params).items() if value is not None}
        answer = await self.client.call(
            "img_gen",
            model=self.inference_model.model_id,
            prompt=job.prompt.text,
            avoid=job.prompt.negative_text,
            media=[encoded(source) for source in job.prompt.images] or None,
            count=job.count,
            **params,
        )
        images = tuple(
            GeneratedImage(data=base64.b64decode(data), mime_type="image/png", width=1, height=1)
            for data in answer["images"]
        )
        reason = FinishReason(answer["finish"])
        return InferenceResult(content=images, usage=InferenceUsage(images=len(images)), finish_reason=reason)


class ToyExtract(Toy, ExtractWorkerAbstract):
    """Pages."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        params = {name: value for name, value in asdict(job.params).items() if value}
        answer = await self.client.call("extract", document=encoded(job.document), **params)
        pages = tuple(
            ExtractedPage(
                number=page["number"],
                text=page["text"],
                images=tuple(image_of(data) for data in page["images"]),
                view=image_of(page["view"]) if page["view"] else None,
                tables=tuple(ExtractedTable.of_markdown(text) for text in page["tables"]),
            )
            for page in answer["pages"]
        )
        return InferenceResult(content=pages, usage=InferenceUsage(pages=len(pages)))


def image_of(data: str) -> ExtractedImage:
    return ExtractedImage(data=base64.b64decode(data), mime_type="image/png")


class ToySearch(Toy, SearchWorkerAbstract):
    """Answers with sources."""

    def fields(self, job: SearchJob) -> dict[str, Any]:
        params = job.params
        return {
            "query": job.query,
            "max_results": params.max_results,
            "only": list(params.include_domains) or None,
            "without": list(params.exclude_domains) or None,
            "since": params.from_date and params.from_date.isoformat(),
            "until": params.to_date and params.to_date.isoformat(),
        }

    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        answer = await self.client.call("search", **self.fields(job))
        sources = tuple(SearchSource(**source) for source in answer["sources"])
        content = SearchAnswer(text=answer["text"], sources=sources)
        return InferenceResult(content=content, usage=InferenceUsage(searches=1))

    async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        answer = await self.client.call("search", schema=json_schema, **self.fields(job))
        return InferenceResult(content=answer["text"], usage=InferenceUsage(searches=1))
