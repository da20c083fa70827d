"""A file behind an address comes whole or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.inference.media import MediaReadError, MediaSource
from tests.providers.replay import Replay, answer, raw, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.testing.loopback import HttpReply

FILE = raw(b"0123456789", content_type="image/png")
IN_PIECES = type(FILE)(headers={"Content-Type": "image/png"}, pieces=(b"01234", b"56789"))


@pytest.fixture
def replay() -> Iterator[Replay]:
    with Replay() as server:
        yield server


def fetch(replay: Replay, reply: HttpReply, *, max_bytes: int = 10) -> MediaSource:
    replay.on("GET /file", reply)
    return asyncio.run(MediaSource(url=f"{replay.url}/file?signature=abc").fetched(max_bytes=max_bytes))


@pytest.mark.parametrize("reply", [FILE, IN_PIECES], ids=["length", "chunked"])
def test_a_file_comes_with_its_type(replay: Replay, reply: HttpReply) -> None:
    assert MediaSource(data=b"0123456789", mime_type="image/png") == fetch(replay, reply)


@pytest.mark.parametrize(
    "reply",
    [truncated(FILE), truncated(IN_PIECES), answer({}, status=404)],
    ids=["length", "chunked", "missing"],
)
def test_a_file_that_does_not_come_whole_is_refused_and_its_address_not_told(replay: Replay, reply: HttpReply) -> None:
    with pytest.raises(MediaReadError, match="cannot be read") as caught:
        fetch(replay, reply)
    assert "signature" not in str(caught.value)


@pytest.mark.parametrize("reply", [FILE, IN_PIECES], ids=["length", "chunked"])
def test_a_file_that_is_too_large_is_refused(replay: Replay, reply: HttpReply) -> None:
    with pytest.raises(MediaReadError, match="more than the 9 bytes"):
        fetch(replay, reply, max_bytes=9)
