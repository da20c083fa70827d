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
    """Name the kind of inference error that an exception of the SDK is.

    Args:
        error: What the SDK raised.
    """
    if isinstance(error, RepositoryNotFoundError):  # the hub answers 401 where it has no such model
        msg = "Hugging Face's hub has no such model, or the key may not see it"
        return InferenceModelNotFoundError(msg, status_code=error.response.status_code, request_id=error.request_id)
    if isinstance(error, HfHubHTTPError):
        return _of_status(error)
    if isinstance(error, _UNREADABLE):
        msg = f"The answer is no image as the provider is documented to answer one ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg)
    if isinstance(error, ValueError | NotImplementedError):  # the provider does not serve this model, or not this task
        return InferenceRequestError(str(error))
    if isinstance(error, InferenceTimeoutError):  # one class for every time-out; its cause says which
        return InferenceError.from_transport(error.__cause__ or error)
    return InferenceError.from_transport(error)


def _of_status(error: HfHubHTTPError) -> InferenceError:
    status = error.response.status_code
    message = error.server_message or f"The provider answered with the status {status}"
    return InferenceError.from_status(status, message, headers=dict(error.response.headers))
