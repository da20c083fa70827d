"""What can go wrong in a model call: one error class per kind, each with its category and retry verdict."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from pipelex.exceptions import PipelexError
from pipelex.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelex.cogt.inference.inference_result import PartialAnswer
    from pipelex.cogt.llm.llm_job import LLMJob

__all__ = [
    "CogtError",
    "ConversationFormatError",
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
    "StreamClosedError",
    "ToolError",
    "ToolLimitError",
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


class ConversationFormatError(CogtError):
    """A text is not the JSON of a conversation.

    Args:
        reason: What is wrong, and where.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        expected = '{"version": 1, "messages": [...]}, as conversation_to_json() writes it'
        super().__init__(f"This is not the JSON of a conversation ({expected}): {reason}")


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


class StreamClosedError(CogtError):
    """The whole answer of a stream was asked for after the stream was closed, before its end."""

    def __init__(self) -> None:
        super().__init__("The stream was closed before its end. What came is 'stream.so_far'")


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
    job: LLMJob | None = None
    """The conversation so far, ready to be continued, where ``run_tools`` raised the error."""
    attempts: int = 1
    """How often the call was sent before this error ended it."""
    _unknown_address: str | None = None
    """The address that answered 404 without a word about a model: there may be nothing there at all."""

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

    def _restore(self) -> None:
        self.answer = None
        self.args = (self._text(),)

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
        status_code: int | None,
        message: str,
        *,
        provider: str = "",
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        codes: Sequence[str] = (),
        url: str | None = None,
    ) -> InferenceError:
        """Make the error of the kind that an HTTP status means, for a driver's ``_classify_error``.

        A telling code, or else a telling sentence ("prompt is too long", "credit balance is too low"), decides where
        the status stands for several things. Where a body came, :meth:`from_body` reads both from it.

        Args:
            status_code: The status of the vendor's answer; ``None`` where the error came inside an answer with a
                status of success.
            message: The vendor's sentence.
            provider: The backend that was called.
            model: The model that was asked for.
            headers: The answer's headers: ``retry-after-ms``, ``Retry-After`` (RFC 9110, seconds or a date) and the
                vendor's request id are read from them.
            request_id: The vendor's id of the request, where its headers do not have it.
            retry_after: Seconds to wait before another attempt, where the headers do not say.
            codes: The vendor's own codes of the error, the most telling one first.
            url: The address that answered.

        Returns:
            An error of one of the kinds; of this class itself where the status means nothing in particular.
        """
        from pipelex.cogt.error_kinds import kind_of, seconds_to_wait

        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        asked = seconds_to_wait(lowered, message if status_code == 429 and retry_after is None else None)
        error = kind_of(status_code, message, codes)(
            message,
            provider=provider,
            model=model,
            status_code=status_code,
            request_id=request_id_of(lowered) or request_id,
            retry_after=retry_after if asked is None else asked,
        )
        if status_code == 404 and not _MODEL_WORDS.intersection(re.findall(r"[a-z]+", f"{message} {codes}".lower())):
            error._unknown_address = _shown_address(url)
        return error

    @staticmethod
    def from_body(
        body: object,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        url: str | None = None,
    ) -> InferenceError:
        """Make the error that a vendor's answer means, from its body: the one reader of error bodies for all drivers.

        It finds the vendor's sentence and codes in whichever shape they come: ``{"error": {"message": ...}}``,
        ``{"error": "..."}``, ``{"message": ...}``, ``{"detail": ...}`` (a text, or pydantic's list of problems), what
        a gateway nests of the vendor behind it, plain text, HTML. At most about 500 characters are shown.

        Args:
            body: The bytes or the text of the body, or the JSON value that an SDK made of it.
            status_code: The status of the answer; ``None`` inside a stream. A status of success counts as none.
            headers: The answer's headers.
            request_id: The vendor's id of the request, where its headers do not have it.
            url: The address that answered.

        Returns:
            An error of the kind that codes, sentence and status mean.
        """
        from pipelex.cogt.error_body import ErrorBody
        from pipelex.cogt.error_kinds import seconds_to_wait

        found = ErrorBody.read(body)
        status = status_code if status_code is not None and status_code >= 300 else None
        message = found.message or f"The answer is an error without text (status {status or 'of success'})"
        location = next((value for name, value in (headers or {}).items() if name.lower() == "location"), None)
        if status is not None and status < 400 and location:
            message = f"The endpoint redirects to {_shown_address(location)}: name that address as the endpoint"
        return InferenceError.from_status(
            status,
            message,
            headers=headers,
            request_id=request_id,
            retry_after=seconds_to_wait({}, found.retry_after),
            codes=found.codes,
            url=url,
        )

    @staticmethod
    def in_answer(answer: object) -> InferenceError | None:
        """Find the error that a backend put into an answer with a status of success, as gateways do.

        Args:
            answer: The answer, or the part of it that the SDK does not know.

        Returns:
            The error of its kind; ``None`` where the answer does not call itself an error.
        """
        from pipelex.cogt.error_body import says_error

        return InferenceError.from_body(answer) if says_error(answer) else None

    @staticmethod
    def from_answer(
        answer: object,
        *,
        expected: str,
        content_type: str | None = None,
        status_code: int | None = None,
        known: PartialAnswer | None = None,
    ) -> InferenceError:
        """Make the error for an answer with a status of success that is not what was asked for.

        Args:
            answer: What came: bytes, text, or the JSON value that an SDK made of it.
            expected: What was expected, with its article (``"a chat completion"``).
            content_type: The content type that came, where it is a wrong one.
            status_code: The status of the answer.
            known: What is known of it all the same, such as its usage; by default what a whole answer in the format
                of one of the vendors holds, sent where a stream was asked for, say.

        Returns:
            The error that the answer announces, of its kind, or an InferenceInvalidAnswerError that shows what came.
        """
        from pipelex.cogt.error_body import ErrorBody
        from pipelex.cogt.error_kinds import kind_of
        from pipelex.cogt.inference.answer_parts import answer_in

        found = ErrorBody.read(answer)
        sentence = found.message if found.is_sentence else ""
        unknown = InferenceInvalidAnswerError
        if found.says_error or kind_of(None, sentence, found.codes, default=unknown) is not unknown:
            error = InferenceError.from_body(answer, status_code=status_code)
        else:
            what = f"The backend answered {content_type} to" if content_type else "The answer is not"
            error = unknown(f"{what} {expected}: {found.message or 'nothing came'}", status_code=status_code)
        error.answer = known or answer_in(answer)
        return error

    @staticmethod
    def from_transport(error: BaseException, *, provider: str = "", model: str | None = None) -> InferenceError | None:
        """Make the error that a failure below HTTP means, for a driver's ``_classify_error``.

        The SDKs use several HTTP libraries and wrap what these raise, so the exception and those that it came from
        are known by the names of their classes. What failed on this machine (an illegal header, an address without a
        scheme, a proxy setting, a file of certificates) is an InferenceRequestError, which is not repeated.

        Args:
            error: What the SDK raised.
            provider: The backend that was called.
            model: The model that was asked for.

        Returns:
            An error of the kind; ``None`` where nothing of the kind is among the causes.
        """
        from pipelex.cogt.error_kinds import transport_fault

        fault = transport_fault(error)
        if isinstance(fault, InferenceError):
            return say_whom(fault, provider=provider, model=model) if provider else fault
        if fault is None:
            return None
        kind, message = fault
        return kind(message, provider=provider, model=model)

    def to_dict(self) -> dict[str, object]:
        """Return the error as plain data, with its category and retry verdict."""
        told = {name: value for name, value in super().to_dict().items() if name != "job"}  # the user's own words
        return {**told, "category": self.category.value, "retryable": self.retryable}


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


