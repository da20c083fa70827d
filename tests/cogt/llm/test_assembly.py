"""How the events of a driver become parts: the messy ways in which vendors send tool calls in pieces, among others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.llm.assembly import Assembler
from pipelex.cogt.llm.llm_job import (
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
)

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent

Given = TextDelta | ReasoningDelta | ToolCallDelta | PartDone


def assembled(*events: Given) -> tuple[list[LLMEvent], list[AssistantPart]]:
    """Return what the caller gets to see, and the parts."""
    assembler = Assembler()
    shown = [given for event in events for given in assembler.add(event)]
    shown += assembler.close()
    return shown, assembler.parts


def piece(
    arguments: str = "", slot: int | None = None, id: str | None = None, name: str | None = None
) -> ToolCallDelta:
    return ToolCallDelta(arguments=arguments, slot=slot, id=id, name=name)


PIECES: dict[str, tuple[list[ToolCallDelta], list[tuple[str, str]]]] = {
    "one slot each": (
        [piece("", 0, "a", "f"), piece("", 1, "b", "g"), piece('{"x":', 0), piece("{}", 1), piece("1}", 0)],
        [("f", '{"x":1}'), ("g", "{}")],
    ),
    "no slot": (
        [piece('{"x":1}', None, "a", "f"), piece('{"y":', None, "b", "g"), piece("2}")],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "all in slot 0": (
        [piece('{"x":', 0, "a", "f"), piece("1}", 0), piece("", 0, "b", "g"), piece("{}", 0)],
        [("f", '{"x":1}'), ("g", "{}")],
    ),
    "empty id and name in every later piece": (
        [piece("{", 0, "a", "f"), piece('"x":1}', 0, "", "")],
        [("f", '{"x":1}')],
    ),
    "head in slot 0, tail in slot 1": (
        [piece('{"x":1}', 0, "a", "f"), piece('{"y":', 0, "b", "g"), piece("2}", 1)],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "arguments in the first piece": ([piece('{"x":1}', 0, "a", "f")], [("f", '{"x":1}')]),
    "no ids": ([piece("{}", 0, None, "f"), piece("{}", 1, None, "g")], [("f", "{}"), ("g", "{}")]),
    "the id 'null'": ([piece("{}", None, "null", "f"), piece("{}", None, "null", "g")], [("f", "{}"), ("g", "{}")]),
    "one id for two slots": (
        [piece('{"x":', 0, "a", "f"), piece('{"y":', 1, "a", "g"), piece("1}", 0), piece("2}", 1)],
        [("f", '{"x":1}'), ("g", '{"y":2}')],
    ),
    "one id for two whole calls": (
        [piece('{"x":1}', None, "a", "f"), piece('{"y":2}', None, "a", "f")],
        [("f", '{"x":1}'), ("f", '{"y":2}')],
    ),
    "id and name in every piece": (
        [piece('{"x":', None, "a", "f"), piece("1}", None, "a", "f")],
        [("f", '{"x":1}')],
    ),
    "an id that comes late": ([piece("{", 0, None, "f"), piece("}", 0, "a")], [("f", "{}")]),
    "no arguments": ([piece("", 0, "a", "f")], [("f", "{}")]),
}


@pytest.mark.parametrize("kind", PIECES)
def test_the_pieces_of_tool_calls_find_their_call(kind: str) -> None:
    pieces, expected = PIECES[kind]
    shown, parts = assembled(*pieces)
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    assert expected == [(call.name, call.arguments) for call in calls]
    assert len({call.id for call in calls}) == len(calls)
    assert all(call.id not in {"", "null"} for call in calls)
    slots = [event.slot for event in shown if isinstance(event, ToolCallDelta)]
    assert set(range(len(calls))) == set(slots)


def test_an_id_that_was_given_stays() -> None:
    _, parts = assembled(piece("{}", 0, "call_1", "f"))
    assert [ToolCallPart(id="call_1", name="f", arguments="{}")] == parts


def test_a_whole_call_takes_the_place_of_its_pieces() -> None:
    whole = ToolCallPart(id="a", name="f", arguments="{}", opaque="S")
    _, parts = assembled(piece("{}", 0, "a", "f"), PartDone(part=whole))
    assert [whole] == parts


def test_a_whole_part_completes_the_pieces_before_it() -> None:
    shown, parts = assembled(
        ReasoningDelta(text="a"),
        ReasoningDelta(text="b"),
        PartDone(part=ReasoningPart(opaque="SIGNED")),
        TextDelta(text="t"),
        PartDone(part=TextPart(text="", opaque="G")),
    )
    assert [ReasoningPart(text="ab", opaque="SIGNED"), TextPart(text="t", opaque="G")] == parts
    assert parts == [event.part for event in shown if isinstance(event, PartDone)]


@pytest.mark.parametrize(
    "events",
    [
        (PartDone(part=TextPart(text="whole")),),
        (TextDelta(text="who"), PartDone(part=TextPart(text="whole"))),
        (TextDelta(text="who"), TextDelta(text="le"), PartDone(part=TextPart(text="whole"))),
        (TextDelta(text=""), TextDelta(text="whole")),
    ],
)
def test_the_pieces_of_a_text_add_up_to_it(events: tuple[Given, ...]) -> None:
    shown, parts = assembled(*events)
    assert "whole" == "".join(event.text for event in shown if isinstance(event, TextDelta))
    assert [TextPart(text="whole")] == parts


def test_parts_keep_their_order() -> None:
    _, parts = assembled(
        TextDelta(text="x"), PartDone(part=ReasoningPart(opaque="E")), TextDelta(text="y"), piece("{}", 0, "a", "f")
    )
    assert ["text", "reasoning", "text", "tool_call"] == [part.kind for part in parts]


def test_what_broke_off_has_no_half_call_and_no_half_thought() -> None:
    assembler = Assembler()
    for event in (TextDelta(text="a"), piece("{", 0, "a", "f")):
        list(assembler.add(event))
    assert (TextPart(text="a"),) == assembler.so_far()
    assembler = Assembler()
    list(assembler.add(ReasoningDelta(text="hm")))
    assert () == assembler.so_far()
