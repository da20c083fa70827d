"""What the exceptions of Anthropic's SDK mean."""

from __future__ import annotations

from anthropic import AnthropicError, APIResponseValidationError, APIStatusError

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceError,
    InferenceInvalidAnswerError,
)

# An error inside a stream comes with the status 200 of the stream: its type tells. The names that end in "exception"
# are those of Amazon Bedrock.
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "validationexception": 400,
    "modeltimeoutexception": 408,
    "throttlingexception": 429,
    "internalserverexception": 500,
    "modelstreamerrorexception": 500,
    "serviceunavailableexception": 503,
}


def classify(error: Exception) -> InferenceError | None:
    """Name the kind of inference error that an exception of the SDK is.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, APIStatusError):
        return _of_status(error)
    if isinstance(error, APIResponseValidationError):
        return InferenceInvalidAnswerError(error.message)
    named = InferenceError.from_transport(error)
    if named is not None or not isinstance(error, AnthropicError | RuntimeError):
        return named
    if "credentials" in str(error):  # a RuntimeError where AWS has none: the SDK has no class of its own for it
        return InferenceAuthenticationError(str(error))
    return None


def _of_status(error: APIStatusError) -> InferenceError:
    message = error.api_message or error.message
    status = error.status_code if error.status_code >= 400 else _STATUS_OF_TYPE.get(str(error.type).lower(), 500)
    return InferenceError.from_status(status, message, headers=dict(error.response.headers))
