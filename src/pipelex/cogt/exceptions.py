"""What can go wrong in a model call: one error class per kind, each with its category and retry verdict."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pipelex.exceptions import PipelexError
from pipelex.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.inference.inference_result import PartialAnswer

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

    A driver says what went wrong and nothing more: whom it called is filled in where the error leaves the worker.

    Args:
        message: What the vendor said, without any secret.
        provider: The backend that was called, by its configured name. An open string.
        model: The model that was asked for.
        status_code: The HTTP status, where there was one.
        request_id: The vendor's id of the request, to quote to its support.
        retry_after: Seconds to wait before another attempt, where the vendor said so.
        retryable: Whether the same call is worth repeating; each kind has its own default.
        answer: What is known of the answer, where one came: the text so far, usage, finish reason. A driver that
            rejects an answer fills in what it read; the worker base completes it.
    """

    category: InferenceErrorCategory = InferenceErrorCategory.UNKNOWN
    retryable: bool = False
    attempts: int = 1
    """How often the call was sent before this error ended it."""

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
        answer: PartialAnswer | None = None,
    ) -> None:
        self.message: str = redact(message)
        self.provider = provider
        self.model = model
        self.status_code = status_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.answer = answer
        if retryable is not None:
            self.retryable = retryable
        super().__init__(self._text())

    def _text(self) -> str:
        details = [f"model '{self.model}'"] if self.model else []
        if self.status_code is not None:
            details.append(f"status {self.status_code}")
        if self.request_id:
            details.append(f"request {self.request_id}")
        about = f" ({', '.join(details)})" if details else ""
        return f"[{self.provider}] {self.message}{about}" if self.provider else f"{self.message}{about}"

    @staticmethod
    def from_status(
        status_code: int,
        message: str,
        *,
        provider: str = "",
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> InferenceError:
        """Make the error of the kind that an HTTP status means, for a driver's ``_classify_error``.

        Args:
            status_code: The status of the vendor's answer.
            message: What the vendor said.
            provider: The backend that was called.
            model: The model that was asked for.
            headers: The answer's headers: ``Retry-After`` (RFC 9110, seconds or a date) and the vendor's request
                id are read from them.
            request_id: The vendor's id of the request, where its headers do not tell.
            retry_after: Seconds to wait before another attempt, where the headers do not tell.

        Returns:
            An error of one of the kinds; of this class itself where the status means nothing in particular.
        """
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        kind = _KIND_OF_STATUS.get(status_code, InferenceServerError if status_code >= 500 else InferenceError)
        return kind(
            message,
            provider=provider,
            model=model,
            status_code=status_code,
            request_id=next(
                (lowered[name] for end in _REQUEST_ID_ENDINGS for name in lowered if name.endswith(end)), request_id
            ),
            retry_after=_seconds_to_wait(lowered["retry-after"]) if "retry-after" in lowered else retry_after,
        )

    @staticmethod
    def from_transport(error: BaseException, *, provider: str = "", model: str | None = None) -> InferenceError | None:
        """Make the error that a failure below HTTP means, for a driver's ``_classify_error``.

        The SDKs speak through several HTTP libraries and wrap what these raise, so the exception and those that it
        came from are known by the names of their classes.

        Args:
            error: What the SDK raised.
            provider: The backend that was called.
            model: The model that was asked for.

        Returns:
            An error of the kind; ``None`` where nothing of the kind is among the causes.
        """
        current: BaseException | None = error
        while current is not None:
            for base in type(current).__mro__:
                if base.__name__ in _KIND_OF_TRANSPORT_FAULT:
                    kind = _KIND_OF_TRANSPORT_FAULT[base.__name__]
                    detail = f"{type(current).__name__}: {current}".removesuffix(": ")
                    return kind(f"{_WHAT_HAPPENED[kind]} ({detail})", provider=provider, model=model)
            current = current.__cause__ or current.__context__
        return None

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data, with its category and retry verdict."""
        return {**super().to_dict(), "category": self.category.value, "retryable": self.retryable}


class InferenceConnectionError(InferenceError):
    """The backend could not be reached: the request is known not to have arrived."""

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
    """The backend failed (HTTP 5xx), or the connection broke before its answer was whole."""

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
    """The request is too large for the model, or a quota is used up (HTTP 402, 413)."""

    category = InferenceErrorCategory.CAPACITY


class InferenceRefusedError(InferenceError):
    """The model or the vendor's filter refused to answer."""

    category = InferenceErrorCategory.CONTENT


class InferenceTruncatedError(InferenceError):
    """The answer was cut off at the token limit. Half an answer is never returned; ``answer`` holds its text."""

    category = InferenceErrorCategory.CONTENT


class InferenceInvalidAnswerError(InferenceError):
    """The answer is malformed, or does not fit the schema that was asked for."""

    category = InferenceErrorCategory.CONTENT


class InferenceAmbiguousError(InferenceError):
    """The request may have been carried out and charged although no answer came; it is not repeated."""

    category = InferenceErrorCategory.AMBIGUOUS


def say_whom(error: InferenceError, *, provider: str, model: str | None = None) -> None:
    """Fill in whom a call went to, where the driver that made its error did not.

    Args:
        error: The error, on its way out.
        provider: The backend that was called.
        model: The model that was asked for.
    """
    if not error.provider:
        error.provider, error.model = provider, error.model or model
        error.args = (redact(error._text()),)


_KIND_OF_STATUS: dict[int, type[InferenceError]] = {
    400: InferenceRequestError,
    401: InferenceAuthenticationError,
    402: InferenceCapacityError,
    403: InferenceAuthenticationError,
    404: InferenceModelNotFoundError,
    408: InferenceTimeoutError,
    413: InferenceCapacityError,
    415: InferenceRequestError,
    422: InferenceRequestError,
    429: InferenceRateLimitError,
    504: InferenceTimeoutError,
}
_WHAT_HAPPENED: dict[type[InferenceError], str] = {
    InferenceConnectionError: "The backend cannot be reached",
    InferenceTimeoutError: "The backend did not answer in time",
    InferenceServerError: "The connection broke before the answer was whole",
    InferenceInvalidAnswerError: "The answer cannot be read",
}
_KIND_OF_TRANSPORT_FAULT: dict[str, type[InferenceError]] = {
    # httpx and httpx2
    "ConnectError": InferenceConnectionError,
    "ConnectTimeout": InferenceConnectionError,
    "PoolTimeout": InferenceConnectionError,
    "TimeoutException": InferenceTimeoutError,
    "TransportError": InferenceServerError,
    "DecodingError": InferenceInvalidAnswerError,
    # aiohttp, and botocore over it or over urllib3
    "ClientConnectorError": InferenceConnectionError,
    "ConnectTimeoutError": InferenceConnectionError,
    "ConnectionTimeoutError": InferenceConnectionError,
    "EndpointConnectionError": InferenceConnectionError,
    "NewConnectionError": InferenceConnectionError,
    "ProxyConnectionError": InferenceConnectionError,
    "ReadTimeoutError": InferenceTimeoutError,
    "ServerTimeoutError": InferenceTimeoutError,
    "ClientPayloadError": InferenceServerError,
    "ConnectionClosedError": InferenceServerError,
    "IncompleteRead": InferenceServerError,
    "IncompleteReadError": InferenceServerError,
    "ProtocolError": InferenceServerError,
    "ResponseStreamingError": InferenceServerError,
    "ServerDisconnectedError": InferenceServerError,
    "ResponseParserError": InferenceInvalidAnswerError,
    # the standard library
    "ConnectionRefusedError": InferenceConnectionError,
    "gaierror": InferenceConnectionError,
    "TimeoutError": InferenceTimeoutError,
    "ConnectionError": InferenceServerError,
    "JSONDecodeError": InferenceInvalidAnswerError,
}
_REQUEST_ID_ENDINGS = ("request-id", "requestid", "correlation-id", "call-id", "trace-id", "cf-ray")
"""What the names of the headers that hold a vendor's request id end with, the most telling one first."""


def _seconds_to_wait(retry_after: str) -> float | None:
    """Read a ``Retry-After`` header: seconds, or the date until which to wait."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
