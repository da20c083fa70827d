"""What the exceptions of Linkup's SDK mean."""

from __future__ import annotations

from json import JSONDecodeError

from pydantic import ValidationError

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError
from pipelex.providers.linkup.client import LinkupStatusError


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, LinkupStatusError):
        answer = error.response
        return InferenceError.from_body(
            answer.content, status_code=answer.status_code, headers=answer.headers, url=str(answer.url)
        )
    if isinstance(error, ValidationError | JSONDecodeError):
        msg = f"The answer is not what Linkup is documented to answer ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    return InferenceError.from_transport(error)
