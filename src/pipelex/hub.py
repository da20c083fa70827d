"""Where a running system keeps its registries, and how code that was not handed them finds them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pipelex.plugins.model_handle import ModelHandle

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.config.settings import Settings
    from pipelex.plugins.family import Family
    from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry, InferenceFamily, WorkerT
    from pipelex.plugins.model_lister_registry import ModelListerRegistry
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol


class PipelexHub:
    """What one ``Pipelex.setup()`` brought up.

    Attributes:
        inference_backends: Who builds the worker of a ``(family, sdk)``.
        model_listers: Who lists the models of an sdk.
        sdk_clients: The SDK clients in use.
        reporting_delegate: Where workers report, if anywhere.
    """

    def __init__(
        self,
        *,
        inference_backends: InferenceBackendRegistry,
        model_listers: ModelListerRegistry,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
        load_settings: Callable[[], Settings],
    ) -> None:
        self.inference_backends = inference_backends
        self.model_listers = model_listers
        self.sdk_clients = sdk_clients
        self.reporting_delegate = reporting_delegate
        self.resolve = lru_cache(maxsize=1024)(self._resolve)
        self._load_settings = load_settings
        self._settings: Settings | None = None

    def _resolve(self, model: str, family: InferenceFamily) -> tuple[ModelHandle, InferenceModelSpec]:
        """Resolve a model's name. The result is cached: settings and registry are immutable.

        Raises:
            UnknownModelError: The name is not in the catalogue, and names no backend.
            UnknownBackendError: No configuration describes the model's backend.
        """
        served = [sdk for other, sdk in self.inference_backends if other is family]
        spec = self.settings.resolve_model(model, family=family, known_sdks=served)
        return ModelHandle.make_for_inference_model(inference_model=spec), spec

    def worker(self, family: Family[WorkerT], model: InferenceModelSpec | str) -> WorkerT:
        """Make the worker of a model: the one place where the values of a ``make_worker`` call come from.

        Args:
            family: The family of the call.
            model: A resolved model record, a name in the catalogue, or ``"backend/model-id"``.

        Returns:
            The worker that the model's sdk selects.

        Raises:
            UnknownModelError: The name is not in the catalogue, and names no backend.
            UnknownBackendError: No configuration describes the model's backend.
            MissingCredentialError: The backend takes a value from a variable that is not set.
            InferenceBackendNotFoundError: No plugin serves the model's sdk; a ``NotImplementedError`` too.
            WrongWorkerFamilyError: The plugin built something else.
            MissingDependencyError: The backend's SDK is not installed.
        """
        if isinstance(model, str):
            handle, spec = self.resolve(model, family.member)
        else:
            handle, spec = ModelHandle.make_for_inference_model(inference_model=model), model
        backend = self.settings.resolve_backend(handle.backend_name)
        if backend.endpoint != spec.endpoint:
            from dataclasses import replace

            spec = replace(spec, endpoint=backend.endpoint)
        return self.inference_backends.make_worker(
            family,
            sdk=handle.sdk,
            backend=backend,
            sdk_clients=self.sdk_clients,
            call=lambda make_worker, sdk_clients: make_worker(
                inference_model=spec,
                backend=backend,
                sdk_clients=sdk_clients,
                reporting_delegate=self.reporting_delegate,
            ),
        )

    @property
    def settings(self) -> Settings:
        """Backends and model catalogue; read and validated when first asked for."""
        if self._settings is None:
            self._settings = self._load_settings()
        return self._settings


_hubs: list[PipelexHub] = []


def push_hub(hub: PipelexHub) -> None:
    """Make a hub the current one."""
    _hubs.append(hub)


def drop_hub(hub: PipelexHub) -> None:
    """Take a hub away; the one set up before it, if still there, is current again."""
    if hub in _hubs:
        _hubs.remove(hub)


def get_hub() -> PipelexHub:
    """Return the current hub.

    Raises:
        NotSetUpError: ``Pipelex.setup()`` was not called, or what it returned was closed.
    """
    if not _hubs:
        from pipelex.exceptions import NotSetUpError

        raise NotSetUpError
    return _hubs[-1]


def get_inference_backend_registry() -> InferenceBackendRegistry:
    """Return the current registry of inference backends."""
    return get_hub().inference_backends
