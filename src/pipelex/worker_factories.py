"""The worker factories: from a model to its worker, by data alone. None of them knows an sdk by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

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
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol


class _WorkerArguments(TypedDict):
    """What every ``make_worker`` is called with, and the sdk by which it is found."""

    sdk: str
    inference_model: InferenceModelSpec
    backend: InferenceBackend
    sdk_clients: SdkClientRegistry
    reporting_delegate: ReportingProtocol | None


def _arguments(hub: PipelexHub, model: InferenceModelSpec | str, family: InferenceFamily) -> _WorkerArguments:
    """Resolve a model and its backend.

    Raises:
        UnknownModelError: The name explains nothing.
        UnknownBackendError: No configuration describes the model's backend.
        MissingCredentialError: The backend takes a value from a variable that is not set.
    """
    served = [sdk for other, sdk in hub.inference_backends if other is family]
    spec = hub.settings.resolve_model(model, family=family, known_sdks=served) if isinstance(model, str) else model
    return _WorkerArguments(
        sdk=ModelHandle.make_for_inference_model(inference_model=spec).sdk,
        inference_model=spec,
        backend=hub.settings.resolve_backend(spec.backend_name),
        sdk_clients=hub.sdk_clients,
        reporting_delegate=hub.reporting_delegate,
    )


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
        return accessors.make_llm_worker(hub.inference_backends, **_arguments(hub, model, InferenceFamily.LLM))


class ImgGenWorkerFactory:
    """Makes image generation workers."""

    @staticmethod
    def make_img_gen_worker(model: InferenceModelSpec | str, *, hub: PipelexHub | None = None) -> ImgGenWorkerAbstract:
        """Make the worker of a model; arguments and errors as for ``LLMWorkerFactory.make_llm_worker``."""
        hub = hub or get_hub()
        return accessors.make_img_gen_worker(hub.inference_backends, **_arguments(hub, model, InferenceFamily.IMG_GEN))


class ExtractWorkerFactory:
    """Makes document extraction workers."""

    @staticmethod
    def make_extract_worker(model: InferenceModelSpec | str, *, hub: PipelexHub | None = None) -> ExtractWorkerAbstract:
        """Make the worker of a model; arguments and errors as for ``LLMWorkerFactory.make_llm_worker``."""
        hub = hub or get_hub()
        return accessors.make_extract_worker(hub.inference_backends, **_arguments(hub, model, InferenceFamily.EXTRACT))


class SearchWorkerFactory:
    """Makes search workers."""

    @staticmethod
    def make_search_worker(model: InferenceModelSpec | str, *, hub: PipelexHub | None = None) -> SearchWorkerAbstract:
        """Make the worker of a model; arguments and errors as for ``LLMWorkerFactory.make_llm_worker``."""
        hub = hub or get_hub()
        return accessors.make_search_worker(hub.inference_backends, **_arguments(hub, model, InferenceFamily.SEARCH))
