"""The readers of server-sent events and of lines of JSON, with bodies cut at every byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

from pipelex.cogt.exceptions import InferenceInvalidAnswerError
from pipelex.cogt.inference.event_streams import ServerSentEvent, read_events, read_json_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ItemT = TypeVar("ItemT")


def collected(read: Callable[[AsyncIterator[bytes]], AsyncIterator[ItemT]], body: bytes, size: int) -> list[ItemT]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    async def items() -> list[ItemT]:
        return [item async for item in read(chunks())]

    return asyncio.run(items())


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("body", "events"),
    [
        ("data: one\n\ndata: two\n\n", [ServerSentEvent(data="one"), ServerSentEvent(data="two")]),
        ("event: delta\nid: 7\ndata: é\n\n", [ServerSentEvent(event="delta", data="é", id="7")]),
        ("data: a\ndata:b\ndata\n\n", [ServerSentEvent(data="a\nb\n")]),
        (": a comment\nretry: 10\nevent: lost\n\ndata: x\n\n", [ServerSentEvent(data="x")]),
        ("\ufeffdata: behind a byte order mark\n\n", [ServerSentEvent(data="behind a byte order mark")]),
        ("data: without an empty line at the end", [ServerSentEvent(data="without an empty line at the end")]),
        ('data:  {"a": 1}\n\n', [ServerSentEvent(data=' {"a": 1}')]),
        ("data: a\u2028b\x0cc\n\n", [ServerSentEvent(data="a\u2028b\x0cc")]),
        ("", []),
    ],
)
def test_events_are_those_of_the_standard_however_the_body_is_cut(
    body: str, events: list[ServerSentEvent], end: bytes, size: int
) -> None:
    assert events == collected(read_events, body.encode().replace(b"\n", end), size)


@pytest.mark.parametrize("size", [1, 1000])
def test_each_line_of_json_is_a_value(size: int) -> None:
    assert [{"a": "é"}, 2, None] == collected(read_json_lines, '{"a": "é"}\r\n\n2\nnull'.encode(), size)


def test_a_line_that_is_no_json_is_shown() -> None:
    with pytest.raises(InferenceInvalidAnswerError, match="no JSON: upstream is gone"):
        collected(read_json_lines, b'{"a": 1}\nupstream is gone\n', 5)
