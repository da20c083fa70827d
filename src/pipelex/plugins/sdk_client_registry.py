"""One SDK client per model handle, built once, closed with the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Lock

    from pipelex.plugins.model_handle import ModelHandle

__all__ = ["SdkClientRegistry"]

ClientT = TypeVar("ClientT")


def _new_lock() -> Lock:
    from threading import Lock  # loads with the first registry, not with the contract

    return Lock()


class _Slot:
    """The place of one client: its own lock, so that building one never waits for another."""

    __slots__ = ("built", "client", "lock")

    def __init__(self) -> None:
        self.lock = _new_lock()
        self.built = False
        self.client: Any = None


class SdkClientRegistry:
    """Memoizes SDK clients, so that workers built again and again reuse their connections.

    Safe under threads and under tasks. A build that fails leaves nothing behind; the next call tries again.
    """

    __slots__ = ("_closed", "_lock", "_slots")

    def __init__(self) -> None:
        self._lock = _new_lock()
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
