"""The time limit of a wait: what ``asyncio.timeout`` would be, with one timer for all waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class TimeLimits:
    """The waits of one event loop that may take equally long.

    They are due in the order in which they began. So one timer is enough: it cancels those that are due, and is set
    anew to when the next one is. A timer for each would cost more than all else that is done with a piece of a stream.

    Args:
        loop: The event loop.
        limit_s: How long a wait may take, in seconds.

    Attributes:
        waits: Those that have begun and not ended, in order.
    """

    __slots__ = ("_has_timer", "_limit_s", "_loop", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        self._loop = loop
        self._limit_s = limit_s
        self._has_timer = False
        self.waits: dict[TimeLimit, None] = {}

    def begin(self, wait: TimeLimit) -> tuple[asyncio.Task[object], float]:
        """Begin a wait, and return who waits and when it is due."""
        task = asyncio.current_task(self._loop)
        assert task is not None
        due = self._loop.time() + self._limit_s
        self.waits[wait] = None
        if not self._has_timer:
            self._has_timer = True
            self._loop.call_at(due, self._look)
        return task, due

    def _look(self) -> None:
        now = self._loop.time()
        while self.waits:
            first = next(iter(self.waits))
            if first.due > now:
                self._loop.call_at(first.due, self._look)
                return
            del self.waits[first]
            first.cancel()
        self._has_timer = False


class TimeLimit:
    """A context around a wait that may not take too long. It may be used for one wait after the other.

    Args:
        limits: Those of the event loop, for waits of this length.

    Attributes:
        due: When the wait is due, by the clock of the event loop.
        is_over: Whether the wait took longer.

    Raises:
        TimeoutError: The wait took longer, and nobody else cancelled it too.
    """

    __slots__ = ("_cancelling", "_limits", "_task", "due", "is_over")

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self.is_over = False

    def __enter__(self) -> TimeLimit:
        self.is_over = False
        self._task, self.due = self._limits.begin(self)
        self._cancelling = self._task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the wait."""
        if not self.is_over:
            del self._limits.waits[self]
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def cancel(self) -> None:
        """Cancel the wait: it is over."""
        self.is_over = True
        self._task.cancel()
