"""What the exceptions of Mistral's SDK mean."""

from __future__ import annotations

from mistralai.client.errors import MistralError, NoResponseError, ResponseValidationError

from pipelex.cogt.exceptions import InferenceError, InferenceServerError


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, NoResponseError):
        return InferenceServerError(error.message)
    if not isinstance(error, MistralError):
        return InferenceError.from_transport(error)
    if error.status_code < 300:
        is_json = isinstance(error, ResponseValidationError)
        return InferenceError.from_answer(
            error.body,
            expected="an answer of Mistral's API" if is_json else "a stream or call",
            content_type=None if is_json else error.headers.get("content-type"),
            status_code=error.status_code,
        )
    return InferenceError.from_body(
        error.body, status_code=error.status_code, headers=error.headers, url=str(error.raw_response.url)
    )
