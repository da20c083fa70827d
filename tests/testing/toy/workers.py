"""The workers of the toy vendor: one of each family, all of them as they should be."""

from __future__ import annotations

import base64
import json
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
from pipelex.cogt.inference.answer_parts import field_of, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    AnswerUpdate,
    AssistantPart,
    Citation,
    DocumentPart,
    ImagePart,
    LLMAnswer,
    LLMEvent,
    LLMJob,
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    UserPart,
)
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
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
    return usage_of(answer.get("usage"), **{name: name for name in names})


def reason_in(answer: dict[str, Any]) -> FinishReason:
    said = word_of(answer.get("finish"))
    return FinishReason(said) if said in set(FinishReason) else FinishReason.OTHER


def encoded(source: MediaSource) -> str:
    return source.url or base64.b64encode(source.read()).decode()


def said(part: UserPart | AssistantPart) -> dict[str, Any]:
    """Return a part in the toy vendor's wire format."""
    match part:
        case TextPart():
            cited = [{"url": one.url, "start": one.start, "end": one.end} for one in part.citations]
            return {"text": part.text, "sig": part.opaque, "cites": cited}
        case ReasoningPart():
            return {"thought": part.text, "sig": part.opaque}
        case ToolCallPart():
            return {"call": part.name, "id": part.id, "arguments": part.arguments, "sig": part.opaque}
        case ToolResultPart():
            content = part.content if isinstance(part.content, str) else [said(inner) for inner in part.content]
            return {"result": part.call_id, "of": part.name, "content": content, "error": part.is_error}
        case ImagePart() | DocumentPart():
            return {"file": encoded(part.source)}
        case _:
            raise NotImplementedError(part.kind)


def part_in(data: dict[str, Any]) -> AssistantPart:
    """Read a part in the toy vendor's wire format."""
    signature = word_of(data.get("sig"))
    if "call" in data:
        arguments = data.get("arguments")
        arguments = json.dumps(arguments) if isinstance(arguments, dict) else text_of(arguments)
        return ToolCallPart(
            id=text_of(data.get("id")), name=text_of(data["call"]), arguments=arguments, opaque=signature
        )
    if "thought" in data:
        return ReasoningPart(text=text_of(data["thought"]), opaque=signature)
    cited = tuple(Citation(**one) for one in data.get("cites") or ())
    return TextPart(text=text_of(data.get("text")), opaque=signature, citations=cited)


class ToyLLM(Toy, LLMWorkerAbstract):
    """Texts and conversations."""

    def fields(self, job: LLMJob) -> dict[str, Any]:
        params = asdict(job.params)
        params["stop"] = list(job.params.stop) or None
        params["schema"] = params.pop("structured_output")
        prompt = {"system": job.prompt.system_text, "messages": self.messages(job)}
        return {"model": self.inference_model.model_id, **prompt, **params}

    def messages(self, job: LLMJob) -> list[Any]:
        return [[self.said(part) for part in message.parts] for message in job.prompt.messages()]

    def said(self, part: UserPart | AssistantPart) -> dict[str, Any]:
        return said(part)

    def part_in(self, data: dict[str, Any]) -> AssistantPart:
        return part_in(data)

    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        parts = tuple(self.part_in(data) for data in raw.get("parts") or () if isinstance(data, dict))
        return LLMAnswer(
            parts=parts,
            text="" if parts else text_of(raw.get("text")),
            usage=usage_in(raw),
            finish_reason=reason_in(raw),
            model_served=word_of(raw.get("model")),
        )

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        return self.answer(await self.client.call("llm", **self.fields(job)))

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        pieces = self.client.stream("llm", **self.fields(job))
        async with aclosing(pieces):  # type: ignore[type-var]  # it is a generator
            async for piece in pieces:
                for event in self.events(piece):
                    yield event
        yield AnswerDone(answer=LLMAnswer())

    def events(self, piece: dict[str, Any]) -> list[LLMEvent]:
        """Read a piece of a stream: of a text, of a thought, of a call, a whole part, or the end."""
        if "whole" in piece:
            return [PartDone(part=self.part_in(piece["whole"]))]
        if "thought" in piece:
            return [ReasoningDelta(text=text_of(piece["thought"]))]
        if "arguments" in piece:
            return [self.call_piece(piece)]
        usage, reason = usage_in(piece), reason_in(piece) if "finish" in piece else None
        return [TextDelta(text=text_of(piece.get("text"))), AnswerUpdate(usage=usage, finish_reason=reason)]

    def call_piece(self, piece: dict[str, Any]) -> LLMEvent:
        index = piece.get("index")
        slot = index if isinstance(index, int) else None
        name, id = word_of(piece.get("call")), word_of(piece.get("id"))
        return ToolCallDelta(slot=slot, id=id, name=name, arguments=text_of(piece["arguments"]))

    async def _count_tokens(self, job: LLMJob) -> int:
        counted: int = (await self.client.call("count", **self.fields(job)))["tokens"]
        return counted


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
            for data in map(word_of, items_of(answer.get("images")))
            if data is not None
        )
        usage = InferenceUsage(images=len(images))
        return InferenceResult(content=images, usage=usage, finish_reason=self.reason(answer))

    def reason(self, answer: dict[str, Any]) -> FinishReason:
        return reason_in(answer)


class ToyExtract(Toy, ExtractWorkerAbstract):
    """Pages."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        params = {name: value for name, value in asdict(job.params).items() if value}
        answer = await self.client.call("extract", document=encoded(job.document), **params)
        pages = tuple(self.page(place, page) for place, page in enumerate(self.items(answer.get("pages")), 1))
        return InferenceResult(content=pages, usage=InferenceUsage(pages=len(pages)))

    def items(self, pages: object) -> list[object]:
        return items_of(pages)

    def page(self, place: int, page: object) -> ExtractedPage:
        number, view = field_of(page, "number"), word_of(field_of(page, "view"))
        images = filter(None, map(word_of, items_of(field_of(page, "images"))))
        tables = filter(None, map(word_of, items_of(field_of(page, "tables"))))
        return ExtractedPage(
            number=number if isinstance(number, int) else place,
            text=text_of(field_of(page, "text")),
            images=tuple(map(image_of, images)),
            view=image_of(view) if view else None,
            tables=tuple(map(ExtractedTable.of_markdown, tables)),
        )


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
        sources = tuple(filter(None, map(self.source, items_of(answer.get("sources")))))
        content = SearchAnswer(text=text_of(answer.get("text")), sources=sources)
        return InferenceResult(content=content, usage=InferenceUsage(searches=1))

    def source(self, source: object) -> SearchSource | None:
        url = word_of(field_of(source, "url"))
        title, snippet = word_of(field_of(source, "title")), word_of(field_of(source, "snippet"))
        return SearchSource(url=url, title=title, snippet=snippet) if url is not None else None

    async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        answer = await self.client.call("search", schema=json_schema, **self.fields(job))
        return InferenceResult(content=answer["text"], usage=InferenceUsage(searches=1))
