"""What the vendor's errors mean: the table behind the worker and the lister."""

from __future__ import annotations

from acme import (
    AcmeBrokenAnswerError,
    AcmeError,
    AcmeStatusError,
    AcmeTimeoutError,
    AcmeUnreachableError,
    AcmeUnreadableAnswerError,
)

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
)

_KINDS_OF_STATUS: dict[int, type[InferenceError]] = {
    400: InferenceRequestError,
    401: InferenceAuthenticationError,
    403: InferenceAuthenticationError,
    404: InferenceModelNotFoundError,
    413: InferenceCapacityError,
    422: InferenceRequestError,
    429: InferenceRateLimitError,
}

_KINDS_OF_EXCEPTION: tuple[tuple[type[AcmeError], type[InferenceError]], ...] = (
    (AcmeUnreachableError, InferenceConnectionError),
    (AcmeTimeoutError, InferenceTimeoutError),
    (AcmeBrokenAnswerError, InferenceAmbiguousError),
    (AcmeUnreadableAnswerError, InferenceInvalidAnswerError),
)


def classify(error: AcmeError, *, provider: str, model: str | None = None) -> InferenceError:
    """Name what an exception of the SDK means.

    Args:
        error: What the SDK raised.
        provider: The configured name of the backend.
        model: The model that was asked for, if any.

    Returns:
        The kind of inference error that it is.
    """
    if isinstance(error, AcmeStatusError):
        unlisted = InferenceServerError if error.status >= 500 else InferenceError
        return _KINDS_OF_STATUS.get(error.status, unlisted)(
            str(error),
            provider=provider,
            model=model,
            status_code=error.status,
            request_id=error.request_id,
            retry_after=error.retry_after,
        )
    for exception, kind in _KINDS_OF_EXCEPTION:
        if isinstance(error, exception):
            return kind(str(error), provider=provider, model=model)
    return InferenceError(str(error), provider=provider, model=model)
