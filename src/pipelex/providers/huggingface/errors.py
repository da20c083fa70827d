"""What the exceptions of Hugging Face's SDK mean."""

from __future__ import annotations

import binascii
from json import JSONDecodeError

from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, RepositoryNotFoundError
from PIL import UnidentifiedImageError

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRequestError,
)

_UNREADABLE = (UnidentifiedImageError, JSONDecodeError, UnicodeDecodeError, binascii.Error, KeyError, IndexError)


def classify(error: Exception) -> InferenceError | None:
    """Return the inference error that an exception of the SDK means.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, RepositoryNotFoundError):  # the hub answers 401 where it has no such model
        msg = "Hugging Face's hub has no such model, or the key may not see it"
        return InferenceModelNotFoundError(msg, status_code=error.response.status_code, request_id=error.request_id)
    if isinstance(error, HfHubHTTPError):
        answer = error.response
        body = answer.content if answer.is_closed else error.server_message
        return InferenceError.from_body(
            body, status_code=answer.status_code, headers=answer.headers, url=str(answer.url)
        )
    if isinstance(error, _UNREADABLE):
        msg = f"The answer is no image as the provider is documented to answer one ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    # one class for every time-out; its cause says which
    cause = error.__cause__ if isinstance(error, InferenceTimeoutError) else None
    named = InferenceError.from_transport(cause or error)
    if named is None and isinstance(error, ValueError | NotImplementedError):
        return InferenceRequestError(str(error))  # the provider does not serve this model, or not this task
    return named
