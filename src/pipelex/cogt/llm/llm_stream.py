"""An answer while it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.cogt.llm.llm_job import AnswerDone, TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
    from types import TracebackType
    from typing import Self

    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMEvent

__all__ = ["LLMObjectStream", "LLMObjectStreamSync", "LLMStream", "LLMStreamSync"]

ObjectT_co = TypeVar("ObjectT_co", covariant=True)


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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the stream."""
        await self.aclose()

    def __aiter__(self) -> Self:
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


class LLMObjectStream(LLMStream, Generic[ObjectT_co]):
    """What :class:`LLMStream` is, for an answer that is an object: the object as far as it came, and whole at the end.

    Example:
        >>> async with worker.stream_object("Three cities of Italy", list[City]) as stream:
        ...     async for partial in stream.partials():
        ...         print(partial)  # [{'name': 'Ro'}], [{'name': 'Rome', 'people': 28}], ...
        ...     cities = await stream.output()

    Args:
        events: The events; the last one is an AnswerDone, whose answer fits the type.
        so_far: Returns the answer as far as it came.
        output: Returns the validated object, once the last event came.
    """

    def __init__(
        self,
        events: AsyncIterator[LLMEvent],
        so_far: Callable[[], LLMAnswer],
        output: Callable[[], ObjectT_co],
    ) -> None:
        super().__init__(events, so_far)
        self._output = output

    async def partials(self) -> AsyncGenerator[object, None]:
        """Yield the object as far as it came, each time that there is more of it; the last one is the whole.

        Yields:
            The JSON value, as ``json.loads`` returns one, not validated: fields that have not come are missing, and the
            last text and the last number may be a part of theirs. After an answer that does not fit, it begins anew.

        Raises:
            InferenceError: The call failed; its ``answer`` holds what came.
        """
        from pipelex.cogt.llm.object_question import partial_value

        latest: object = self  # equal to no value
        async for event in self:
            if type(event) is TextDelta:
                try:
                    value = partial_value(self.so_far.text)
                except ValueError:  # no value yet
                    continue
                if value != latest:
                    latest = value
                    yield value

    async def output(self) -> ObjectT_co:
        """Return the whole object. Events that are still to come are skipped.

        Raises:
            InferenceInvalidAnswerError: The answer does not fit the type.
            InferenceError: The call failed, or the answer was cut off or refused; ``answer`` holds what came.
            StreamClosedError: The stream was closed before its end.
        """
        await self.answer()
        return self._output()


class LLMStreamSync:
    """What :class:`LLMStream` is, for code that runs no event loop.

    Args:
        stream: The stream.
    """

    _method = "stream_answer"

    def __init__(self, stream: LLMStream) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
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

        return iterate_sync(self._method, self._stream)

    def text(self) -> Generator[str, None, None]:
        """Return an iterator over the pieces of the text that are still to come.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        return iterate_sync(self._method, self._stream.text())

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


class LLMObjectStreamSync(LLMStreamSync, Generic[ObjectT_co]):
    """What :class:`LLMObjectStream` is, for code that runs no event loop.

    Args:
        stream: The stream.
    """

    _method = "stream_object"

    def __init__(self, stream: LLMObjectStream[ObjectT_co]) -> None:
        super().__init__(stream)
        self._object_stream = stream

    def partials(self) -> Generator[object, None, None]:
        """Return an iterator over what :meth:`LLMObjectStream.partials` yields.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
        """
        from pipelex.cogt.inference.sync_calls import iterate_sync

        return iterate_sync(self._method, self._object_stream.partials())

    def output(self) -> ObjectT_co:
        """Do what :meth:`LLMObjectStream.output` does.

        Raises:
            SyncCallInRunningLoopError: An event loop runs on this thread.
            InferenceError: The call failed; its ``answer`` holds what came.
        """
        from pipelex.cogt.inference.sync_calls import call_sync

        return call_sync(self._object_stream.output)


def _whole(answer: LLMAnswer | None, error: Exception | None) -> LLMAnswer:
    if answer is not None:
        return answer
    if error is not None:
        raise error
    from pipelex.cogt.exceptions import StreamClosedError

    raise StreamClosedError
