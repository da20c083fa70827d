"""What the exceptions of fal's SDK mean."""

from __future__ import annotations

from json import JSONDecodeError, loads
from typing import TYPE_CHECKING

from fal_client.client import FalClientHTTPError

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError, InferenceRefusedError
from pipelex.providers.fal.client import SubmissionError

if TYPE_CHECKING:
    from httpx import Response

_REFUSED = "content_policy_violation"  # fal's error type where a filter stepped in (fal.ai/docs, "Errors")


def classify(error: Exception) -> InferenceError | None:
    """Name the kind of inference error that an exception of the SDK is.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, SubmissionError | FalClientHTTPError) and error.response is not None:
        return _of_status(error.response)
    if isinstance(error, JSONDecodeError | KeyError | TypeError):
        msg = f"The answer is not what fal's queue is documented to answer ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    return InferenceError.from_transport(error)


def _of_status(response: Response) -> InferenceError:
    problems = _problems(response.content)
    text = "; ".join(said for _, said in problems) or f"fal answered with the status {response.status_code}"
    request_id = response.headers.get("x-fal-request-id")
    if any(kind == _REFUSED for kind, _ in problems):
        return InferenceRefusedError(text, status_code=response.status_code, request_id=request_id)
    return InferenceError.from_status(response.status_code, text, headers=response.headers)


def _problems(body: bytes) -> list[tuple[str, str]]:
    """Return the type and the text of each problem. What they repeat of the prompt is left out."""
    try:
        parsed = loads(body)
    except ValueError:
        return []
    detail = parsed.get("detail") if isinstance(parsed, dict) else None
    if isinstance(detail, list):
        return [(str(item.get("type", "")), str(item.get("msg", ""))) for item in detail if isinstance(item, dict)]
    return [(str(parsed.get("error_type", "")), str(detail))] if detail else []
