"""What the exceptions of fal's SDK mean."""

from __future__ import annotations

from json import JSONDecodeError

from fal_client.client import FalClientHTTPError

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError
from pipelex.cogt.inference.answer_parts import is_raised_in
from pipelex.providers.fal.client import SubmissionError


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, SubmissionError | FalClientHTTPError) and error.response is not None:
        answer = error.response
        return InferenceError.from_body(
            answer.content, status_code=answer.status_code, headers=answer.headers, url=str(answer.url)
        )
    if isinstance(error, JSONDecodeError | KeyError | TypeError) or (
        isinstance(error, ValueError) and is_raised_in(error, "fal_client")  # a status that it does not know
    ):
        msg = f"The answer is not what fal's queue is documented to answer ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    return InferenceError.from_transport(error)
