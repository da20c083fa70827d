"""What the exceptions of Mistral's SDK mean."""

from __future__ import annotations

import json

from mistralai.client.errors import MistralError, NoResponseError, ResponseValidationError

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceServerError,
)

_LONGEST_SHOWN = 500  # characters of an answer that is no JSON


def classify(error: Exception) -> InferenceError | None:
    """Name the kind of inference error that an exception of the SDK is.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, NoResponseError):
        return InferenceServerError(error.message)
    if not isinstance(error, MistralError):
        return InferenceError.from_transport(error)
    if isinstance(error, ResponseValidationError) or error.status_code < 400:
        msg = "The answer is none of Mistral's API"
        return InferenceInvalidAnswerError(msg, status_code=error.status_code)
    message, kind = _what_it_says(error.body)
    if kind == "invalid_model":  # with the status 400
        return InferenceModelNotFoundError(message, status_code=error.status_code)
    return InferenceError.from_status(error.status_code, message, headers=dict(error.headers))


def _what_it_says(body: str) -> tuple[str, str]:
    """Return the message in the body of an error, and its type where it has one."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return body[:_LONGEST_SHOWN] or "The answer is an error without a body", ""
    message = said.get("message") or said.get("detail") or body[:_LONGEST_SHOWN]
    return message if isinstance(message, str) else json.dumps(message), str(said.get("type", ""))
