"""Workers and clients that each get one thing wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeAlias

from typing_extensions import TypeForm

from pipelex.cogt.exceptions import InferenceError, InferenceModelNotFoundError
from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    AssistantPart,
    LLMAnswer,
    LLMEvent,
    LLMJob,
    LLMMessage,
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    UserPart,
)
from pipelex.cogt.search.search_job import SearchSource
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.testing.toy.sdk import ToyBroken, ToyClient, ToyTimeout
from tests.testing.toy.workers import ToyExtract, ToyImgGen, ToyLLM, ToySearch


class Disguised:
    """Behaves like a worker and is none."""

    def __init__(self, **records: Any) -> None:
        self._worker = ToyLLM(**records)

    def __getattr__(self, name: str) -> object:
        return getattr(self._worker, name)


Part: TypeAlias = UserPart | AssistantPart
Job: TypeAlias = LLMJob | Sequence[LLMMessage] | str


class Stripping(ToyLLM):
    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        answer = super().answer(raw)
        return answer if "parts" in raw else replace(answer, parts=(), text=answer.text.strip())


class OneLoop(ToyLLM):
    def gen_text_sync(self, job: Job) -> str:  # type: ignore[misc]  # what the kit has to find: a final method that is overridden
        return "an answer that is always the same"


class Dropping(ToyLLM):
    def fields(self, job: LLMJob) -> dict[str, Any]:
        return {**super().fields(job), "seed": None}


class Unrefusing(ToyLLM):
    async def gen_text(self, job: Job) -> str:  # type: ignore[misc]  # what the kit has to find: a final method that is overridden
        if not isinstance(job, LLMJob) or job.params.stop == ():
            return await super().gen_text(job)
        return (await self._generate(job)).text


class Trusting(ToyLLM):
    """Believes that an answer is as its documentation says."""

    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        return replace(super().answer(raw), usage=InferenceUsage(**raw["usage"]))


class Uncounting(ToyLLM):
    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        answer = super().answer(raw)
        return answer if "parts" in raw else replace(answer, usage=None)


class Unreporting(ToyLLM):
    def _classify_error(self, error: Exception) -> InferenceError | None:
        self.reporting_delegate = None
        return super()._classify_error(error)


class Misnaming(ToyLLM):
    def _classify_error(self, error: Exception) -> InferenceError | None:
        named = super()._classify_error(error)
        if not isinstance(named, InferenceModelNotFoundError):
            return named
        return InferenceError(str(error), provider=named.provider, model=named.model, status_code=404)


class Shielding(ToyLLM):
    is_left = False

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        try:
            return await asyncio.shield(asyncio.ensure_future(self._go_on(job)))
        except asyncio.CancelledError:
            self.is_left = True
            raise

    async def _go_on(self, job: LLMJob) -> LLMAnswer:
        try:
            return await super()._generate(job)
        except ToyTimeout:
            await asyncio.sleep(60 if self.is_left else 0)
            raise


class HoldingOnTimeout(ToyClient):
    """Keeps the connection of a request that timed out."""

    kept: list[asyncio.StreamWriter]

    def let_go(self, writer: asyncio.StreamWriter) -> None:
        import sys

        if isinstance(sys.exc_info()[1], ToyTimeout):
            self.kept = [*getattr(self, "kept", []), writer]
        else:
            writer.close()


class HoldingOnSuccess(ToyClient):
    """Keeps the connection of a request that went well."""

    kept: list[asyncio.StreamWriter]

    def let_go(self, writer: asyncio.StreamWriter) -> None:
        import sys

        if sys.exc_info()[1] is None:
            self.kept = [*getattr(self, "kept", []), writer]
        else:
            writer.close()


class BlockingClient(ToyClient):
    """Waits for its answers in the event loop."""

    async def call(self, method: str, **fields: object) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, super().call(method, **fields)).result()


class BlockingImages(BlockingClient):
    """The same for images."""


class BlockingPages(BlockingClient):
    """The same for pages."""


class BlockingSearch(BlockingClient):
    """The same for searches."""


class ShowingClient(ToyClient):
    def __repr__(self) -> str:
        return f"ShowingClient(api_key={self._api_key!r})"


class Mixing(ToyLLM):
    async def _generate(self, job: LLMJob) -> LLMAnswer:
        self.job = job
        await asyncio.sleep(0)
        return await super()._generate(self.job)


class Trimming(ToyLLM):
    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        async for piece in super()._stream(job):
            if isinstance(piece, TextDelta) and not job.params.tools:
                yield replace(piece, text=piece.text.strip())
            else:
                yield piece


class ReadingOn(ToyLLM):
    """Reads its stream in a task that nobody ends."""

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        pieces: asyncio.Queue[LLMEvent | Exception | None] = asyncio.Queue()

        async def read() -> None:
            try:
                async for piece in super(ReadingOn, self)._stream(job):
                    await pieces.put(piece)
                await pieces.put(None)
            except ToyTimeout:
                await asyncio.sleep(60)
            except Exception as exc:
                await pieces.put(exc)

        self.reader = asyncio.create_task(read())
        while (piece := await pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class EndingQuietly(ToyLLM):
    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        try:
            async for piece in super()._stream(job):
                yield piece
        except ToyBroken:
            if job.params.tools:
                raise
            yield AnswerDone(answer=LLMAnswer())


class MixingStreams(ToyLLM):
    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        self.job = job
        await asyncio.sleep(0)
        async for piece in super()._stream(self.job):
            yield piece


class Untyped(ToyLLM):
    async def gen_object(self, job: Job, schema: TypeForm[Any]) -> Any:  # type: ignore[misc]  # what the kit has to find: a final method that is overridden
        return vars(await super().gen_object(job, schema))


class HalfAnswering(ToyLLM):
    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        answer = super().answer(raw)
        return answer if "parts" in raw else replace(answer, finish_reason=FinishReason.STOP)


class Unsigning(ToyLLM):
    """Sends no signature back."""

    def said(self, part: Part) -> dict[str, Any]:
        return {**super().said(part), "sig": None}


class Hoarding(ToyLLM):
    """Sends thoughts back that it remembers, whoever had them."""

    thoughts: list[dict[str, Any]]

    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        self.thoughts = [part for part in raw.get("parts") or () if "thought" in part]
        return super().answer(raw)

    def messages(self, job: LLMJob) -> list[Any]:
        messages = super().messages(job)
        if len(messages) > 1 and not any("thought" in part for part in messages[1]):
            messages[1] = [*getattr(self, "thoughts", []), *messages[1]]
        return messages


class HalfThinking(ToyLLM):
    """Takes the thought that a broken stream leaves for a whole one, with an empty signature and a text behind it."""

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        try:
            async for event in super()._stream(job):
                yield event
        except ToyBroken:
            yield PartDone(part=ReasoningPart(opaque=""))
            yield TextDelta(text="...")  # the base drops a thought that nothing follows
            raise


class Believing(ToyLLM):
    """Takes an answer with calls for one that ended with them."""

    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        answer = super().answer(raw)
        calls = any(isinstance(part, ToolCallPart) for part in answer.parts)
        return replace(answer, finish_reason=FinishReason.TOOL_CALLS) if calls else answer


class Indexing(ToyLLM):
    """Puts calls together by their index alone."""

    def call_piece(self, piece: dict[str, Any]) -> LLMEvent:
        index = piece["index"]
        return ToolCallDelta(slot=index, id=f"call-{index}", name=piece.get("call"), arguments=piece["arguments"])


class Reversing(ToyLLM):
    """Sends results in another order."""

    def messages(self, job: LLMJob) -> list[Any]:
        messages = super().messages(job)
        results = [part for part in messages[-1] if "result" in part]
        return [*messages[:-1], [*reversed(results), *(part for part in messages[-1] if "result" not in part)]]


class NullArguments(ToyLLM):
    """Reads empty arguments as JSON."""

    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        for part in raw.get("parts") or ():
            if isinstance(part, dict) and "arguments" in part:
                part["arguments"] = part["arguments"] or "null"
        return super().answer(raw)


class Describing(ToyLLM):
    """Writes the images of results into a text."""

    def said(self, part: Part) -> dict[str, Any]:
        data = super().said(part)
        return {**data, "content": json.dumps(data["content"])} if "result" in data else data


class Choosing(ToyLLM):
    """Sends tools or a schema."""

    def fields(self, job: LLMJob) -> dict[str, Any]:
        fields = super().fields(job)
        return {**fields, "tools": []} if fields["schema"] else fields


class Forcing(ToyLLM):
    """Sends no difference between any tool and a named one."""

    def fields(self, job: LLMJob) -> dict[str, Any]:
        fields = super().fields(job)
        choice = fields["tool_choice"]
        return {**fields, "tool_choice": choice and choice["mode"]}


class ToolsOrNoCalls(ToyLLM):
    """Leaves calls out of a conversation where there are no tools."""

    def messages(self, job: LLMJob) -> list[Any]:
        messages = super().messages(job)
        if job.params.tools:
            return messages
        return [[part for part in parts if "call" not in part and "result" not in part] for parts in messages]


class CountingTwice(ToyLLM):
    """Adds the tokens of the cache to those that hold them."""

    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        answer = super().answer(raw)
        usage = answer.usage
        if usage is None or usage.cached_input_tokens is None:
            return answer
        total = (usage.input_tokens or 0) + usage.cached_input_tokens
        return replace(answer, usage=replace(usage, input_tokens=total))


class TrimmingThoughts(ToyLLM):
    def events(self, piece: dict[str, Any]) -> list[LLMEvent]:
        if "thought" in piece:
            return [ReasoningDelta(text=piece["thought"].strip())]
        return super().events(piece)


class CountingBytes(ToyLLM):
    """Takes places that are counted in characters for bytes."""

    def answer(self, raw: dict[str, Any]) -> LLMAnswer:
        answer = super().answer(raw)
        return replace(answer, parts=tuple(self.moved(part) for part in answer.parts))

    def moved(self, part: Any) -> Any:
        if not isinstance(part, TextPart) or not part.citations:
            return part
        cited = part.citations[0]
        start, end = (len(part.text.encode()[:place].decode(errors="ignore")) for place in (cited.start, cited.end))
        return replace(part, citations=(replace(cited, start=start, end=end),))


class Remembering(ToyLLM):
    """Keeps the signatures of calls to itself, in place of the answer."""

    kept: dict[str, str | None]

    def part_in(self, data: dict[str, Any]) -> AssistantPart:
        part = super().part_in(data)
        if not isinstance(part, ToolCallPart):
            return part
        self.kept = {**getattr(self, "kept", {}), part.id: part.opaque}
        return replace(part, opaque=None)

    def said(self, part: Part) -> dict[str, Any]:
        data = super().said(part)
        return {**data, "sig": getattr(self, "kept", {}).get(data["id"])} if "call" in data else data


class Recounting(ToyLLM):
    async def _count_tokens(self, job: LLMJob) -> int:
        return len(str(self.fields(job))) // 4


class OneImage(ToyImgGen):
    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        result = await super()._gen_image_list(job)
        return replace(result, content=result.content[:1])


class UnfilteredImages(ToyImgGen):
    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        result = await super()._gen_image_list(job)
        blank = GeneratedImage(data=b"blank", mime_type="image/png")
        return InferenceResult(content=result.content or (blank,), usage=result.usage)


class OtherPages(ToyExtract):
    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        async for page in super()._stream_pages(job):
            yield replace(page, number=page.number - 1)


class MiscountedPages(ToyExtract):
    """Tells how many pages came so far where it should tell how many there are."""

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        result = await super()._extract_pages(job)
        return replace(result, content=tuple(replace(page, page_count=page.number) for page in result.content))

    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        async for page in super()._stream_pages(job):
            yield page


class UntypedSearch(ToySearch):
    async def search_structured(self, job: Any, schema: TypeForm[Any]) -> Any:  # type: ignore[misc]  # what the kit has to find: a final method that is overridden
        return vars(await super().search_structured(job, schema))


class TrustingImages(ToyImgGen):
    """Believes that an answer is as its documentation says, as the next ones do."""

    def reason(self, answer: dict[str, Any]) -> FinishReason:
        return FinishReason(answer["finish"])


class TrustingPages(ToyExtract):
    def page(self, place: int, page: object) -> ExtractedPage:
        number: int = page["number"]  # type: ignore[index]  # what the kit has to find
        return replace(super().page(place, page), number=number)


class UnnestingPages(ToyExtract):
    """Believes that a list of objects holds objects."""

    def items(self, pages: object) -> list[object]:
        return [page for page in pages if isinstance(page, dict)] if isinstance(pages, list) else []


class TrustingSearch(ToySearch):
    def source(self, source: object) -> SearchSource | None:
        return SearchSource(**source)  # type: ignore[arg-type]  # what the kit has to find
