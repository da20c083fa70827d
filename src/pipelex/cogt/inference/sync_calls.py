"""The bridge from synchronous callers to async workers: one background event loop for the whole process.

All synchronous calls share that one loop, so that an SDK client's connections, which belong to the loop
that opened them, can be used by the next call.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pipelex.cogt.inference.forking import renew_after_fork
from pipelex.cogt.inference.iterators import close_iterator, note_failed_close

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator

ParamsT = ParamSpec("ParamsT")
ReturnT = TypeVar("ReturnT")
ItemT = TypeVar("ItemT")

_lock = Lock()
_loop: AbstractEventLoop | None = None
_LONGEST_END_S = 2.0  # for a cancelled call to end
_inherited: list[AbstractEventLoop] = []
"""The loops of the parent processes. Closing one here, or collecting it, would change what the parent waits for."""


def _renew() -> None:
    global _loop, _lock
    if _loop is not None:
        _inherited.append(_loop)
    _loop, _lock = None, Lock()


renew_after_fork(_renew)


def _shared_loop() -> AbstractEventLoop:
    """Return the loop of the background thread, starting both on first use."""
    global _loop  # noqa: PLW0603 - one loop a process is the point
    with _lock:
        if _loop is None or _loop.is_closed():
            import asyncio

            _loop = asyncio.new_event_loop()
            Thread(target=_loop.run_forever, name="pipelex-sync-calls", daemon=True).start()
        return _loop


def refuse_in_running_loop(method: str) -> None:
    """Raise a named error where a synchronous call would block the caller's own event loop.

    Args:
        method: The synchronous method's name, for the error.

    Raises:
        SyncCallInRunningLoopError: This thread's event loop is running.
    """
    if _is_loop_running():
        from pipelex.cogt.exceptions import SyncCallInRunningLoopError

        raise SyncCallInRunningLoopError(method=method)


def _is_loop_running() -> bool:
    """Return whether this thread runs an event loop."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_coroutine(
    function: Callable[ParamsT, Coroutine[object, object, ReturnT]], *args: ParamsT.args, **kwargs: ParamsT.kwargs
) -> ReturnT:
    """Run an async function on the shared loop and wait for what it returns.

    An interrupt (Ctrl-C) while waiting cancels the call, and is raised when the call has ended: what comes next may
    use what the call used.
    """
    import asyncio

    exits: list[BaseException] = []

    async def run() -> ReturnT | None:
        try:
            return await function(*args, **kwargs)
        except (KeyboardInterrupt, SystemExit) as exc:  # asyncio would end the loop of all further calls with it
            exits.append(exc)
            return None

    loop, coroutine = _shared_loop(), run()
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        result = future.result()
    except BaseException:
        if future.cancel():
            with suppress(Exception):  # the interrupt is what is raised
                asyncio.run_coroutine_threadsafe(_ended(coroutine), loop).result(2 * _LONGEST_END_S)
        raise
    if exits:
        raise exits[0]
    return result  # type: ignore[return-value]  # None only stands for an exit


async def _ended(coroutine: Coroutine[object, object, object]) -> None:
    """Wait until a coroutine that was cancelled has ended, but not for ever: it may ignore that."""
    import asyncio

    tasks = [task for task in asyncio.all_tasks() if task.get_coro() is coroutine]
    if tasks:
        await asyncio.wait(tasks, timeout=_LONGEST_END_S)


def call_sync(
    method: Callable[ParamsT, Coroutine[object, object, ReturnT]], *args: ParamsT.args, **kwargs: ParamsT.kwargs
) -> ReturnT:
    """Run a worker's async method for its ``_sync`` twin.

    Raises:
        SyncCallInRunningLoopError: This thread's event loop is running.
    """
    refuse_in_running_loop(f"{getattr(method, '__name__', 'call')}_sync")
    return run_coroutine(method, *args, **kwargs)


def iterate_sync(method_name: str, items: AsyncIterator[ItemT]) -> Generator[ItemT, None, None]:
    """Draw an async iterator's items one by one from synchronous code.

    Leaving the loop early closes the iterator, and with it whatever it holds open.

    Raises:
        SyncCallInRunningLoopError: This thread's event loop is running.
    """
    refuse_in_running_loop(f"{method_name}_sync")
    return _drain(items)


def _drain(items: AsyncIterator[ItemT]) -> Generator[ItemT, None, None]:
    process = os.getpid()

    async def take() -> tuple[bool, ItemT | None]:
        try:
            return True, await anext(items)
        except StopAsyncIteration:
            return False, None

    try:
        while True:
            if os.getpid() != process:
                from pipelex.cogt.exceptions import InferenceRequestError

                msg = "The stream belongs to the parent process, which began to read it. Open one in this process"
                raise InferenceRequestError(msg)
            there, item = run_coroutine(take)
            if not there:
                return
            yield item  # type: ignore[misc]  # None only stands where nothing is there
    except BaseException as error:
        try:
            _close(items)
        except Exception as exc:
            note_failed_close(error, exc)
        raise


def _close(items: AsyncIterator[object]) -> None:
    """Close an iterator, and wait for that unless this thread runs an event loop.

    The garbage collector runs on any thread. On that of the shared loop, to wait for the loop would block it for ever.
    """
    if _is_loop_running():
        import asyncio

        asyncio.run_coroutine_threadsafe(close_iterator(items), _shared_loop())
    else:
        run_coroutine(close_iterator, items)
