"""The worker factories: from a model to its worker, by data alone. None of them knows an sdk by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.generated import accessors
from pipelex.hub import get_hub
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.model_handle import ModelHandle

if TYPE_CHECKING:
    from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
    from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
    from pipelex.hub import PipelexHub


def _resolved(
    hub: PipelexHub, model: InferenceModelSpec | str, family: InferenceFamily
) -> tuple[ModelHandle, InferenceModelSpec, InferenceBackend]:
    """Resolve a model and its backend.

    Raises:
        UnknownModelError: The name explains nothing.
        UnknownBackendError: No configuration describes the model's backend.
        MissingCredentialError: The backend takes a value from a variable that is not set.
    """
    if isinstance(model, str):
        handle, spec = hub.resolve(model, family)
    else:
        handle, spec = ModelHandle.make_for_inference_model(inference_model=model), model
    backend = hub.settings.resolve_backend(handle.backend_name)
    if backend.endpoint != spec.endpoint:
        from dataclasses import replace

        spec = replace(spec, endpoint=backend.endpoint)
    return handle, spec, backend


class LLMWorkerFactory:
    """Makes LLM workers."""

    @staticmethod
    def make_llm_worker(model: InferenceModelSpec | str, *, hub: PipelexHub | None = None) -> LLMWorkerAbstract:
        """Make the worker of a model.

        Args:
            model: A resolved model record, a name in the catalogue, or ``"backend/model-id"``.
            hub: In place of the current hub.

        Returns:
            The worker that the model's sdk selects.

        Raises:
            UnknownModelError: The name explains nothing.
            MissingCredentialError: The backend takes a value from a variable that is not set.
            InferenceBackendNotFoundError: No plugin serves the model's sdk; a ``NotImplementedError`` too.
            WrongWorkerFamilyError: The plugin built something else.
            MissingDependencyError: The backend's SDK is not installed.
        """
        hub = hub or get_hub()
        handle, spec, backend = _resolved(hub, model, InferenceFamily.LLM)
        return accessors.make_llm_worker(
            hub.inference_backends,
            sdk=handle.sdk,
            inference_model=spec,
            backend=backend,
            sdk_clients=hub.sdk_clients,
            reporting_delegate=hub.reporting_delegate,
        )


class ImgGenWorkerFactory:
    """Makes image generation workers."""

    @staticmethod
    def make_img_gen_worker(model: InferenceModelSpec | str, *, hub: PipelexHub | None = None) -> ImgGenWorkerAbstract:
        """Make the worker of a model; arguments and errors as for ``LLMWorkerFactory.make_llm_worker``."""
        hub = hub or get_hub()
        handle, spec, backend = _resolved(hub, model, InferenceFamily.IMG_GEN)
        return accessors.make_img_gen_worker(
            hub.inference_backends,
            sdk=handle.sdk,
            inference_model=spec,
            backend=backend,
            sdk_clients=hub.sdk_clients,
            reporting_delegate=hub.reporting_delegate,
        )


class ExtractWorkerFactory:
    """Makes document extraction workers."""

    @staticmethod
    def make_extract_worker(model: InferenceModelSpec | str, *, hub: PipelexHub | None = None) -> ExtractWorkerAbstract:
        """Make the worker of a model; arguments and errors as for ``LLMWorkerFactory.make_llm_worker``."""
        hub = hub or get_hub()
        handle, spec, backend = _resolved(hub, model, InferenceFamily.EXTRACT)
        return accessors.make_extract_worker(
            hub.inference_backends,
            sdk=handle.sdk,
            inference_model=spec,
            backend=backend,
            sdk_clients=hub.sdk_clients,
            reporting_delegate=hub.reporting_delegate,
        )


class SearchWorkerFactory:
    """Makes search workers."""

    @staticmethod
    def make_search_worker(model: InferenceModelSpec | str, *, hub: PipelexHub | None = None) -> SearchWorkerAbstract:
        """Make the worker of a model; arguments and errors as for ``LLMWorkerFactory.make_llm_worker``."""
        hub = hub or get_hub()
        handle, spec, backend = _resolved(hub, model, InferenceFamily.SEARCH)
        return accessors.make_search_worker(
            hub.inference_backends,
            sdk=handle.sdk,
            inference_model=spec,
            backend=backend,
            sdk_clients=hub.sdk_clients,
            reporting_delegate=hub.reporting_delegate,
        )
