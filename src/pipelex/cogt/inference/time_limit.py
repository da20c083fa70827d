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
        loop: The event loop.
        limit_s: How long a wait may take.
        waits: Those that have begun and not ended, in order.
        has_timer: Whether there is a timer.
    """

    __slots__ = ("has_timer", "limit_s", "loop", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        self.loop = loop
        self.limit_s = limit_s
        self.waits: dict[TimeLimit, None] = {}
        self.has_timer = False

    def set_timer(self, due: float) -> None:
        """Look at the waits when the first of them is due."""
        self.has_timer = True
        self.loop.call_at(due, self._look)

    def _look(self) -> None:
        self.has_timer = False
        now = self.loop.time()
        while self.waits:
            first = next(iter(self.waits))
            if first.due > now:
                self.set_timer(first.due)
                return
            del self.waits[first]
            first.cancel()


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
        limits = self._limits
        task = asyncio.current_task(limits.loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self.is_over = False
        self.due = due = limits.loop.time() + limits.limit_s
        limits.waits[self] = None
        if not limits.has_timer:
            limits.set_timer(due)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the wait."""
        if not self.is_over:
            del self._limits.waits[self]
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def restart(self) -> None:
        """Begin the wait anew: what was waited for came, and the next of its kind may take as long."""
        if not self.is_over:
            limits = self._limits
            del limits.waits[self]
            self.due = limits.loop.time() + limits.limit_s
            limits.waits[self] = None

    def cancel(self) -> None:
        """Cancel the wait: it is over."""
        self.is_over = True
        self._task.cancel()


_by_loop: dict[asyncio.AbstractEventLoop, dict[float, TimeLimits]] = {}


def time_limit(limit_s: float) -> TimeLimit:
    """Return a time limit in the running event loop, which shares its timer with all of the same length.

    Args:
        limit_s: How long a wait may take, in seconds.
    """
    loop = asyncio.get_running_loop()
    known = _by_loop.get(loop)
    if known is None:
        forget_closed_loops()
        known = _by_loop[loop] = {}
    limits = known.get(limit_s)
    if limits is None:
        limits = known[limit_s] = TimeLimits(loop, limit_s)
    return TimeLimit(limits)


def forget_closed_loops() -> None:
    """Let go of the waits of loops that were closed, so that what they hold can be collected."""
    for closed in [loop for loop in list(_by_loop) if loop.is_closed()]:
        _by_loop.pop(closed, None)
