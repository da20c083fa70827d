"""What an HTTP answer has to be before a driver reads it: for the event hooks and the streams of drivers."""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pipelex.cogt.exceptions import InferenceError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

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

_BEGINS_NO_STREAM = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:[{\[<]|\Z)")

_ERROR_LINE = re.compile(rb'data:\s*(?:"|\{\s*"(?:error|message|detail)")')

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


_STREAMS = ("text/event-stream", "application/vnd.amazon.eventstream")  # the second: Claude on Bedrock


async def require_event_stream(answer: HttpAnswer, *, sdk_reads_json: bool = False) -> None:
    """Refuse an answer that is no stream of server-sent events, where one was asked for.

    A stream with another content type is let through, read to its end first. What is called a stream and begins as
    JSON or as a page is refused when its pieces are read.

    Args:
        answer: The answer, before its body is read.
        sdk_reads_json: Whether the SDK reads JSON without event fields, and no event that holds an error: those are
            refused in place of it.

    Raises:
        InferenceError: The error that the body announces, of its kind, or an InferenceInvalidAnswerError with the
            content type and what came. It is not repeated: a whole answer may have been made and charged.
    """
    content_type = answer.headers.get("content-type", "")
    if answer.status_code >= 300:
        return
    if content_type.startswith(_STREAMS):
        if content_type.startswith(_STREAMS[0]):  # the SDKs read the pieces by this method, and no line without a field
            check = _refuse_error_lines if sdk_reads_json else _refuse_whole_answer
            vars(answer)["aiter_bytes"] = partial(check, answer.aiter_bytes)
        return
    body = await answer.aread()
    if not _BEGINS_A_STREAM.match(body):
        media_type = content_type.partition(";")[0].strip() or "no content type"
        raise InferenceError.from_answer(body, expected="a stream", content_type=media_type)


async def _refuse_whole_answer(read: Callable[[], AsyncIterator[bytes]]) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of a stream, and refuse a body that is none.

    Args:
        read: What reads the pieces.

    Raises:
        InferenceError: As :func:`require_event_stream` does, with the answer that came in one.
    """
    body, is_stream = bytearray(), False
    async for piece in read():
        if is_stream:
            yield piece
            continue
        body += piece
        is_stream = not _BEGINS_NO_STREAM.match(body)
        if is_stream:
            yield bytes(body)
    if body.strip() and not is_stream:
        raise InferenceError.from_answer(bytes(body), expected="a stream of events")


async def _refuse_error_lines(read: Callable[[], AsyncIterator[bytes]]) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of a stream, and refuse an event that holds an error, for an SDK that cannot read it.

    Args:
        read: What reads the pieces.

    Raises:
        InferenceError: As :func:`refuse_error_event` does.
    """
    from pipelex.cogt.error_body import parsed

    rest = b""
    async for piece in read():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if _ERROR_LINE.match(line):
                refuse_error_event(parsed(line))
        yield piece


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
    location = answer.headers.get("location")
    if location is None or not 300 <= answer.status_code < 400:
        return
    from urllib.parse import urljoin, urlsplit

    here = str(answer.url)
    there = urljoin(here, location)
    if urlsplit(here)[:2] != urlsplit(there)[:2]:
        raise InferenceError.from_body("", status_code=answer.status_code, headers={"location": there})
