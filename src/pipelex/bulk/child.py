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
_LOOKS_EACH_S = 0.5


async def in_child(work: Callable[[], Coroutine[object, object, str]]) -> str | None:
    """Run an async function in a forked process.

    Args:
        work: The function. Its SDK clients are made anew: they belong to the event loop that runs it.

    Returns:
        What it returned; ``None`` where the process died before.
    """
    read_end, write_end = os.pipe()
    parent = os.getpid()
    number = os.fork()
    if number == 0:
        _be_child(work, write_end, parent)
    os.close(write_end)
    try:
        text = await asyncio.get_running_loop().run_in_executor(None, _collect, number, read_end)
    except asyncio.CancelledError:
        os.kill(number, signal.SIGKILL)
        raise
    return text or None


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
