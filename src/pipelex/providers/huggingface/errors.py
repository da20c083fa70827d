"""What the exceptions of Hugging Face's SDK mean."""

from __future__ import annotations

import binascii
from json import JSONDecodeError

from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from PIL import UnidentifiedImageError

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRequestError,
)

_UNREADABLE = (UnidentifiedImageError, JSONDecodeError, UnicodeDecodeError, binascii.Error, KeyError, IndexError)


def classify(error: Exception, *, provider: str, model: str) -> InferenceError | None:
    """Name the kind of inference error that an exception of the SDK is.

    Args:
        error: What the SDK raised.
        provider: The backend that was called.
        model: The model that was asked for.
    """
    if isinstance(error, RepositoryNotFoundError):  # the hub answers 401 where it has no such model
        msg = "Hugging Face's hub has no such model, or the key may not see it"
        return InferenceModelNotFoundError(
            msg, provider=provider, model=model, status_code=error.response.status_code, request_id=error.request_id
        )
    if isinstance(error, HfHubHTTPError):
        return _of_status(error, provider=provider, model=model)
    if isinstance(error, _UNREADABLE):
        msg = f"The answer is no image as the provider is documented to answer one ({type(error).__name__})"
        return InferenceInvalidAnswerError(msg, provider=provider, model=model)
    if isinstance(error, ValueError | NotImplementedError):  # the provider does not serve this model, or not this task
        return InferenceRequestError(str(error), provider=provider, model=model)
    return InferenceError.from_transport(error, provider=provider, model=model)


def _of_status(error: HfHubHTTPError, *, provider: str, model: str) -> InferenceError:
    status = error.response.status_code
    message = error.server_message or f"The provider answered with the status {status}"
    if status == 402:
        return InferenceCapacityError(
            message, provider=provider, model=model, status_code=status, request_id=error.request_id
        )
    return InferenceError.from_status(
        status, message, provider=provider, model=model, headers=dict(error.response.headers)
    )
