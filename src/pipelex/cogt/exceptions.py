"""What can go wrong in a model call: one error class per kind, each with its category and retry verdict."""

from __future__ import annotations

from enum import StrEnum

from pipelex.exceptions import PipelexError

__all__ = [
    "CogtError",
    "InferenceAmbiguousError",
    "InferenceAuthenticationError",
    "InferenceCapacityError",
    "InferenceConnectionError",
    "InferenceError",
    "InferenceErrorCategory",
    "InferenceInvalidAnswerError",
    "InferenceModelNotFoundError",
    "InferenceRateLimitError",
    "InferenceRefusedError",
    "InferenceRequestError",
    "InferenceServerError",
    "InferenceTimeoutError",
    "InferenceTruncatedError",
    "ModelListingUnsupportedError",
    "UnsupportedCapabilityError",
]


class CogtError(PipelexError):
    """The root of the errors of model calls and model listings."""


class ModelListingUnsupportedError(CogtError):
    """A lister's client cannot enumerate models: the soft outcome "unsupported for listing", not a failure.

    Args:
        sdk: The sdk whose models were to be listed.
    """

    def __init__(self, *, sdk: str) -> None:
        self.sdk = sdk
        super().__init__(f"The sdk '{sdk}' cannot list its models.")


class SyncCallInRunningLoopError(CogtError):
    """A ``_sync`` method was called on a thread whose event loop is running, which it would block.

    Args:
        method: The method that was called.
    """

    def __init__(self, *, method: str) -> None:
        self.method = method
        super().__init__(
            f"{method}() was called inside a running event loop, which it would block. "
            f"Await {method.removesuffix('_sync')}() instead."
        )


class InferenceErrorCategory(StrEnum):
    """What a failed model call means for its caller."""

    TRANSIENT = "transient"
    """The same call may succeed later."""
    CONFIGURATION = "configuration"
    """The call is wrong as configured: key, endpoint, model, parameter."""
    CONTENT = "content"
    """The model's answer is refused, cut off or not what was asked for."""
    CAPACITY = "capacity"
    """The call is too large, or a quota is used up."""
    AMBIGUOUS = "ambiguous"
    """The call may have been carried out and charged; nobody can tell."""
    UNKNOWN = "unknown"
    """The vendor's error is none that the driver knows."""


class InferenceError(CogtError):
    """A model call failed. Its subclasses are the kinds; this class itself is the kind *unknown*.

    Args:
        message: What the vendor said, without any secret.
        provider: The backend that was called, by its configured name. An open string.
        model: The model that was asked for.
        status_code: The HTTP status, where there was one.
        request_id: The vendor's id of the request, to quote to its support.
        retry_after: Seconds to wait before another attempt, where the vendor said so.
        retryable: Whether the same call is worth repeating; each kind has its own default.
    """

    category: InferenceErrorCategory = InferenceErrorCategory.UNKNOWN
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        model: str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        self.provider = provider
        self.model = model
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable
        details = [f"model '{model}'"] if model else []
        if status_code is not None:
            details.append(f"status {status_code}")
        if request_id:
            details.append(f"request {request_id}")
        about = f" ({', '.join(details)})" if details else ""
        super().__init__(f"[{provider}] {message}{about}")

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data, with its category and retry verdict."""
        return {**super().to_dict(), "category": self.category.value, "retryable": self.retryable}


class InferenceConnectionError(InferenceError):
    """The backend could not be reached, or the connection broke before an answer began."""

    category = InferenceErrorCategory.TRANSIENT
    retryable = True


class InferenceTimeoutError(InferenceError):
    """The backend did not answer in time."""

    category = InferenceErrorCategory.TRANSIENT
    retryable = True


class InferenceRateLimitError(InferenceError):
    """The backend asks to slow down (HTTP 429); ``retry_after`` says for how long, where it does."""

    category = InferenceErrorCategory.TRANSIENT
    retryable = True


class InferenceServerError(InferenceError):
    """The backend failed (HTTP 5xx)."""

    category = InferenceErrorCategory.TRANSIENT
    retryable = True


class InferenceAuthenticationError(InferenceError):
    """The backend does not accept the key, or the key may not do this (HTTP 401, 403)."""

    category = InferenceErrorCategory.CONFIGURATION


class InferenceModelNotFoundError(InferenceError):
    """The backend does not know the model (HTTP 404)."""

    category = InferenceErrorCategory.CONFIGURATION


class InferenceRequestError(InferenceError):
    """The request itself is wrong: a parameter, an input file, a shape (HTTP 400, 422)."""

    category = InferenceErrorCategory.CONFIGURATION


class UnsupportedCapabilityError(InferenceError):
    """The job asks for something that the model does not declare. Nothing was sent.

    Args:
        provider: The backend of the model.
        model: The model.
        capability: What was asked for, by the name of the capability.
        declared: What the model declares.
    """

    category = InferenceErrorCategory.CONFIGURATION

    def __init__(self, *, provider: str, model: str, capability: str, declared: tuple[str, ...]) -> None:
        self.capability = capability
        self.declared = declared
        super().__init__(
            f"The model does not declare the capability '{capability}', so the job is refused rather than sent without "
            f"it. Declared: {', '.join(declared) or 'none'}. Leave it out, choose another model, or add it to the "
            "model's 'capabilities' in .pipelex/models.toml",
            provider=provider,
            model=model,
        )


class InferenceCapacityError(InferenceError):
    """The request is too large for the model, or a quota is used up (HTTP 413)."""

    category = InferenceErrorCategory.CAPACITY


class InferenceRefusedError(InferenceError):
    """The model or the vendor's filter refused to answer."""

    category = InferenceErrorCategory.CONTENT


class InferenceTruncatedError(InferenceError):
    """The answer was cut off at the token limit; half an answer is never returned."""

    category = InferenceErrorCategory.CONTENT


class InferenceInvalidAnswerError(InferenceError):
    """The answer is malformed, or does not fit the schema that was asked for."""

    category = InferenceErrorCategory.CONTENT


class InferenceAmbiguousError(InferenceError):
    """The request may have been carried out and charged although no answer came; it is not repeated."""

    category = InferenceErrorCategory.AMBIGUOUS
