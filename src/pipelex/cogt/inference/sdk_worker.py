"""What the workers that call a vendor through its SDK have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.reporting.reporting_protocol import ReportingProtocol

__all__ = ["SdkWorker"]

ClientT = TypeVar("ClientT")


class SdkWorker(InferenceWorkerAbstract, Generic[ClientT]):
    """A worker that keeps the client of its vendor's SDK; named before the base of its family.

    ``class AcmeLLMWorker(SdkWorker[AcmeClient], LLMWorkerAbstract)`` is all that it takes: the constructor is here, and
    the hooks get the client by ``await self._client()``.

    Args:
        sdk_instance: The backend's client, or one for each event loop.
        inference_model: The model that this worker serves.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    def __init__(
        self,
        *,
        sdk_instance: ClientT | PerLoopClient[ClientT],
        inference_model: InferenceModelSpec,
        reporting_delegate: ReportingProtocol | None,
    ) -> None:
        super().__init__(inference_model=inference_model, reporting_delegate=reporting_delegate)
        self._sdk_instance = sdk_instance

    async def _client(self) -> ClientT:
        """Return the client for the running event loop; for the hooks of the worker."""
        kept = self._sdk_instance
        return await kept.get() if isinstance(kept, PerLoopClient) else kept
