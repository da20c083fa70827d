"""The HTTP client for what the openai SDK has no methods for: a gateway's ``/ocr`` and ``/search``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError, InferenceRequestError
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[httpx.AsyncClient]:
    """Make the client of a backend, one for each event loop.

    Args:
        sdk: The sdk.
        backend: The backend's record; its endpoint ends where the paths begin, usually in ``/v1``. Each extra whose
            name begins with ``x_`` is sent as a header.

    Raises:
        InferenceRequestError: The backend has no endpoint.
    """
    endpoint = backend.endpoint
    if endpoint is None:
        msg = f"The sdk '{sdk}' needs the gateway's address. Set endpoint in [backends.{backend.name}]"
        raise InferenceRequestError(msg, provider=backend.name)
    headers = {name.replace("_", "-"): str(value) for name, value in backend.extras.items() if name.startswith("x_")}
    if backend.api_key is not None:
        headers["Authorization"] = f"Bearer {backend.api_key}"
    timeout = httpx.Timeout(backend.policy.timeout_s, connect=backend.policy.connect_timeout_s)
    limits = httpx.Limits(max_connections=None)  # how many calls run at once is the base's matter
    return PerLoopClient(lambda: httpx.AsyncClient(base_url=endpoint, headers=headers, timeout=timeout, limits=limits))


async def post(client: httpx.AsyncClient, path: str, body: dict[str, object]) -> dict[str, object]:
    """Send a request and return the JSON object that answers it.

    Raises:
        httpx.HTTPError: It failed.
        ValueError: The answer is no JSON object.
    """
    response = await client.post(path, json=body)
    response.raise_for_status()
    answer = response.json()
    if not isinstance(answer, dict):
        raise NoAnswerError("The answer is no JSON object")
    return answer


class NoAnswerError(ValueError):
    """The answer is not what the format promises."""


def classify(error: Exception) -> InferenceError | None:
    """Name what an exception of a request means.

    Args:
        error: What was raised.
    """
    if isinstance(error, httpx.HTTPStatusError):
        answer = error.response
        return InferenceError.from_status(answer.status_code, _said(answer), headers=answer.headers)
    if isinstance(error, NoAnswerError):
        return InferenceInvalidAnswerError(str(error))
    return InferenceError.from_transport(error)


def _said(response: httpx.Response) -> str:
    """Find the gateway's sentence in the answer; LiteLLM and Portkey put it in the same place as OpenAI."""
    try:
        error = response.json()["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError):
        return f"The gateway answered with status {response.status_code}"
