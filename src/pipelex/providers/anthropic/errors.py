"""What the exceptions of Anthropic's SDK mean."""

from __future__ import annotations

from anthropic import AnthropicError, APIResponseValidationError, APIStatusError

from pipelex.cogt.exceptions import InferenceAuthenticationError, InferenceError


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, APIStatusError):  # one inside a stream has the status 200 of the stream
        return InferenceError.from_body(
            error.body, status_code=error.status_code, headers=error.response.headers, url=str(error.response.url)
        )
    if isinstance(error, APIResponseValidationError):
        return InferenceError.from_answer(error.body, expected="a message of Anthropic's API")
    named = InferenceError.from_transport(error)
    if named is not None or not isinstance(error, AnthropicError | RuntimeError):
        return named
    if "credentials" in str(error):  # a RuntimeError where AWS has none: the SDK has no class of its own for it
        return InferenceAuthenticationError(str(error))
    return None
