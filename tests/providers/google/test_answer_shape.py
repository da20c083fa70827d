"""What a stream's bytes have to be that the SDK gets as they came; everything else is read and written anew."""

from __future__ import annotations

import json

import pytest

from pipelex.providers.google.answer_shape import fitting, is_as_documented
from tests.providers.google import wire

EVENTS = b"".join(b"data: %s\n\n" % json.dumps(piece).encode() for piece in wire.pieces('Hello "text": 7'))


@pytest.mark.parametrize("events", [EVENTS, EVENTS.replace(b"\n", b"\r\n")])
def test_events_as_documented_are_not_parsed_twice(events: bytes) -> None:
    assert is_as_documented(events)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\n\n", b"\n"),
        (b"data: ", b"data:"),
        (b'"text": "Hel', b'"text": 7, "x": "'),
        (b'"index": 0', b'"index": "odd"'),
        (b'"thought": true', b'"thought": "odd"'),
        (b'"role": "model"', b'"role": null'),
        (b'"candidates": [', b'"candidates": [null, '),
        (b'"usageMetadata": {', b'"usageMetadata": [{'),
        (b'{"candidates"', b'{"error": {}, "candidates"'),
        (b'{"candidates"', b'{"detail": "boom", "candidates"'),
        (b"data: ", b": comment\ndata: "),
    ],
)
def test_anything_else_is_read_before_the_sdk_reads_it(old: bytes, new: bytes) -> None:
    assert not is_as_documented(EVENTS.replace(old, new, 1))


def test_what_is_of_another_type_is_left_out_and_the_rest_is_kept() -> None:
    odd = {"candidates": [None, {"content": {"parts": [{"text": "Hi", "thought": "odd"}], "role": 7}}], "new": 1}
    expected = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}], "new": 1}
    assert expected == fitting({**odd, "usageMetadata": 7, "modelVersion": None})
