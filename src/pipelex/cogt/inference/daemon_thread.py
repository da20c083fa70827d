"""A call that blocks, on a thread that never keeps the process from ending."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["on_daemon_thread"]

ResultT = TypeVar("ResultT")


async def on_daemon_thread(function: Callable[[], ResultT]) -> ResultT:
    """Await a function that blocks: an SDK without an async client, a file that may lie on a network.

    It runs on a daemon thread of its own. ``asyncio.to_thread`` is no substitute: Python waits for the threads of a
    pool before it ends, which after an interrupt would be until the last answer. A call that is given up runs on until
    the function returns; what it returns is dropped. Until then the call keeps its slot of its backend's
    ``max_concurrency``: what runs on counts.

    Args:
        function: What to call.

    Returns:
        What the function returns.

    Raises:
        BaseException: Whatever the function raises; a RuntimeError in place of StopIteration.
    """
    import asyncio
    from threading import Thread

    from pipelex.cogt.inference.slots import current_slot

    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()
    slot = current_slot.get()
    has_ended = False

    def settle(set_outcome: Callable[[], None]) -> None:
        if not future.done():  # else given up meanwhile
            set_outcome()

    def run() -> None:
        nonlocal has_ended
        try:
            result = function()
        except StopIteration as exc:  # no future takes it; what Python itself makes of it in a coroutine
            error: BaseException = RuntimeError("the function raised StopIteration")
            error.__cause__ = exc
            post(lambda: future.set_exception(error))
        except BaseException as exc:  # sys.exit(), too: whoever waits would wait for ever
            error = exc
            post(lambda: future.set_exception(error))
        else:
            post(lambda: future.set_result(result))
        finally:
            has_ended = True
            if slot is not None and slot.is_kept:
                slot.release()

    def post(set_outcome: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(settle, set_outcome)
        except RuntimeError:  # the loop was closed meanwhile
            return

    Thread(target=run, name="pipelex-blocking-call", daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        if slot is not None:
            slot.is_kept = True
            if has_ended:  # perhaps before it saw that
                slot.release()
        raise
