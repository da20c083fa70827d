"""One call in a process of its own: a row that kills its process then kills that one."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

CAN_FORK = hasattr(os, "fork")
_MOST_CHILDREN = 8
_LOOKS_EACH_S = 0.5


class Children:
    """Makes processes for single calls, and never one while other calls of its event loop are under way.

    A fork copies the locks and pipes that other threads hold at that moment, and nothing ever releases the copies: SDKs
    resolve names, import modules and start programs on threads.

    Attributes:
        calls: How many calls are under way in this process.
        forks: How many processes are about to be made; no further call begins until they are.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.forks = 0
        self._slots = asyncio.Semaphore(_MOST_CHILDREN)
        self._call_ended, self._fork_ended = asyncio.Event(), asyncio.Event()

    def end_call(self) -> None:
        """Count a call that has ended."""
        self.calls -= 1
        self._call_ended.set()

    async def wait_for_forks(self) -> None:
        """Wait until no process is about to be made."""
        while self.forks:
            self._fork_ended.clear()
            await self._fork_ended.wait()

    async def run(self, work: Callable[[], Coroutine[object, object, str]]) -> str | None:
        """Run an async function in a forked process, when the calls under way have ended.

        Args:
            work: The function. Its SDK clients are made anew: they belong to the event loop that runs it.

        Returns:
            What it returned; ``None`` where the process died before.
        """
        async with self._slots:
            self.forks += 1
            try:
                while self.calls:
                    self._call_ended.clear()
                    await self._call_ended.wait()
                number, read_end = _forked(work)
            finally:
                self.forks -= 1
                self._fork_ended.set()
            try:
                text = await asyncio.get_running_loop().run_in_executor(None, _collect, number, read_end)
            except asyncio.CancelledError:
                os.kill(number, signal.SIGKILL)
                raise
        return text or None


_by_loop: dict[asyncio.AbstractEventLoop, Children] = {}


def children_of_running_loop() -> Children:
    """Return what makes the processes of the event loop that runs: several runs may share it."""
    for closed in [loop for loop in list(_by_loop) if loop.is_closed()]:
        _by_loop.pop(closed, None)
    return _by_loop.setdefault(asyncio.get_running_loop(), Children())


def _forked(work: Callable[[], Coroutine[object, object, str]]) -> tuple[int, int]:
    """Run a function in a new process; return its number, and the pipe that the answer comes by."""
    read_end, write_end = os.pipe()
    parent = os.getpid()
    number = os.fork()
    if number == 0:
        _be_child(work, write_end, parent)
    os.close(write_end)
    return number, read_end


def _be_child(work: Callable[[], Coroutine[object, object, str]], write_end: int, parent: int) -> None:
    """Run the function on a new thread, since this one has the event loop of the parent; then leave at once."""
    try:
        with suppress(ValueError):  # the parent decides what an interrupt means
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        Thread(target=_leave_with, args=(parent,), daemon=True).start()
        returned: list[str] = []
        thread = Thread(target=lambda: returned.append(asyncio.run(work())))
        thread.start()
        thread.join()
        with os.fdopen(write_end, "w", encoding="utf-8") as pipe:
            pipe.write("".join(returned))
    finally:
        os._exit(0)  # nothing of the parent is closed here


def _leave_with(parent: int) -> None:
    """End this process when its parent has died: no other one reads the answer, and the row is run again."""
    while os.getppid() == parent:
        sleep(_LOOKS_EACH_S)
    os._exit(1)


def _collect(number: int, read_end: int) -> str:
    with os.fdopen(read_end, encoding="utf-8") as pipe:
        text = pipe.read()
    with suppress(ChildProcessError):
        os.waitpid(number, 0)
    return text
