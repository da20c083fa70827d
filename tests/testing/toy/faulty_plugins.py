"""Plugins that each get one thing wrong. Import-light, all of them: the one that is not has a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.testing.toy.plugin import ToyPlugin

if TYPE_CHECKING:
    from pipelex.plugins.registrar import PluginRegistrar


class ReadingPlugin(ToyPlugin):
    def register(self, registrar: PluginRegistrar) -> None:
        from pathlib import Path

        Path("/etc/hostname").exists()
        with open(__file__, encoding="utf-8") as file:
            file.readline()
        super().register(registrar)


class UnservedPlugin(ToyPlugin):
    """Lists the models of an sdk that it does not serve."""

    def register(self, registrar: PluginRegistrar) -> None:
        super().register(registrar)
        registrar.add_model_lister(sdk="toy-two", lister=self.list_models)


class ForgetfulPlugin(ToyPlugin):
    calls: ClassVar[list[int]] = []

    def register(self, registrar: PluginRegistrar) -> None:
        super().register(registrar)
        self.calls.append(1)
        registrar.add_inference_backend(
            family=InferenceFamily.LLM, sdk=f"toy-{len(self.calls)}", make_worker=self.make_worker
        )


class UnguardedPlugin(ToyPlugin):
    def guard(self) -> None:
        """Leave it to the import to fail."""


class RebuildingPlugin(ToyPlugin):
    """Builds a client each time, through a handle of its own making."""

    def make_worker(self, **records: object) -> object:  # type: ignore[override]  # the fault is inside
        clients = records["sdk_clients"]
        return super().make_worker(**{**records, "sdk_clients": _Forgetting(clients)})  # type: ignore[arg-type]


class _Forgetting:
    def __init__(self, clients: object) -> None:
        self._clients = clients

    def get_or_create(self, *, handle: object, build: object) -> object:
        return build()  # type: ignore[operator]


def with_worker(family: InferenceFamily, worker: str) -> type[ToyPlugin]:
    """Make a plugin with another worker; its module-level name is what the kit's process imports."""
    classes = {**ToyPlugin.worker_classes, family: f"tests.testing.toy.faulty_workers:{worker}"}
    return type(f"With{worker}", (ToyPlugin,), {"worker_classes": classes, "__module__": __name__})


def with_client(client: str) -> type[ToyPlugin]:
    """Make a plugin with another client."""
    return type(
        f"With{client}",
        (ToyPlugin,),
        {"client_class": f"tests.testing.toy.faulty_workers:{client}", "__module__": __name__},
    )


LLM_WORKERS = (
    *("Disguised", "Stripping", "OneLoop", "Dropping", "Unrefusing", "Uncounting", "Unreporting", "Misnaming"),
    *("Mixing", "Trimming", "ReadingOn", "EndingQuietly", "MixingStreams", "Untyped", "HalfAnswering", "Shielding"),
    *("Trusting", "Unsigning", "Hoarding", "HalfThinking", "Believing", "Indexing", "Reversing", "NullArguments"),
    *("Describing", "Choosing", "Forcing", "ToolsOrNoCalls", "CountingTwice", "TrimmingThoughts", "CountingBytes"),
    *("Remembering", "Recounting"),
)
CLIENTS = (
    *("HoldingOnTimeout", "HoldingOnSuccess", "ShowingClient"),
    *("BlockingClient", "BlockingImages", "BlockingPages", "BlockingSearch"),
)

for _worker in LLM_WORKERS:
    globals()[f"With{_worker}"] = with_worker(InferenceFamily.LLM, _worker)
for _worker in ("OneImage", "UnfilteredImages", "TrustingImages"):
    globals()[f"With{_worker}"] = with_worker(InferenceFamily.IMG_GEN, _worker)
for _worker in ("OtherPages", "MiscountedPages", "TrustingPages", "UnnestingPages"):
    globals()[f"With{_worker}"] = with_worker(InferenceFamily.EXTRACT, _worker)
for _worker in ("UntypedSearch", "TrustingSearch"):
    globals()[f"With{_worker}"] = with_worker(InferenceFamily.SEARCH, _worker)
for _client in CLIENTS:
    globals()[f"With{_client}"] = with_client(_client)
