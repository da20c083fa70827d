"""What an HTTP answer has to be before a driver reads it: for the event hooks and the streams of drivers."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from pipelex.cogt.exceptions import InferenceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = [
    "HttpAnswer",
    "note_answer",
    "note_headers",
    "refuse_error_event",
    "refuse_error_in_answer",
    "refuse_foreign_redirect",
    "require_event_stream",
]

_BEGINS_A_STREAM = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry)?:")

_BEGINS_AN_ERROR = re.compile(rb'\s*\[?\s*\{\s*"(?:errors?|object|type)"')


answer_headers: ContextVar[Mapping[str, str] | None] = ContextVar("answer_headers", default=None)
"""The headers of the last answer to the attempt under way."""


class HttpAnswer(Protocol):
    """What is asked of a response: those of httpx and httpx2 have it."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are found whatever their case."""
        ...

    @property
    def url(self) -> object:
        """The address, whose ``str`` is the address as text."""
        ...

    async def aread(self) -> bytes:
        """Read the body, and keep it for whoever reads it next."""
        ...

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Read the body piece by piece, decompressed."""
        ...


def note_headers(headers: Mapping[str, str]) -> None:
    """Keep the headers of an answer for the report of the call, which reads the vendor's request id from them.

    Args:
        headers: The headers; a driver calls this, in the task of its hook, with those of the last answer.
    """
    answer_headers.set(headers)


async def note_answer(answer: HttpAnswer) -> None:
    """Do what :func:`note_headers` does, as an event hook.

    Args:
        answer: The answer: the signature is that of a ``response`` event hook.
    """
    answer_headers.set(answer.headers)


_STREAMS = (
    "text/event-stream",
    "application/vnd.amazon.eventstream",  # Claude on Bedrock
    *("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"),
)


async def require_event_stream(answer: HttpAnswer) -> None:
    """Refuse an answer whose content type is not that of a stream, where one was asked for.

    A stream of events with another content type is let through, read to its end first.

    Args:
        answer: The answer, before its body is read.

    Raises:
        InferenceError: The error that the body announces, of its kind, or an InferenceInvalidAnswerError with the
            content type and what came. It is not repeated: a whole answer may have been made and charged.
    """
    content_type = answer.headers.get("content-type", "")
    if answer.status_code >= 300 or content_type.lower().startswith(_STREAMS):
        return
    body = await answer.aread()
    if not _BEGINS_A_STREAM.match(body):
        media_type = content_type.partition(";")[0].strip() or "no content type"
        raise InferenceError.from_answer(body, expected="a stream", content_type=media_type)


def refuse_error_event(event: object) -> None:
    """Refuse an event of a stream that holds a sentence where a piece of the answer should be.

    Args:
        event: An event without any part of the answer, as the SDK made it: a record, plain JSON, a text. One without
            a sentence (a ping, a null, the counts) is let through.

    Raises:
        InferenceError: Of the kind that the sentence and the codes mean.
    """
    from pipelex.cogt.error_body import ErrorBody

    found = ErrorBody.read(event)
    if found.says_error or (found.is_sentence and found.message):
        raise InferenceError.from_body(event)


async def refuse_error_in_answer(answer: HttpAnswer) -> None:
    """Raise the error that a JSON answer with a status of success is, where the SDK would read past it.

    Args:
        answer: The answer: the signature is that of a ``response`` event hook.

    Raises:
        InferenceError: Of the kind that the error's codes and sentence mean.
    """
    if answer.status_code < 300 and "json" in answer.headers.get("content-type", ""):
        body = await answer.aread()
        if _BEGINS_AN_ERROR.match(body):
            from pipelex.cogt.error_body import parsed

            error = InferenceError.in_answer(parsed(body))
            if error is not None:
                raise error


async def refuse_foreign_redirect(answer: HttpAnswer) -> None:
    """Refuse to follow a redirect to another origin, which would get the prompt, and the key in some headers.

    Args:
        answer: The answer: the signature is that of a ``response`` event hook.

    Raises:
        InferenceRequestError: It redirects to another scheme, host or port.
    """
    if not 300 <= answer.status_code < 400:
        return
    location = answer.headers.get("location")
    if location is None:
        return
    from urllib.parse import urljoin, urlsplit

    here = str(answer.url)
    there = urljoin(here, location)
    if urlsplit(here)[:2] != urlsplit(there)[:2]:
        raise InferenceError.from_body("", status_code=answer.status_code, headers={"location": there})
