"""What the exceptions of the openai SDK mean, for every sdk that is called with it."""

from __future__ import annotations

from openai import APIConnectionError, APIError, APIResponseValidationError, APIStatusError

from pipelex.cogt.exceptions import InferenceError


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.

    Returns:
        The error of its kind; ``None`` where the exception is none of the SDK's.
    """
    if isinstance(error, APIStatusError):
        # the SDK keeps of the body what is below "error"
        body = error.response.content if error.response.is_stream_consumed else error.body
        return InferenceError.from_body(
            body, status_code=error.status_code, headers=error.response.headers, url=str(error.response.url)
        )
    if isinstance(error, APIResponseValidationError):
        return InferenceError.from_answer(error.body or error.message, expected="what the API is documented to answer")
    transport = InferenceError.from_transport(error)
    if transport is None and isinstance(error, APIError) and not isinstance(error, APIConnectionError):
        return InferenceError.from_body(error.body or error.message)  # inside a stream
    return transport
