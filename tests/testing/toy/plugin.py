"""The plugin of the toy vendor, for all four families and under one sdk."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipelex.plugins.inference_backend_registry import InferenceFamily, require_sdk
from pipelex.plugins.model_handle import ModelHandle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol

SDK = "tests.testing.toy.sdk"


class ToyPlugin:
    """Serves everything. The faulty plugins derive from it and get one thing wrong."""

    name = "toy"
    targets_api = 1
    client_class: ClassVar[str] = "tests.testing.toy.sdk:ToyClient"
    worker_classes: ClassVar[dict[InferenceFamily, str]] = {
        InferenceFamily.LLM: "tests.testing.toy.workers:ToyLLM",
        InferenceFamily.IMG_GEN: "tests.testing.toy.workers:ToyImgGen",
        InferenceFamily.EXTRACT: "tests.testing.toy.workers:ToyExtract",
        InferenceFamily.SEARCH: "tests.testing.toy.workers:ToySearch",
    }

    def register(self, registrar: PluginRegistrar) -> None:
        for family in InferenceFamily:
            registrar.add_inference_backend(family=family, sdk="toy", make_worker=self.make_worker)
        registrar.add_model_lister(sdk="toy", lister=self.list_models)

    def guard(self) -> None:
        require_sdk(spec=SDK, extra="toy", msg="The toy SDK is needed.")

    def make_worker(
        self,
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        self.guard()
        client = sdk_clients.get_or_create(
            handle=ModelHandle.make_for_inference_model(inference_model), build=lambda: self.make_client(backend)
        )
        worker_class = _named(self.worker_classes[inference_model.family])
        worker: InferenceWorkerAbstract = worker_class(  # type: ignore[operator]  # a class, found by its name
            client=client, inference_model=inference_model, reporting_delegate=reporting_delegate
        )
        return worker

    def make_client(self, backend: InferenceBackend) -> object:
        return _named(self.client_class)(  # type: ignore[operator]  # a class, found by its name
            api_key=backend.api_key,
            base_url=backend.endpoint,
            timeout_s=backend.get_extra("timeout_s", default=5.0),
        )

    async def list_models(
        self, *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
    ) -> Sequence[ListedModel] | None:
        self.guard()
        return []


def _named(name: str) -> object:
    from importlib import import_module

    module, _, attribute = name.partition(":")
    found: object = getattr(import_module(module), attribute)
    return found
