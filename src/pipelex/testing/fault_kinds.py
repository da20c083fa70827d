"""What each fault has to become: the kind of error, its status, its retry verdict, the time to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceAuthenticationError,
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceServerError,
    InferenceTimeoutError,
)
from pipelex.testing.checks import require
from pipelex.testing.loopback import RETRY_AFTER_S
from pipelex.testing.vendor import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

EXPECTED_KINDS: Mapping[Fault, tuple[type[InferenceError], ...]] = {
    Fault.UNAUTHORIZED: (InferenceAuthenticationError,),
    Fault.NOT_FOUND: (InferenceModelNotFoundError,),
    Fault.RATE_LIMITED: (InferenceRateLimitError,),
    Fault.SERVER_ERROR: (InferenceServerError,),
    Fault.TIMEOUT: (InferenceTimeoutError, InferenceAmbiguousError),
    Fault.STALLED: (InferenceTimeoutError, InferenceAmbiguousError),
    Fault.CONNECTION_REFUSED: (InferenceConnectionError,),
    Fault.MALFORMED: (InferenceInvalidAnswerError, InferenceServerError, InferenceAmbiguousError),
    Fault.TRUNCATED: (InferenceServerError, InferenceInvalidAnswerError, InferenceAmbiguousError),
}
EXPECTED_STATUS = {Fault.UNAUTHORIZED: 401, Fault.NOT_FOUND: 404, Fault.RATE_LIMITED: 429, Fault.SERVER_ERROR: 500}
QUICK_FAULTS = tuple(fault for fault in Fault if fault not in {Fault.TIMEOUT, Fault.STALLED})
RETRYABLE = {
    Fault.UNAUTHORIZED: False,
    Fault.NOT_FOUND: False,
    Fault.RATE_LIMITED: True,
    Fault.SERVER_ERROR: True,
    Fault.CONNECTION_REFUSED: True,
}


def check_kind(error: InferenceError, *, fault: Fault, model: InferenceModelSpec) -> None:
    """Hold an error against the fault that caused it.

    Args:
        error: What came out of the call.
        fault: What the vendor was ordered to do.
        model: The model that was called.
    """
    kinds = EXPECTED_KINDS[fault]
    shown = f"{type(error).__name__} ({error})"
    wanted = " or ".join(kind.__name__ for kind in kinds)
    require(isinstance(error, kinds), f"The fault '{fault}' became {shown}, not {wanted}.")
    status, retryable = EXPECTED_STATUS.get(fault), RETRYABLE.get(fault)
    require(status in (None, error.status_code), f"{shown} has status_code={error.status_code}, not {status}.")
    require(retryable in (None, error.retryable), f"{shown} has retryable={error.retryable}, not {retryable}.")
    require(
        fault is not Fault.RATE_LIMITED or error.retry_after == RETRY_AFTER_S,
        f"{shown} has retry_after={error.retry_after}; the vendor sent Retry-After: {RETRY_AFTER_S}.",
    )
    require(
        (error.provider, error.model) == (model.backend_name, model.name),
        f"{shown} has provider={error.provider!r}, model={error.model!r}, not {model.backend_name!r} (the "
        f"backend's name), {model.name!r} (the model's).",
    )
