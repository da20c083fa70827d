"""The time limit from one piece of a stream to the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

ItemT = TypeVar("ItemT")


class PieceLimit:
    """What ``asyncio.timeout`` around each piece would be, with one timer for the whole stream.

    A piece comes in millionths of a second, and a timer for each would cost more than all else that is done with it.
    So the time at which the wait for a piece began is only written down, and the timer looks at it: when it is due, it
    cancels the wait, or is set anew to when the present wait is due.

    Args:
        limit_s: How long a piece may take, in seconds. The time between pieces, which is the caller's, does not count.

    Attributes:
        is_over: Whether a piece took longer.
    """

    __slots__ = ("_cancelling", "_has_cancelled", "_limit_s", "_loop", "_since", "_task", "_timer", "is_over")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None  # who waits for a piece
        self._since = 0.0
        self._has_cancelled = False
        self.is_over = False
        self._timer = self._loop.call_later(limit_s, self._look)

    def __enter__(self) -> PieceLimit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the timer back."""
        self._timer.cancel()

    async def next(self, stream: AsyncIterator[ItemT]) -> ItemT:
        """Return the next piece.

        Raises:
            TimeoutError: It did not come in time.
            StopAsyncIteration: There is none.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None
        cancelling = task.cancelling()
        self._since = self._loop.time()
        self._task = task
        try:
            return await anext(stream)
        except asyncio.CancelledError as exc:
            self.is_over = self._has_cancelled and task.cancelling() == cancelling + 1  # nobody else cancelled it too
            if self.is_over:
                raise TimeoutError from exc
            raise
        finally:
            self._task = None
            if self._has_cancelled:
                self._has_cancelled = False
                task.uncancel()

    def _look(self) -> None:
        now = self._loop.time()
        due = (now if self._task is None else self._since) + self._limit_s
        if self._task is not None and due <= now:
            self._has_cancelled = True
            self._task.cancel()
            due = now + self._limit_s  # for a stream that goes on all the same
        self._timer = self._loop.call_at(due, self._look)
