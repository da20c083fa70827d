"""What the exceptions of a request to Azure mean."""

from __future__ import annotations

import httpx

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceError,
    InferenceModelNotFoundError,
    InferenceRefusedError,
)

_KIND_OF_CODE: dict[str, type[InferenceError]] = {
    "contentFilter": InferenceRefusedError,
    "content_filter": InferenceRefusedError,
    "content_policy_violation": InferenceRefusedError,
    "moderation_blocked": InferenceRefusedError,
    "DeploymentNotFound": InferenceModelNotFoundError,
    "insufficient_quota": InferenceCapacityError,
}


def classify(error: Exception) -> InferenceError | None:
    """Name what an exception means.

    Args:
        error: What was raised.
    """
    if not isinstance(error, httpx.HTTPStatusError):
        return InferenceError.from_transport(error)
    status, headers = error.response.status_code, error.response.headers
    code, message = _code_and_message(error.response)
    kind = _KIND_OF_CODE.get(code)
    if kind is None:
        return InferenceError.from_status(status, message, headers=headers)
    return kind(
        message,
        status_code=status,
        request_id=headers.get("apim-request-id") or headers.get("x-request-id"),
    )


def _code_and_message(response: httpx.Response) -> tuple[str, str]:
    """Find Azure's code and sentence in an answer; its outer gateway leaves the ``error`` around them out."""
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", f"Azure answered with status {response.status_code}"
    return str(error.get("code")), str(error.get("message") or f"Azure answered with status {response.status_code}")
