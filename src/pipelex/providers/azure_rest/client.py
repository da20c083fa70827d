"""The HTTP client of an Azure OpenAI resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.http_answers import note_answer
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend

_V1 = "v1"


class AzureClient(httpx.AsyncClient):
    """An HTTP client that knows which of Azure's two path shapes its resource speaks.

    Args:
        endpoint: The resource's address.
        backend: The backend's record. Its extra ``api_version`` is ``"v1"`` (the default: the API without dated
            versions) or a date such as ``"2025-04-01-preview"``.
    """

    def __init__(self, *, endpoint: str, backend: InferenceBackend) -> None:
        super().__init__(
            base_url=f"{endpoint.rstrip('/')}/openai/",
            headers={**backend.headers, **({"api-key": backend.api_key} if backend.api_key is not None else {})},
            timeout=httpx.Timeout(backend.policy.timeout_s, connect=backend.policy.connect_timeout_s),
            event_hooks={"response": [note_answer]},
            limits=httpx.Limits(max_connections=None),  # how many calls run at once is the base's matter
        )
        self._api_version = backend.get_extra("api_version", default=_V1)

    async def post_to(
        self,
        operation: str,
        *,
        deployment: str,
        fields: dict[str, object],
        files: list[tuple[str, tuple[str, bytes, str]]],
    ) -> httpx.Response:
        """Send a request for a deployment.

        Args:
            operation: The path behind the deployment (``"images/generations"``).
            deployment: The deployment, which Azure takes for the model.
            fields: What to send: as JSON, or beside the files in a form.
            files: The files of a form; empty where there are none.

        Raises:
            httpx.HTTPError: The request failed.
        """
        is_v1 = self._api_version == _V1
        path = f"v1/{operation}" if is_v1 else f"deployments/{deployment}/{operation}"
        query = {} if is_v1 else {"api-version": self._api_version}
        body = {"model": deployment, **fields} if is_v1 else fields
        if files:
            form = {name: str(value) for name, value in body.items()}
            response = await self.post(path, params=query, data=form, files=files)
        else:
            response = await self.post(path, params=query, json=body)
        return response.raise_for_status()


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[AzureClient]:  # noqa: ARG001
    """Make the client of a backend, one for each event loop.

    Args:
        sdk: The sdk.
        backend: The backend's record.

    Raises:
        InferenceRequestError: The backend has no endpoint.
    """
    endpoint = backend.endpoint_without("/openai/v1", "/openai")
    if endpoint is None:
        msg = (
            'An Azure resource has an address of its own. Set endpoint = "https://<resource>.openai.azure.com" in '
            f"[backends.{backend.name}]"
        )
        raise InferenceRequestError(msg, provider=backend.name)
    return PerLoopClient(lambda: AzureClient(endpoint=endpoint, backend=backend))
