"""An answer while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.llm.llm_job import AnswerDone, TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
    from types import TracebackType

    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMEvent

__all__ = ["LLMStream", "LLMStreamSync"]


class LLMStream:
    """The events of an answer as they come, its text in pieces, and the whole of it at the end.

    Leaving the ``async with`` closes it, and with it the vendor's connection. The call is reported once, when it ends,
    is closed or is dropped.

    Example:
        >>> async with worker.stream_answer("Why is the sky blue?") as stream:
        ...     async for piece in stream.text():
        ...         print(piece, end="")
        ...     answer = await stream.answer()

    Args:
        events: The events; the last one is an AnswerDone.
        so_far: Returns the answer as far as it came.
    """

    def __init__(self, events: AsyncIterator[LLMEvent], so_far: Callable[[], LLMAnswer]) -> None:
        self._events = events
        self._so_far = so_far
        self._answer: LLMAnswer | None = None
        self._error: Exception | None = None

    async def __aenter__(self) -> LLMStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream."""
        await self.aclose()

    def __aiter__(self) -> LLMStream:
        return self

    async def __anext__(self) -> LLMEvent:
        """Return the next event.

        Raises:
            InferenceError: The call failed; its ``answer`` holds what came.
        """
        try:
            event = await anext(self._events)
        except Exception as error:
            if not isinstance(error, StopAsyncIteration):
                self._error = error
            raise
        if type(event) is AnswerDone:
            self._answer = event.answer
        return event

    async def text(self) -> AsyncGenerator[str, None]:
        """Yield the pieces of the text that are still to come.

        Raises:
            InferenceError: The call failed; its ``answer`` holds what came.
        """
        async for event in self:
            if type(event) is TextDelta:
                yield event.text

    async def answer(self) -> LLMAnswer:
        """Return the whole answer, whatever the reason it ended for. Events that are still to come are skipped.

        Raises:
            InferenceError: The call failed; its ``answer`` holds what came.
            StreamClosedError: The stream was closed before its end.
        """
        async for _ in self:
            pass
        return _whole(self._answer, self._error)

    @property
    def so_far(self) -> LLMAnswer:
        """The answer as far as it came."""
        return self._answer or self._so_far()

    async def aclose(self) -> None:
        """Close the stream; what has not come is not waited for."""
        from pipelex.cogt.inference.iterators import close_iterator

        await close_iterator(self._events)


class LLMStreamSync:
    """What :class:`LLMStream` is, for code that runs no event loop.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: LLMStream) -> None:
        self._stream = stream

    def __enter__(self) -> LLMStreamSync:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream."""
        self.close()

    def __iter__(self) -> Generator[LLMEvent, None, None]:
        """Return an iterator over the events that are still to come.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        return iterate_sync("stream_answer", self._stream)

    def text(self) -> Generator[str, None, None]:
        """Return an iterator over the pieces of the text that are still to come.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        return iterate_sync("stream_answer", self._stream.text())

    def answer(self) -> LLMAnswer:
        """Do what :meth:`LLMStream.answer` does.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its ``answer`` holds what came.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self._stream.answer)

    @property
    def so_far(self) -> LLMAnswer:
        """The answer as far as it came."""
        return self._stream.so_far

    def close(self) -> None:
        """Close the stream; what has not come is not waited for."""
        from pipelex.cogt.inference.sync_calls import call_sync

        call_sync(self._stream.aclose)


def _whole(answer: LLMAnswer | None, error: Exception | None) -> LLMAnswer:
    if answer is not None:
        return answer
    if error is not None:
        raise error
    from pipelex.cogt.exceptions import StreamClosedError

    raise StreamClosedError
