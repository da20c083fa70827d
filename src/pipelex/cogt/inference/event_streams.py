"""Readers of the formats in which servers stream: server-sent events and lines of JSON.

``read_json_events`` is what every driver of a vendor that streams JSON reads its answer by, whatever its SDK: the SDKs'
own readers differ in what they take, and servers that copied a format in what they send.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import codecs
from contextlib import suppress
from io import IncrementalNewlineDecoder
from typing import TYPE_CHECKING

from pipelex.cogt.inference.iterators import close_iterator
from pipelex.field_types import with_field_types
from pipelex.records import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

    from pipelex.cogt.exceptions import InferenceInvalidAnswerError

__all__ = ["ServerSentEvent", "read_events", "read_json_events", "read_json_lines"]

_MAX_SHOWN = 200
_END = "[DONE]"
_BEGINS_JSON, _ENDS_JSON = ("{", "["), ("}", "]")
_FIELDS = ("", "data", "id", "retry")  # besides "event"; a line without a name is a comment
_KEEP_ALIVES = ("ping", "keep-alive", "keepalive", "heartbeat")
_LONGEST_TAIL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class ServerSentEvent:
    """One event.

    Attributes:
        event: Its type; ``"message"`` where the server names none.
        data: Its data; several ``data`` lines are joined by a line feed.
        id: The last id that the stream gave, where it gave one.
    """

    event: str = "message"
    data: str
    id: str | None = None

    __get_pydantic_core_schema__ = with_field_types


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield the events of a stream of server-sent events, as each is complete.

    Comments and ``retry`` fields are left out. Unlike in a browser, the last event counts without an empty line behind
    it: some servers leave it out.

    Args:
        chunks: The bytes of the body, cut anywhere. Bytes that are no UTF-8 become U+FFFD.
    """
    kind, data, last_id = "", [], None
    async for line in _lines(chunks):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                data.append(value)
            case "event":
                kind = value
            case "id" if "\0" not in value:
                last_id = value
            case "" if not line:
                if data:
                    yield ServerSentEvent(event=kind or "message", data="\n".join(data), id=last_id)
                kind, data = "", []
    if data:
        yield ServerSentEvent(event=kind or "message", data="\n".join(data), id=last_id)


async def read_json_events(
    chunks: AsyncIterator[bytes], *, keys: Iterable[str]
) -> AsyncGenerator[dict[str, object], None]:
    """Yield the JSON objects of a streamed answer, as servers send them rather than as the standard has it.

    Events may be named or not, in any framing that leaves their JSON whole: without an empty line between
    them or behind the last one, pretty-printed, without any field (lines of JSON, an array). Comments, pings and events
    without data are left out; ``[DONE]`` is the end.

    Args:
        chunks: The bytes of the body, cut anywhere; they are closed at the end. Bytes that are no UTF-8 become U+FFFD.
        keys: The keys of which every event of an answer has one; an event without any that holds a sentence is an
            error.

    Raises:
        InferenceError: An error came as an event, named or not, or between the events; its kind is what its codes and
            its sentence mean. An InferenceInvalidAnswerError where the body is none of events, or an event no JSON.
    """
    lines, parser = _LineDecoder(), _JsonEvents(keys)
    try:
        async for chunk in chunks:
            for line in lines.feed(chunk):
                for value in parser.feed(line):
                    yield value
            if parser.has_ended:
                await _read_on(chunks)
                return
        for line in lines.end():
            for value in parser.feed(line):
                yield value
        for value in parser.end():
            yield value
    finally:
        await close_iterator(chunks)


async def read_json_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[object, None]:
    """Yield the JSON value of each line of a stream that is not empty.

    Args:
        chunks: The bytes of the body, cut anywhere.

    Raises:
        InferenceInvalidAnswerError: A line is no JSON; the message shows its beginning.
    """
    import json

    async for line in _lines(chunks):
        if not line.strip():
            continue
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError):
            raise _not_json(line, "A line of the answer") from None
        yield value


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    decoder = _LineDecoder()
    async for chunk in chunks:
        for line in decoder.feed(chunk):
            yield line
    for line in decoder.end():
        yield line


