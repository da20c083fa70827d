"""What the exceptions of a request to Azure mean."""

from __future__ import annotations

import httpx

from pipelex.cogt.exceptions import InferenceError


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception means.

    Args:
        error: What was raised.
    """
    if not isinstance(error, httpx.HTTPStatusError):
        return InferenceError.from_transport(error)
    answer = error.response
    return InferenceError.from_body(
        answer.content, status_code=answer.status_code, headers=answer.headers, url=str(answer.url)
    )
