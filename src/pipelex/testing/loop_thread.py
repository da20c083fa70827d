"""The event loop of a check, on a thread of its own: a hook that blocks it ends the check and not the run."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import traceback
from threading import Event, Thread, current_thread
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.testing.checks import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

ResultT = TypeVar("ResultT")

_STANDARD_LIBRARY = sysconfig.get_path("stdlib")
_SOON_S = 0.5  # what is over by then blocks no other call
_TURNS_OF_NO_CALL = 10  # of the event loop: what begins and ends a call


class LoopThread(Generic[ResultT]):
    """Runs a coroutine to its end in a new event loop.

    Args:
        scene: The coroutine.
        limit_s: After how many seconds it is given up.
    """

    def __init__(self, scene: Coroutine[object, object, ResultT], *, limit_s: float) -> None:
        self._scene = scene
        self._limit_s = limit_s
        self._results: list[ResultT] = []
        self._error: BaseException | None = None

    def run(self) -> ResultT:
        """Return what the coroutine returns, or raise what it raises.

        Raises:
            NotConformingError: It blocks its event loop for longer than it may take.
        """
        thread = Thread(target=self._run, name="pipelex-check", daemon=True)
        thread.start()
        thread.join(self._limit_s)
        if thread.is_alive():
            fail(f"The event loop was blocked for {self._limit_s:g} s {place_of(thread)}. {ADVICE}")
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(asyncio.run(self._scene))
        except BaseException as exc:
            self._error = exc


ADVICE = (
    "While a hook blocks, no other call goes on and no time-out is kept. Use the SDK's async client, or call it by "
    "on_daemon_thread (docs/write-a-plugin.md, A synchronous SDK)."
)


class LoopWatch:
    """Sees, on a thread of its own, whether an event loop goes on while a request is under way.

    Args:
        wait_for_request: Waits until the request is under way; blocks.
        close: Closes the vendor, where the loop does not go on: that ends what waits for an answer without a limit.
        limit_s: How long to wait for the request, and for the loop.

    Attributes:
        place: Where the loop was blocked; empty where it did not.
    """

    def __init__(
        self, wait_for_request: Callable[[float], object], close: Callable[[], object], *, limit_s: float
    ) -> None:
        self.place = ""
        self._wait_for_request = wait_for_request
        self._close = close
        self._limit_s = limit_s

    async def sees(self, call: asyncio.Future[object]) -> bool:
        """Return whether the loop went on before the call was over.

        Args:
            call: The call, which has not begun.
        """
        loop, watched = asyncio.get_running_loop(), current_thread()
        went_on: asyncio.Future[bool] = loop.create_future()
        is_free = Event()

        def note() -> None:
            is_free.set()
            if not went_on.done():
                went_on.set_result(not call.done())

        def watch() -> None:
            self._wait_for_request(self._limit_s)
            try:
                loop.call_soon_threadsafe(note)
            except RuntimeError:  # the check is over
                return
            if not is_free.wait(_SOON_S):
                self.place = place_of(watched)
                if not is_free.wait(self._limit_s):
                    self._close()

        Thread(target=watch, name="pipelex-watch", daemon=True).start()
        return await went_on


def place_of(thread: Thread) -> str:
    """Return what a thread is doing: the line outside of the standard library that it came to last."""
    frame = sys._current_frames().get(thread.ident or 0)
    lines = [line for line in traceback.extract_stack(frame) if not _is_of_python(line.filename)]
    return f"in {lines[-1].name} ({lines[-1].filename}:{lines[-1].lineno})" if lines else ""


def _is_of_python(file: str) -> bool:
    return file.startswith(_STANDARD_LIBRARY) and "-packages" not in file


async def blocks_its_loop(call: Callable[[], Coroutine[object, object, object]]) -> bool:
    """Return whether the event loop turned to no other task during a call that took long.

    Args:
        call: Makes the call.
    """
    turns, began = 0, monotonic()

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(turn())
    try:
        await call()
    finally:
        other.cancel()
    return turns <= _TURNS_OF_NO_CALL and monotonic() - began > _SOON_S
