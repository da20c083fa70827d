"""What the exceptions of Google's SDK mean."""

from __future__ import annotations

from google.auth.exceptions import GoogleAuthError
from google.genai.errors import APIError, UnknownApiResponseError
from pydantic import ValidationError

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceServerError,
)
from pipelex.cogt.inference.answer_parts import is_raised_in


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, APIError):
        return InferenceError.from_body(
            error.details,
            status_code=error.code or 500,
            headers=dict(getattr(error.response, "headers", None) or {}),
            url=str(getattr(error.response, "url", "")),
        )
    if isinstance(error, GoogleAuthError):  # of the enterprise platform, which takes credentials in place of a key
        return InferenceAuthenticationError(str(error))
    named = InferenceError.from_transport(error)
    if named is None and (
        isinstance(error, UnknownApiResponseError | ValidationError) or is_raised_in(error, "google.genai", "_from_")
    ):
        msg = f"The answer is not what the Gemini API is documented to answer ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    # The SDK's reader of errors inside of a stream takes them to have Google's shape.
    if (
        named is None
        and isinstance(error, AttributeError | TypeError)
        and is_raised_in(error, "google.genai", "generator")
    ):
        return InferenceServerError("The stream ended with an error that Google's SDK cannot read")
    return named
