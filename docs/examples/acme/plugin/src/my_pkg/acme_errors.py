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
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceTimeoutError,
)

_KINDS_OF_EXCEPTION: tuple[tuple[type[AcmeError], type[InferenceError]], ...] = (
    (AcmeUnreachableError, InferenceConnectionError),
    (AcmeTimeoutError, InferenceTimeoutError),
    (AcmeBrokenAnswerError, InferenceAmbiguousError),
    (AcmeUnreadableAnswerError, InferenceInvalidAnswerError),
)


def classify(error: Exception) -> InferenceError | None:
    """Name what an exception of the SDK means.

    Args:
        error: What was raised.

    Returns:
        The kind of inference error that it is; ``None`` where it is not the SDK's.
    """
    if isinstance(error, AcmeStatusError):
        return InferenceError.from_status(
            error.status, str(error), request_id=error.request_id, retry_after=error.retry_after
        )
    for exception, kind in _KINDS_OF_EXCEPTION:
        if isinstance(error, exception):
            return kind(str(error))
    return InferenceError(str(error)) if isinstance(error, AcmeError) else None
