"""Linkup's client, with one pool of connections and errors that tell all that came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
from linkup import LinkupClient

from pipelex.cogt.inference.http_answers import note_answer
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend

_NO_KEY = "none"  # an endpoint without a key: what the environment holds for another one is not sent to it


class LinkupStatusError(Exception):
    """Linkup answered with an error; the SDK's own exceptions keep neither the status nor the headers.

    Args:
        response: The answer.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        super().__init__(f"status {response.status_code}")


class PooledLinkupClient(LinkupClient):
    """The SDK's client over one HTTP client: the SDK itself sets up another one, certificates and all, for each call.

    Args:
        backend: The backend's record.
    """

    def __init__(self, *, backend: InferenceBackend) -> None:
        base_url = backend.endpoint or "https://api.linkup.so/v1"
        super().__init__(api_key=backend.api_key or _NO_KEY, base_url=base_url)
        self._connect_timeout = backend.policy.connect_timeout_s
        limits = httpx.Limits(max_connections=None)  # how many calls run at once is the base's matter
        hooks = {"response": [note_answer]}
        headers = {**backend.headers, **self._headers()}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, limits=limits, event_hooks=hooks)

    async def _async_request(  # what the SDK's async methods send with
        self,
        method: str,
        url: str,
        *,
        json: dict[str, Any] | list[dict[str, Any]] | None = None,
        params: dict[str, Any] | None = None,
        timeout: float | None,
    ) -> httpx.Response:
        limit = httpx.Timeout(timeout, connect=self._connect_timeout)
        response = await self._http.request(method, url, json=json, params=params, timeout=limit)
        if response.status_code != 200:
            raise LinkupStatusError(response)
        return response

    # Answers stay plain JSON: the SDK refuses one whole where one field of it is null or missing.
    def _parse_search_response(self, response_data: Any, output_type: object, include_sources: object) -> Any:  # noqa: ARG002 - the SDK's signature
        return response_data

    def _parse_fetch_response(self, response_data: Any) -> Any:
        return response_data

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[PooledLinkupClient]:  # noqa: ARG001
    """Make the client of a backend. Nothing is sent before the first call."""
    return PerLoopClient(lambda: PooledLinkupClient(backend=backend))
