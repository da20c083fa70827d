"""For drivers of engines that block: one thread that runs calls in order, and a mailbox to an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakSet

from pipelex.cogt.inference.forking import renew_after_fork
from pipelex.fork_safe_lock import ForkSafeLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["LoopMailbox", "OneThread"]

_threads: WeakSet[OneThread] = WeakSet()
ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")


class OneThread:
    """One thread that runs calls one after the other: for a library that is not safe under more than one.

    The thread starts with the first call. A process that is forked from this one starts its own. Python waits for the
    call under way before it ends.

    Args:
        name: The name of the thread, for those who look at a process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = ForkSafeLock()
        self._executor: ThreadPoolExecutor | None = None
        _threads.add(self)

    async def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Queue a call and await it. Given up before it has begun, it is not made; later, it runs on to its end.

        Args:
            function: What to call on the thread.

        Returns:
            What it returns.

        Raises:
            Exception: Whatever it raises.
        """
        import asyncio

        return await asyncio.wrap_future(self._submit(function))

    def post(self, function: Callable[[], object]) -> None:
        """Queue a call that is not waited for, such as one that closes what another one opened.

        Args:
            function: What to call on the thread; what it returns or raises is dropped.
        """
        self._submit(function)

    def _submit(self, function: Callable[[], ResultT]) -> Future[ResultT]:
        with self._lock:
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
            return self._executor.submit(function)

    def _renew(self) -> None:
        """Begin without a thread, in a child process too: the parent's is not there."""
        self._executor = None


class LoopMailbox(Generic[ItemT]):
    """Brings items from any thread to the event loop that it was made in, in their order.

    One task iterates over it (``async for item in mailbox``), until :meth:`end` is called.
    """

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[tuple[ItemT, ...]] = asyncio.Queue()

    def put(self, item: ItemT) -> bool:
        """Send an item; from any thread.

        Args:
            item: The item.

        Returns:
            False where the loop is closed: no one will read it.
        """
        return self._post((item,))

    def end(self) -> bool:
        """End the iteration after the items before; from any thread.

        Returns:
            False where the loop is closed.
        """
        return self._post(())

    def __aiter__(self) -> LoopMailbox[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        """Wait for the next item.

        Raises:
            StopAsyncIteration: The mailbox was ended.
        """
        for item in await self._items.get():
            return item
        raise StopAsyncIteration

    def _post(self, items: tuple[ItemT, ...]) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._items.put_nowait, items)
        except RuntimeError:  # the loop was closed meanwhile
            return False
        return True


def _renew_all() -> None:
    for thread in _threads:
        thread._renew()


renew_after_fork(_renew_all)
