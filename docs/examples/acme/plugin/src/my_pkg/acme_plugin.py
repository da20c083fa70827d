"""The plugin: which sdk it serves, and how to build a worker and list models. Imports no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

_ACME_MISSING_MSG = "The acme SDK is required in order to use Acme models."


def _make_acme_worker(
    *,
    inference_model: InferenceModelSpec,
    backend: InferenceBackend,
    sdk_clients: SdkClientRegistry,
    reporting_delegate: ReportingProtocol | None,
) -> InferenceWorkerAbstract:
    require_sdk(spec="acme", extra="acme", msg=_ACME_MISSING_MSG)
    from acme import AcmeClient

    from my_pkg.acme_llm_worker import AcmeLLMWorker

    model_handle = ModelHandle.make_for_inference_model(inference_model=inference_model)
    sdk_instance = sdk_clients.get_or_create(
        handle=model_handle,
        build=lambda: AcmeClient(api_key=backend.api_key, base_url=backend.endpoint),
    )
    return AcmeLLMWorker(
        sdk_instance=sdk_instance,
        inference_model=inference_model,
        reporting_delegate=reporting_delegate,
    )


async def _list_acme_models(
    *,
    sdk: str,
    backend_name: str,
    backend: InferenceBackend,
    flat: bool,
    any_listed: bool,
) -> Sequence[ListedModel]:
    require_sdk(spec="acme", extra="acme", msg=_ACME_MISSING_MSG)
    from my_pkg.acme_list import list_acme_models

    return await list_acme_models(sdk=sdk, backend_name=backend_name, backend=backend, flat=flat, any_listed=any_listed)


class AcmePlugin:
    """Serves the models whose sdk is ``acme``."""

    name = "acme"
    targets_api = 1

    def register(self, registrar: PluginRegistrar) -> None:
        """Contribute the backend and the model lister."""
        registrar.add_inference_backend(family=InferenceFamily.LLM, sdk="acme", make_worker=_make_acme_worker)
        registrar.add_model_lister(sdk="acme", lister=_list_acme_models)
