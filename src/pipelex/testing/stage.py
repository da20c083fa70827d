"""The stage of one check: the vendor, the client registry and the log, and the worker that the plugin makes there."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.usage_log import UsageLog
from pipelex.testing.calls import worker_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.plugins.model_handle import ModelHandle
    from pipelex.testing.vendor import FakeVendor

WorkerT = TypeVar("WorkerT")
ContentT = TypeVar("ContentT")
ClientT = TypeVar("ClientT")


class WatchedClients(SdkClientRegistry):
    """A client registry that remembers what was asked of it.

    Attributes:
        asked: The handles that a client was asked for, in order.
        built: The clients that were built, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[ModelHandle] = []
        self.built: list[object] = []

    def get_or_create(self, *, handle: ModelHandle, build: Callable[[], ClientT]) -> ClientT:
        """Do what the base does, and remember it."""
        self.asked.append(handle)

        def remember() -> ClientT:
            client = build()
            self.built.append(client)
            return client

        return super().get_or_create(handle=handle, build=remember)


class Stage(Generic[WorkerT, ContentT]):
    """Where one check plays.

    Args:
        plugin: The plugin.
        vendor: The vendor, open, with its orders.

    Attributes:
        clients: The client registry that the plugin is handed.
        log: The reporting delegate that it is handed.
        leftovers: The tasks that were still pending at the end.
    """

    def __init__(self, *, plugin: PipelexPlugin, vendor: FakeVendor[ContentT]) -> None:
        self.plugin = plugin
        self.vendor = vendor
        self.clients = WatchedClients()
        self.log = UsageLog()
        self.leftovers: list[str] = []

    def make_worker(self, *, model: InferenceModelSpec, backend: InferenceBackend) -> WorkerT:
        """Build a worker as the system does."""
        worker = worker_of(
            self.plugin,
            model=replace(model, endpoint=backend.endpoint),
            backend=backend,
            clients=self.clients,
            log=self.log,
        )
        return cast("WorkerT", worker)  # one check alone judges whether it is of the family


@contextmanager
def leaks() -> Iterator[list[str]]:
    """Collect what is dropped without having been closed: files, sockets, transports, event loops."""
    import gc
    import warnings

    found: list[str] = []
    gc.freeze()  # what others left behind is not held against this plugin, nor looked through once more
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield found
            gc.collect()
    finally:
        gc.unfreeze()
    found += [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
