"""An event loop whose clock jumps to the next timer: tests of pauses and deadlines take no time and see exact ones."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pipelex.cogt.inference import attempts, gate, inference_worker_abstract, limiter, slots

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    import pytest

ResultT = TypeVar("ResultT")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never sleeps: where nothing is ready, it is later."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__()

    def time(self) -> float:
        """Return the virtual time."""
        return self.now

    def _run_once(self) -> None:
        loop: Any = self  # what is private of asyncio's own loop
        if not loop._ready:
            timers = [timer.when() for timer in loop._scheduled if not timer.cancelled()]
            self.now = max(self.now, min(timers, default=self.now))
        asyncio.SelectorEventLoop._run_once(loop)  # type: ignore[attr-defined]  # private, as said


class VirtualTime:
    """Runs coroutines in virtual time.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.took = 0.0

    def now(self) -> float:
        """Return the virtual time."""
        return self._loop.now

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a coroutine; ``took`` says how long it took."""
        began = self._loop.now
        try:
            return self._loop.run_until_complete(coroutine)
        finally:
            self.took = self._loop.now - began


@contextmanager
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualTime]:
    """Let the limiter and the attempts read a virtual clock."""
    loop = VirtualLoop()
    time = VirtualTime(loop)
    for module in (attempts, gate, limiter, slots):
        monkeypatch.setattr(module, "monotonic", time.now)
    monkeypatch.setattr(inference_worker_abstract, "perf_counter", time.now)
    try:
        yield time
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
