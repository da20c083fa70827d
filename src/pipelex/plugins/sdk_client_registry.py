"""One SDK client per model handle, built once, closed with the registry."""

from __future__ import annotations

from _thread import allocate_lock  # threading.Lock by its other name: that module loads what no plugin needs to boot
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Callable

    from pipelex.plugins.model_handle import ModelHandle

__all__ = ["PerLoopClient", "SdkClientRegistry"]

ClientT = TypeVar("ClientT")
ClientT_co = TypeVar("ClientT_co", covariant=True)


class ClientClosedError(RuntimeError):
    """A client is asked for after it was closed."""


class PerLoopClient(Generic[ClientT_co]):
    """An async SDK client for each event loop that calls it.

    The connections of an async client belong to the loop that opened them: a caller who runs ``asyncio.run`` twice,
    or mixes it with the synchronous methods, needs a client in each. Each is closed by its own ``aclose`` or
    ``close``, when its loop ends or with this object, whichever comes first.

    Args:
        build: Makes a client; called once in each loop, while it runs.
    """

    __slots__ = ("_build", "_closed", "_keepers", "_running_loop")

    def __init__(self, build: Callable[[], ClientT_co]) -> None:
        from asyncio import get_running_loop  # here once, and not in every call

        self._running_loop = get_running_loop
        self._build = build
        self._keepers: dict[AbstractEventLoop, tuple[ClientT_co, AsyncGenerator[None, None]]] = {}
        self._closed = False

    async def get(self) -> ClientT_co:
        """Return the client of the running loop, building it on first use.

        Raises:
            RuntimeError: This object has been closed.
        """
        loop = self._running_loop()
        kept = self._keepers.get(loop)
        if kept is not None:
            return kept[0]
        if self._closed:
            msg = "The client is closed: models are called inside the 'with Pipelex.setup()' block."
            raise ClientClosedError(msg)
        client = self._build()
        keeper = self._keep(loop, client)
        self._keepers[loop] = client, keeper  # before anything is awaited: other tasks of the loop find it
        await anext(keeper)
        return client

    async def _keep(self, loop: AbstractEventLoop, client: object) -> AsyncGenerator[None, None]:
        """Hold a client until its loop ends: that is when asyncio closes the generators that were begun in it."""
        try:
            yield
        finally:
            self._keepers.pop(loop, None)
            await _close_all([client])

    async def aclose(self) -> None:
        """Close the clients of all loops. May be called again."""
        from asyncio import get_running_loop, run_coroutine_threadsafe, wrap_future

        self._closed = True
        for loop, (_, keeper) in list(self._keepers.items()):
            if loop.is_running() and loop is not get_running_loop():
                await wrap_future(run_coroutine_threadsafe(_close(keeper), loop))
            elif not loop.is_closed():
                await keeper.aclose()
        self._keepers.clear()


async def _close(keeper: AsyncGenerator[None, None]) -> None:
    await keeper.aclose()


class _Slot:
    """The place of one client: its own lock, so that building one never waits for another."""

    __slots__ = ("built", "client", "lock")

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.built = False
        self.client: Any = None


class SdkClientRegistry:
    """Memoizes SDK clients, so that workers built again and again reuse their connections.

    Safe under threads and under tasks. A build that fails leaves nothing behind; the next call tries again.
    """

    __slots__ = ("_closed", "_lock", "_slots")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._slots: dict[ModelHandle, _Slot] = {}
        self._closed = False

    def get_or_create(self, *, handle: ModelHandle, build: Callable[[], ClientT]) -> ClientT:
        """Return the client of a handle, building it on first use.

        Args:
            handle: Whose client it is. A handle must always be given the same kind of client.
            build: Makes the client; called at most once per handle, whatever the number of threads.

        Returns:
            The one client of this handle.

        Raises:
            RuntimeError: The registry has been closed.
        """
        slot = self._slots.get(handle)
        if slot is None or not slot.built:
            slot = self._build(handle, build)
        client: ClientT = slot.client
        return client

    def _build(self, handle: ModelHandle, build: Callable[[], ClientT]) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(handle, _Slot())
        with slot.lock:
            if self._closed:
                msg = "The client registry is closed: workers are built inside the 'with Pipelex.setup()' block."
                raise RuntimeError(msg)
            if not slot.built:
                slot.client = build()
                slot.built = True
        return slot

    def close(self) -> None:
        """Close every client that was built, from code that runs no event loop. May be called again."""
        clients = self._take_all()
        if clients:
            from pipelex.cogt.inference.sync_calls import run_coroutine

            run_coroutine(_close_all, clients)

    async def aclose(self) -> None:
        """Close every client that was built, from async code. May be called again."""
        await _close_all(self._take_all())

    def _take_all(self) -> list[Any]:
        """Empty the registry and return its clients, last built first."""
        with self._lock:
            self._closed = True
            slots, self._slots = self._slots, {}
        clients = []
        for slot in reversed(slots.values()):
            with slot.lock:  # a build under way ends before its client is taken
                if slot.built:
                    clients.append(slot.client)
        return clients


async def _close_all(clients: list[Any]) -> None:
    """Close each client by its own ``aclose`` or ``close``; all are tried before a failure is raised."""
    failures: list[Exception] = []
    for client in clients:
        close = getattr(client, "aclose", None) or getattr(client, "close", None)
        try:
            pending: Any = close() if callable(close) else None
            if hasattr(pending, "__await__"):
                await pending
        except Exception as exc:  # each client's own failure must not keep the next one open
            failures.append(exc)
    if failures:
        raise ExceptionGroup("Some SDK clients failed to close", failures)
