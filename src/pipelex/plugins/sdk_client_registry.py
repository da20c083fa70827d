"""One SDK client per model handle, built once, closed with the registry."""

from __future__ import annotations

from _weakref import ref
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipelex.fork_safe_lock import ForkSafeLock

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncGenerator, Callable

    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.plugins.model_handle import ModelHandle

__all__ = ["PerLoopClient", "SdkClientRegistry"]

ClientT = TypeVar("ClientT")
ClientT_co = TypeVar("ClientT_co", covariant=True)


_inherited: list[object] = []
"""What keeps the clients of a parent process. Collecting one would close connections that the parent uses."""


class ClientClosedError(RuntimeError):
    """A client is asked for after it was closed."""


class PerLoopClient(Generic[ClientT_co]):
    """An async SDK client for each event loop that calls it.

    The connections of an async client belong to the loop that opened them: a caller who runs ``asyncio.run`` twice,
    or mixes it with the synchronous methods, needs a client in each. Each is closed by its own ``aclose`` or
    ``close``, when its loop ends or with this object, whichever comes first. A loop that is closed by hand, without
    ``loop.shutdown_asyncgens()`` before, leaves its client no way to close: its connections are dropped when the next
    loop asks for a client.

    Args:
        build: Makes a client; called once in each loop, while it runs.
    """

    __slots__ = ("_build", "_closed", "_keepers", "_running_loop")

    def __init__(self, build: Callable[[], ClientT_co]) -> None:
        from asyncio import get_running_loop  # here once, and not in every call

        self._running_loop = get_running_loop
        self._build = build
        self._keepers: dict[AbstractEventLoop, tuple[ClientT_co, AsyncGenerator[None, None], int]] = {}
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
        from os import getpid

        for closed in [known for known in self._keepers if known.is_closed()]:
            del self._keepers[closed]
        client = self._build()
        keeper = self._keep(loop, client)
        self._keepers[loop] = client, keeper, getpid()  # before anything is awaited: other tasks of the loop find it
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
        from os import getpid

        self._closed = True
        for loop, (_, keeper, process) in list(self._keepers.items()):
            if process != getpid():
                _inherited.append(keeper)  # its connections are the parent's too
            elif loop.is_running() and loop is not get_running_loop():
                await wrap_future(run_coroutine_threadsafe(_close(keeper), loop))
            elif not loop.is_closed():
                await keeper.aclose()
        self._keepers.clear()


async def _close(keeper: AsyncGenerator[None, None]) -> None:
    await keeper.aclose()


class _Slot:
    """One client and the backend's record that it was built from.

    The registry refers to the slot while it is the one for new workers, and each worker that uses the client does. A
    slot that was replaced closes its client when the last of these workers is gone, and with it their calls.

    Attributes:
        backend: The record; ``None`` where the client was asked for without one.
        lock: Its own lock, so that building one client never waits for another.
        is_built: Whether there is a client.
        is_replaced: Whether another client is for new workers.
        client: The client.
    """

    __slots__ = ("__weakref__", "backend", "client", "is_built", "is_replaced", "lock")

    def __init__(self, backend: InferenceBackend | None) -> None:
        self.backend = backend
        self.lock = ForkSafeLock()
        self.is_built = self.is_replaced = False
        self.client: Any = None

    def serves(self, backend: InferenceBackend | None) -> bool:
        """Return whether the client is that of a record. Without one, any client is."""
        return backend is None or self.backend is backend or self.backend == backend

    def __del__(self) -> None:
        if self.is_replaced and self.is_built:
            _close_in_background(self.client)