class ToolLimitError(InferenceError):
    """The model goes on calling tools; ``answer`` is its last one, ``job`` the conversation so far."""

    category = InferenceErrorCategory.CAPACITY


class ToolError(CogtError):
    """A tool cannot do what it was called for. A tool raises it: the model is told its text, and may try again."""


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
    """The request is too large for the model, or a quota is used up (HTTP 402, 413).

    A prompt that is certain to be longer than the model's context window is refused by it before anything is sent.
    """

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


_MODEL_WORDS = {"model", "models", "deployment", "engine", "application", "repository", "deploymentnotfound"}
"""Words by which a vendor's 404 is about a model; codes in snake case hold them too."""
_REQUEST_ID_ENDINGS = ("request-id", "requestid", "correlation-id", "call-id", "trace-id", "cf-ray")
"""What the names of the headers that hold a vendor's request id end with, the most telling one first."""


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the vendor's id of a request, which headers under one of several names hold.

    Args:
        headers: The headers of its answer, by their names in lower case.
    """
    return next((headers[name] for end in _REQUEST_ID_ENDINGS for name in headers if name.endswith(end)), None)


def _shown_address(url: str | None) -> str | None:
    """Return an address without its query and without a user's name and password, which may be secret."""
    from urllib.parse import urlsplit

    if not url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def say_whom(
    error: InferenceError, *, provider: str, model: str | None = None, model_id: str | None = None
) -> InferenceError:
    """Complete an error by what its driver does not know: which backend and which model were called.

    Args:
        error: The error, as the driver made it.
        provider: The backend that was called.
        model: The model that was asked for.
        model_id: The vendor's id of it.

    Returns:
        The same error; another one where a 404 means that the address, not the model, does not exist.
    """
    address = error._unknown_address
    if address is not None and not (model_id and model_id in error.message):
        msg = f"There is nothing at {address} ({error.message}). Check 'endpoint' in [backends.{provider}]"
        error = InferenceRequestError(msg, status_code=error.status_code, request_id=error.request_id)
    if not error.provider:
        error.provider, error.model = provider, error.model or model
        error.args = (redact(error._text()),)
    return error
