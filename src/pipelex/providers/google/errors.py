"""What the exceptions of Google's SDK mean."""

from __future__ import annotations

from google.auth.exceptions import GoogleAuthError
from google.genai.errors import APIError, UnknownApiResponseError
from pydantic import ValidationError

from pipelex.cogt.exceptions import InferenceAuthenticationError, InferenceError, InferenceInvalidAnswerError


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
    if isinstance(error, UnknownApiResponseError | ValidationError):
        msg = f"The answer is not what the Gemini API is documented to answer ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    return InferenceError.from_transport(error)
