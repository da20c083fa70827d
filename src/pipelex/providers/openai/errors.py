"""What the exceptions of the openai SDK mean: the one table for every sdk that is called with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import APIConnectionError, APIError, APIResponseValidationError, APIStatusError

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIND_OF_CODE: dict[str, type[InferenceError]] = {
    # the same status stands for several things; the code tells them apart
    "insufficient_quota": InferenceCapacityError,
    "billing_hard_limit_reached": InferenceCapacityError,
    "context_length_exceeded": InferenceCapacityError,
    "exceed_context_size_error": InferenceCapacityError,  # llama.cpp
    "model_not_found": InferenceModelNotFoundError,
    "DeploymentNotFound": InferenceModelNotFoundError,  # Azure
    "content_policy_violation": InferenceRefusedError,
    "moderation_blocked": InferenceRefusedError,
    "content_filter": InferenceRefusedError,
    "contentFilter": InferenceRefusedError,
    # without a status: in the middle of a stream, or in a response that failed
    "rate_limit_exceeded": InferenceRateLimitError,
    "server_error": InferenceServerError,
    "invalid_prompt": InferenceRequestError,
}


def classify(error: Exception) -> InferenceError | None:
    """Name what an exception means.

    Args:
        error: What the SDK raised.

    Returns:
        The error of its kind; ``None`` where the exception is none of the SDK's.
    """
    if isinstance(error, APIStatusError):
        named = InferenceError.from_status(error.status_code, _said(error), headers=error.response.headers)
        return _by_code(named, error.code, error.type)
    if isinstance(error, APIResponseValidationError):
        return InferenceInvalidAnswerError(_said(error), status_code=error.status_code)
    transport = InferenceError.from_transport(error)
    if transport is not None:
        return transport
    if isinstance(error, APIError) and not isinstance(error, APIConnectionError):
        return of_code(error.code, error.type, message=_said(error))
    return None


def of_code(*codes: str | None, message: str) -> InferenceError:
    """Make the error that the vendor's own code means, where there is no status beside it.

    Args:
        codes: The codes that the answer bears, the most telling one first; a status may stand among them.
        message: What the vendor said.
    """
    status = next((int(code) for code in codes if code is not None and code.isdigit()), None)
    named = InferenceServerError(message) if status is None else InferenceError.from_status(status, message)
    return _by_code(named, *codes)


def in_answer(extra: Mapping[str, object] | None) -> InferenceError | None:
    """Find the error that a gateway put into an answer with status 200, as OpenRouter does."""
    error = (extra or {}).get("error")
    if not isinstance(error, dict):
        return None
    code = error.get("code")
    message = str(error.get("message") or "The backend answered with an error")
    return of_code(str(code) if code is not None else None, message=message)


def _by_code(named: InferenceError, *codes: str | None) -> InferenceError:
    """Let a telling code decide over the status."""
    kind = next((_KIND_OF_CODE[code] for code in codes if code in _KIND_OF_CODE), None)
    if kind is None or isinstance(named, kind):
        return named
    return kind(
        named.message,
        status_code=named.status_code,
        request_id=named.request_id,
        retry_after=named.retry_after,
    )


def _said(error: APIError) -> str:
    """Return the vendor's own sentence; the SDK's repeats the whole body around it."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) and said else error.message