class _Slots:
    """The slots of a registry, shared by its views."""

    __slots__ = ("closed", "current", "lock", "replaced")

    def __init__(self) -> None:
        self.lock = ForkSafeLock()
        self.current: dict[ModelHandle, _Slot] = {}
        self.replaced: list[tuple[ModelHandle, ref[_Slot]]] = []
        self.closed = False

    def built(self, handle: ModelHandle, backend: InferenceBackend | None, build: Callable[[], object]) -> _Slot:
        """Return the slot of a handle and a record, with its client."""
        with self.lock:
            slot = self.current.get(handle)
            if slot is None or not slot.serves(backend):
                slot = self._replace(handle, slot, backend)
        with slot.lock:
            if self.closed:
                msg = "The client registry is closed: workers are built inside the 'with Pipelex.setup()' block."
                raise RuntimeError(msg)
            if not slot.is_built:
                slot.client = build()
                slot.is_built = True
        return slot

    def _replace(self, handle: ModelHandle, old: _Slot | None, backend: InferenceBackend | None) -> _Slot:
        """Make another slot the current one: one that workers still use, where there is one of that record."""
        self.replaced = [(of, slot) for of, slot in self.replaced if slot() is not None]
        if old is not None:
            old.is_replaced = True
            self.replaced.append((handle, ref(old)))
        in_use = (slot() for of, slot in self.replaced if of == handle)
        slot = next((slot for slot in in_use if slot is not None and slot.serves(backend)), None) or _Slot(backend)
        slot.is_replaced = False
        self.current[handle] = slot
        return slot

    def take_all(self) -> list[Any]:
        """Empty the registry and return its clients, last built first."""
        with self.lock:
            self.closed = True
            slots = [*(slot for _, known in self.replaced if (slot := known()) is not None), *self.current.values()]
            self.current, self.replaced = {}, []
        clients = []
        for slot in reversed(dict.fromkeys(slots)):
            with slot.lock:  # a build under way ends before its client is taken
                slot.is_replaced = False
                if slot.is_built:
                    clients.append(slot.client)
        return clients


class SdkClientRegistry:
    """Memoizes SDK clients, so that workers built again and again reuse their connections.

    What a ``make_worker`` is given is a view that is bound to its backend's record: where the record is no longer that
    of the client (another key, endpoint, header, time-out), a new client is built, and the old one is closed when the
    calls that use it have ended. Two records never share a client.

    Safe under threads and under tasks. A build that fails leaves nothing behind; the next call tries again.
    """

    __slots__ = ("_backend", "_in_use", "_slots")

    def __init__(self) -> None:
        self._slots = _Slots()
        self._backend: InferenceBackend | None = None
        self._in_use: dict[ModelHandle, _Slot] = {}

    def get_or_create(self, *, handle: ModelHandle, build: Callable[[], ClientT]) -> ClientT:
        """Return the client of a handle, building it on first use.

        Args:
            handle: Whose client it is. A handle must always be given the same kind of client.
            build: Makes the client; called at most once per handle and backend's record, whatever the number of
                threads.

        Returns:
            The one client of this handle and of the record that this registry is bound to.

        Raises:
            RuntimeError: The registry has been closed.
        """
        slot = self._slots.current.get(handle)
        if slot is None or not slot.is_built or not slot.serves(self._backend):
            slot = self._slots.built(handle, self._backend, build)
        if self._backend is not None:
            self._in_use[handle] = slot
        client: ClientT = slot.client
        return client

    def _bound_to(self, backend: InferenceBackend) -> SdkClientRegistry:
        """Return a view that gives the clients of a backend's record, and keeps them open as long as it exists."""
        view = SdkClientRegistry.__new__(SdkClientRegistry)
        view._slots, view._backend, view._in_use = self._slots, backend, {}
        return view

    def close(self) -> None:
        """Close every client that was built, from code that runs no event loop. May be called again."""
        clients = self._slots.take_all()
        if clients:
            from pipelex.cogt.inference.sync_calls import run_coroutine

            run_coroutine(_close_all, clients)

    async def aclose(self) -> None:
        """Close every client that was built, from async code. May be called again."""
        await _close_all(self._slots.take_all())


_closing: set[object] = set()  # the tasks that close clients: an event loop alone does not keep its tasks


def _close_in_background(client: object) -> None:
    """Close a client that no call uses any more. Runs wherever its last worker was dropped, so it waits for nothing."""
    import asyncio
    from threading import Thread

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        Thread(target=lambda: asyncio.run(_close_all([client])), name="pipelex-close-client", daemon=True).start()
        return
    task = loop.create_task(_close_all([client]))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


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
