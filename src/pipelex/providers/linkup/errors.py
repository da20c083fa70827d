"""What the exceptions of Linkup's SDK mean."""

from __future__ import annotations

from json import JSONDecodeError
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
)
from pipelex.providers.linkup.client import LinkupStatusError

if TYPE_CHECKING:
    from httpx import Response

_USED_UP = {"INSUFFICIENT_FUNDS_CREDITS", "EXCEED_BUDGET_LIMIT"}  # they come with the status 429


def classify(error: Exception) -> InferenceError | None:
    """Name the kind of inference error that an exception of the SDK is.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, LinkupStatusError):
        return _of_status(error.response)
    if isinstance(error, ValidationError | JSONDecodeError):
        msg = f"The answer is not what Linkup is documented to answer ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    return InferenceError.from_transport(error)


def code_of(response: Response) -> str:
    """Return Linkup's own code of an error (``"SEARCH_QUERY_NO_RESULT"``); empty where it gives none."""
    return _error_of(response).get("code", "")


def _of_status(response: Response) -> InferenceError:
    status = response.status_code
    message = _error_of(response).get("message") or f"Linkup answered with the status {status}"
    if code_of(response) in _USED_UP:
        return InferenceCapacityError(message, status_code=status)
    return InferenceError.from_status(status, message, headers=dict(response.headers))


def _error_of(response: Response) -> dict[str, str]:
    try:
        body = response.json()
    except ValueError:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return {name: str(value) for name, value in error.items()} if isinstance(error, dict) else {}
