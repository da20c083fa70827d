"""The HTTP client for what the openai SDK has no methods for: a gateway's ``/ocr`` and ``/search``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.http_answers import note_answer
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[httpx.AsyncClient]:
    """Make the client of a backend, one for each event loop.

    Args:
        sdk: The sdk.
        backend: The backend's record; its endpoint ends where the paths begin, usually in ``/v1``. Its headers
            are sent with every request.

    Raises:
        InferenceRequestError: The backend has no endpoint.
    """
    endpoint = backend.endpoint_without("/chat/completions", "/ocr", "/search")
    if endpoint is None:
        msg = f"The sdk '{sdk}' needs the gateway's address. Set endpoint in [backends.{backend.name}]"
        raise InferenceRequestError(msg, provider=backend.name)
    headers = backend.headers
    if backend.api_key is not None:
        headers["Authorization"] = f"Bearer {backend.api_key}"
    timeout = httpx.Timeout(backend.policy.timeout_s, connect=backend.policy.connect_timeout_s)
    limits = httpx.Limits(max_connections=None)  # how many calls run at once is the base's matter
    return PerLoopClient(
        lambda: httpx.AsyncClient(
            base_url=endpoint,
            headers=headers,
            timeout=timeout,
            limits=limits,
            event_hooks={"response": [note_answer]},
        )
    )


async def post(client: httpx.AsyncClient, path: str, body: dict[str, object]) -> dict[str, object]:
    """Send a request and return the JSON object that answers it.

    Raises:
        httpx.HTTPError: It failed.
        InferenceError: The answer is no JSON object, or is an error.
    """
    response = await client.post(path, json=body)
    response.raise_for_status()
    try:
        answer = response.json()
    except ValueError:
        answer = response.content
    if not isinstance(answer, dict) or InferenceError.in_answer(answer) is not None:
        raise InferenceError.from_answer(answer, expected="a JSON object")
    return answer


class NoAnswerError(ValueError):
    """The answer is not what the format promises."""


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of a request means.

    Args:
        error: What was raised.
    """
    if isinstance(error, httpx.HTTPStatusError):
        answer = error.response
        return InferenceError.from_body(
            answer.content, status_code=answer.status_code, headers=answer.headers, url=str(answer.url)
        )
    if isinstance(error, NoAnswerError):
        return InferenceInvalidAnswerError(str(error))
    return InferenceError.from_transport(error)
