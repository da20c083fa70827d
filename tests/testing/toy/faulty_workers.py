"""Workers and clients that each get one thing wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeAlias

from typing_extensions import TypeForm

from pipelex.cogt.exceptions import InferenceError, InferenceModelNotFoundError
from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJob
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, LLMEvent, LLMJob, LLMMessage, TextDelta
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.testing.toy.sdk import ToyBroken, ToyClient, ToyTimeout
from tests.testing.toy.workers import ToyExtract, ToyImgGen, ToyLLM, ToySearch


class Disguised:
    """Behaves like a worker and is none."""

    def __init__(self, **records: Any) -> None:
        self._worker = ToyLLM(**records)

    def __getattr__(self, name: str) -> object:
        return getattr(self._worker, name)


Job: TypeAlias = LLMJob | Sequence[LLMMessage] | str


class Stripping(ToyLLM):
    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        result = await super()._gen_text(job)
        return replace(result, content=result.content.strip())


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
        return (await self._gen_text(job)).content


class Trusting(ToyLLM):
    """Believes that an answer is as its documentation says."""

    def result(self, answer: dict[str, Any]) -> InferenceResult[str]:
        return replace(super().result(answer), usage=InferenceUsage(**answer["usage"]))


class Uncounting(ToyLLM):
    def result(self, answer: dict[str, Any]) -> InferenceResult[str]:
        result = super().result(answer)
        return replace(result, usage=None)


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

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        try:
            return await asyncio.shield(asyncio.ensure_future(self._go_on(job)))
        except asyncio.CancelledError:
            self.is_left = True
            raise

    async def _go_on(self, job: LLMJob) -> InferenceResult[str]:
        try:
            return await super()._gen_text(job)
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
    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        self.job = job
        await asyncio.sleep(0)
        return await super()._gen_text(self.job)


class Trimming(ToyLLM):
    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        async for piece in super()._stream(job):
            yield replace(piece, text=piece.text.strip()) if isinstance(piece, TextDelta) else piece


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
    def result(self, answer: dict[str, Any]) -> InferenceResult[str]:
        return replace(super().result(answer), finish_reason=FinishReason.STOP)


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
