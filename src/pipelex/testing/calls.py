"""Calls of a plugin's callables as the system makes them: register, look up, pass every keyword of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.plugins.registrar import PluginRegistrar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol


def worker_of(
    plugin: PipelexPlugin,
    *,
    model: InferenceModelSpec,
    backend: InferenceBackend,
    clients: SdkClientRegistry | None = None,
    log: ReportingProtocol | None = None,
) -> InferenceWorkerAbstract:
    """Build the worker of a model.

    Args:
        plugin: The plugin, which serves the model's family and sdk.
        model: The model record.
        backend: The configuration record of its backend.
        clients: Where SDK clients are memoized; a registry of its own if not given.
        log: Where the worker reports usage and time, if anywhere.
    """
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry

    return _registered(plugin).inference_backends[model.family, model.sdk](
        inference_model=model,
        backend=backend,
        sdk_clients=clients if clients is not None else SdkClientRegistry(),
        reporting_delegate=log,
    )


def models_of(
    plugin: PipelexPlugin, *, sdk: str, backend: InferenceBackend
) -> Coroutine[Any, Any, Sequence[ListedModel] | None]:
    """Begin the listing of an sdk's models.

    Args:
        plugin: The plugin, which has a lister for the sdk.
        sdk: The sdk.
        backend: The configuration record of the backend.

    Returns:
        What is to be awaited, as the lister returned it.
    """
    return _registered(plugin).model_listers[sdk](
        sdk=sdk, backend_name=backend.name, backend=backend, flat=False, any_listed=False
    )


def _registered(plugin: PipelexPlugin) -> PluginRegistrar:
    registrar = PluginRegistrar(plugin_name=plugin.name)
    plugin.register(registrar)
    return registrar
