"""What the exceptions of Google's SDK mean."""

from __future__ import annotations

from google.auth.exceptions import GoogleAuthError
from google.genai.errors import APIError, UnknownApiResponseError
from pydantic import ValidationError

from pipelex.cogt.exceptions import InferenceAuthenticationError, InferenceError, InferenceInvalidAnswerError
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
    return InferenceError.from_transport(error)
    return named


def _of_status(error: APIError) -> InferenceError:
    details = _details(error)
    headers = {str(name): str(value) for name, value in dict(getattr(error.response, "headers", None) or {}).items()}
    delay = next((str(detail["retryDelay"]) for detail in details if "retryDelay" in detail), None)
    if delay is not None:  # a protobuf duration, "34s": Google says it in the body rather than in a header
        headers = {"retry-after": delay.removesuffix("s"), **headers}
    bad_key = any(detail.get("reason") in _BAD_KEY for detail in details)
    return InferenceError.from_status(
        401 if bad_key else error.code or 500,
        error.message or f"Google answered {error.status or 'with an error'}",
        headers=headers,
    )


def _details(error: APIError) -> list[dict[str, object]]:
    """Return the structured details of an error, as google.rpc.Status has them."""
    body = error.details.get("error", error.details) if isinstance(error.details, dict) else {}
    details = body.get("details") if isinstance(body, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