class _LineDecoder:
    """Cuts bytes into lines without their ends, which are CR, LF or both; without a byte order mark."""

    def __init__(self) -> None:
        self._decoder = IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)
        self._rest = ""

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that are whole now."""
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        return lines

    def end(self) -> list[str]:
        """Return the lines that are left; the last one may have no end."""
        lines = (self._rest + self._decoder.decode(b"", final=True)).split("\n")
        return lines if lines[-1] else lines[:-1]


class _JsonEvents:
    """Turns the lines of a streamed answer into its JSON objects.

    Args:
        keys: The keys of which every event of an answer has one.

    Attributes:
        has_ended: Whether ``[DONE]`` came.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        from json import loads

        self.has_ended = False
        self._loads = loads
        self._keys = frozenset(keys)
        self._name, self._data = "", list[str]()
        self._unframed = list[str]()  # lines without a field of the standard: JSON, a page, a sentence
        self._has_begun = False

    def feed(self, line: str) -> Sequence[dict[str, object]]:
        """Take a line, and return the objects that are whole now."""
        if self.has_ended:
            return ()
        if line.startswith("data:"):
            value = line[5:].strip()
            found = self._close() if self._is_next(value) else ()
            self._data.append(value)
            return found
        if not line:
            return self._close()
        name, _, value = line.partition(":")
        if name == "event":
            found = self._close()
            self._name = value.strip()
            return found
        if name == "error" and value:
            return self._objects("error", value.strip())
        return () if name in _FIELDS else self._take_unframed(line)

    def end(self) -> Sequence[dict[str, object]]:
        """Return the objects that are left; JSON that was cut off is none.

        Raises:
            InferenceError: Text came that is neither JSON nor an event, and no event after it.
        """
        from pipelex.cogt.exceptions import InferenceError

        rest = "\n".join(self._data)
        if rest.startswith(_BEGINS_JSON) and not self._is_json(rest):
            self._data = []
        found = self._close()
        text = "\n".join(self._unframed).strip()
        if text and not self._has_begun:
            raise InferenceError.from_answer(text, expected="a stream of events")
        if text and not text.startswith(_BEGINS_JSON):
            raise InferenceError.from_body(text)
        return found

    def _close(self) -> Sequence[dict[str, object]]:
        """End the event that is under way."""
        name, data = self._name, self._data
        if data:
            self._name, self._data = "", []
            return self._objects(name, data[0] if len(data) == 1 else "\n".join(data))
        if name:
            self._name = ""
        return ()

    def _is_next(self, value: str) -> bool:
        """Return whether a line of data is the beginning of another event, without an empty line before it."""
        data = self._data
        return bool(
            data and value.startswith(_BEGINS_JSON) and data[-1].endswith(_ENDS_JSON) and self._is_json("\n".join(data))
        )

    def _take_unframed(self, line: str) -> Sequence[dict[str, object]]:
        self._unframed.append(line)
        if not (line.startswith(_BEGINS_JSON + _ENDS_JSON) and line.rstrip().endswith(_ENDS_JSON)):
            return ()
        text = "\n".join(self._unframed)
        return self._objects("", text) if text.startswith(_END) or self._is_json(text) else ()

    def _is_json(self, text: str) -> bool:
        try:
            self._loads(text)
        except (ValueError, RecursionError):
            return False
        return True

    def _objects(self, name: str, data: str) -> Sequence[dict[str, object]]:
        """Return the objects of an event.

        Raises:
            InferenceError: It is an error, or no JSON.
        """
        if data.startswith(_END):
            self.has_ended = True
            return ()
        if name.lower() in _KEEP_ALIVES or data.lower() in _KEEP_ALIVES:
            return ()
        try:
            value: object = self._loads(data)
        except (ValueError, RecursionError):
            if data.startswith(_BEGINS_JSON):
                raise _not_json(data, "An event of the stream") from None
            value = data
        self._has_begun = True
        if self._unframed:
            self._unframed = []
        values = value if isinstance(value, list) else (value,)
        for one in values:
            self._refuse_error(name, one)
        return [one for one in values if isinstance(one, dict)]

    def _refuse_error(self, name: str, value: object) -> None:
        from pipelex.cogt.error_body import says_error

        if isinstance(value, dict) and name != "error" and not says_error(value) and not self._keys.isdisjoint(value):
            return
        from pipelex.cogt.exceptions import InferenceError
        from pipelex.cogt.inference.http_answers import refuse_error_event

        if name == "error":
            raise InferenceError.from_body(value)
        refuse_error_event(value)


def _not_json(text: str, what: str) -> InferenceInvalidAnswerError:
    from pipelex.cogt.exceptions import InferenceInvalidAnswerError
    from pipelex.redaction import redacted_beginning

    return InferenceInvalidAnswerError(f"{what} is no JSON: {redacted_beginning(text, _MAX_SHOWN)}")


async def _read_on(chunks: AsyncIterator[bytes]) -> None:
    """Read what comes after the end of an answer: a connection whose body was not read is not used again."""
    import asyncio

    with suppress(Exception):  # the answer is whole, whatever becomes of the connection
        async with asyncio.timeout(_LONGEST_TAIL_S):
            async for _ in chunks:
                pass
