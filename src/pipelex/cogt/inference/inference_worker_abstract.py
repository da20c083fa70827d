"""The base of all workers."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.reporting.reporting_protocol import ReportingProtocol

__all__ = ["InferenceWorkerAbstract"]


class InferenceWorkerAbstract(ABC):  # noqa: B024 - each family's base adds its own hooks
    """What the workers of all families have in common.

    A driver derives from the base of its family and writes the hooks, the methods that begin with one
    underscore. The public methods are templates over them: they refuse what the model does not declare,
    run the hook, turn an SDK's exception into an InferenceError, report usage and time, and return the
    content alone.

    Args:
        inference_model: The model that this worker serves.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    def __init__(self, *, inference_model: InferenceModelSpec, reporting_delegate: ReportingProtocol | None) -> None:
        self.inference_model = inference_model
        self.reporting_delegate = reporting_delegate

    def _classify_error(self, error: Exception) -> InferenceError | None:  # noqa: ARG002 - for overriders
        """Name what an exception of the SDK means; override it with the vendor's table.

        Args:
            error: What the SDK raised. It becomes the cause of the error returned.

        Returns:
            The kind of inference error that it is, or ``None`` where the driver does not know it:
            the caller then gets a plain InferenceError.
        """
        return None
