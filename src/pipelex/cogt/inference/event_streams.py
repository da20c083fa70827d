"""Readers of the two formats in which servers stream: server-sent events and lines of JSON.

A driver whose vendor has no SDK gives them the bytes as they come (``response.aiter_bytes()`` of httpx).
Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from io import IncrementalNewlineDecoder
from typing import TYPE_CHECKING

from pipelex.field_types import with_field_types

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

__all__ = ["ServerSentEvent", "read_events", "read_json_lines"]

_MAX_SHOWN = 200


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
        except ValueError:
            from pipelex.cogt.exceptions import InferenceInvalidAnswerError
            from pipelex.redaction import redacted_beginning

            msg = f"A line of the answer is no JSON: {redacted_beginning(line, _MAX_SHOWN)}"
            raise InferenceInvalidAnswerError(msg) from None
        yield value


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """Yield the lines of a body without their ends, which are CR, LF or both; without a byte order mark."""
    decoder = IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")("replace"), translate=True)
    rest = ""
    async for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in lines:
            yield line
    *lines, rest = (rest + decoder.decode(b"", final=True)).split("\n")
    for line in lines:
        yield line
    if rest:
        yield rest
