"""fal's async client: a generation is submitted once, to fal's queue or to the endpoint that stands for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx
from asyncstdlib import cached_property
from fal_client import AsyncClient
from fal_client.client import USER_AGENT, AsyncBackupDomainTransport

from pipelex.cogt.inference.http_answers import note_answer
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend

_QUEUE_HOST = "queue.fal.run"
_NO_KEY = "none"  # an endpoint without a key: what the environment holds for another one is not sent to it


class SubmissionError(Exception):
    """A request that starts a generation failed; its cause, or the answer, says how.

    The SDK sends each request up to ten times and has no setting for it. For the look at a generation's progress that
    is right. The request that starts one, and that is charged, is not the SDK's to repeat; since it repeats what its
    HTTP library raises, the failure leaves as this class.

    Args:
        response: What fal answered, where it did.
    """

    def __init__(self, response: httpx.Response | None = None) -> None:
        self.response = response
        super().__init__(f"status {response.status_code}" if response is not None else "no answer")


_NO_LIMIT = httpx.Limits(max_connections=None)  # how many calls run at once is the base's matter


class _QueueHttpClient(httpx.AsyncClient):
    """The HTTP client below the SDK.

    Args:
        backend: The backend's record. Its endpoint is the base URL in place of the queue's, which the SDK has no
            setting for either.
        timeout: How long a request may take, and how long the way to the vendor.
    """

    def __init__(self, *, backend: InferenceBackend, timeout: httpx.Timeout) -> None:
        super().__init__(
            transport=AsyncBackupDomainTransport(transport=httpx.AsyncHTTPTransport(limits=_NO_LIMIT)),
            headers={
                **{"User-Agent": USER_AGENT, **backend.headers},
                "Authorization": f"Key {backend.api_key or _NO_KEY}",
            },
            timeout=timeout,
            event_hooks={"response": [note_answer]},
        )
        self._endpoint = httpx.URL(backend.endpoint) if backend.endpoint is not None else None

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request, and let the SDK repeat it unless it starts a generation.

        Raises:
            SubmissionError: It starts one, and failed.
        """
        if self._endpoint is not None and request.url.host == _QUEUE_HOST:
            path = self._endpoint.raw_path.rstrip(b"/") + request.url.raw_path
            request.url = self._endpoint.copy_with(raw_path=path)
            request.headers["Host"] = request.url.netloc.decode("ascii")
        if request.method != "POST":
            return await super().send(request, **options)
        try:
            response = await super().send(request, **options)
        except httpx.HTTPError as exc:
            raise SubmissionError from exc
        if response.is_error:
            raise SubmissionError(response)
        return response


class FalClient(AsyncClient):
    """The SDK's async client over our HTTP client.

    Args:
        backend: The backend's record.
    """

    def __init__(self, *, backend: InferenceBackend) -> None:
        timeout = httpx.Timeout(backend.policy.timeout_s, connect=backend.policy.connect_timeout_s)
        super().__init__(key=backend.api_key or _NO_KEY, default_timeout=cast("float", timeout))  # for httpx, as it is
        self._http = _QueueHttpClient(backend=backend, timeout=timeout)

    @cached_property
    async def _client(self) -> httpx.AsyncClient:  # what the SDK's methods send with
        return self._http

    async def aclose(self) -> None:
        """Close the connections, which the SDK itself never does."""
        await self._http.aclose()


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[FalClient]:  # noqa: ARG001
    """Make the client of a backend. Nothing is sent before the first call."""
    return PerLoopClient(lambda: FalClient(backend=backend))
