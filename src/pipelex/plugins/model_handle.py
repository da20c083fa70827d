"""Which backend client serves a model: the key of the client registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

__all__ = ["ModelHandle"]


class ModelHandle(NamedTuple):
    """The backend selector of a model: models of one backend and one sdk share one client.

    Attributes:
        backend_name: The configured backend (``"acme"``).
        sdk: The sdk that serves the model (``"acme"``).
    """

    backend_name: str
    sdk: str

    @classmethod
    def make_for_inference_model(cls, inference_model: InferenceModelSpec) -> ModelHandle:
        """Derive the handle of a model.

        Args:
            inference_model: The resolved model record.

        Returns:
            The handle; equal for all models that can share a client.
        """
        return cls(backend_name=inference_model.backend_name, sdk=inference_model.sdk)
