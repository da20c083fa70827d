"""Schemas of structured answers: what is a schema in them, and what only looks like one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.llm.answer_schemas import (
    RootObject,
    describe_keywords,
    has_free_keys,
    has_look_around,
    map_schema,
    schemas_in,
)
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, PartDone, ReasoningDelta, TextDelta, TextPart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.llm.llm_job import LLMEvent

KEYWORDS = ("additionalProperties", "properties", "$ref", "items", "pattern", "anyOf", "$defs", "minimum")
NAMED: dict[str, object] = {"type": "object", "properties": {name: {"type": "string"} for name in KEYWORDS}}


def test_properties_with_the_names_of_keywords_are_properties() -> None:
    assert 1 + len(KEYWORDS) == len(list(schemas_in(NAMED)))
    assert not has_free_keys(NAMED)
    assert NAMED == map_schema(NAMED, lambda schema: schema)
    numbered = map_schema(NAMED, lambda schema: {**schema, "title": "x"})
    assert set(KEYWORDS) == set(numbered["properties"])  # type: ignore[call-overload]  # a table of schemas
    assert "title" not in json.dumps(NAMED)


@pytest.mark.parametrize("key", ["const", "default", "examples", "enum"])
def test_a_value_that_looks_like_a_schema_is_none(key: str) -> None:
    value: Any = {"additionalProperties": True, "type": "object"}
    schema: dict[str, object] = {"type": "object", key: [value] if key in ("examples", "enum") else value}
    assert [schema] == list(schemas_in(schema))
    assert not has_free_keys(schema)


@pytest.mark.parametrize(
    "outer",
    [
        *(
            {"type": "object", key: {"a": {"n": 1}}}
            for key in ("properties", "$defs", "definitions", "dependentSchemas")
        ),
        *({key: {"n": 1}} for key in ("items", "not", "if", "contains", "additionalProperties", "propertyNames")),
        *({key: [{"n": 1}]} for key in ("anyOf", "oneOf", "allOf", "prefixItems", "items")),
    ],
)
def test_every_place_of_a_schema_is_reached(outer: dict[str, object]) -> None:
    assert {"n": 1} in list(schemas_in(outer))
    assert '{"n": 2}' in json.dumps(map_schema(outer, lambda schema: {**schema, "n": 2} if "n" in schema else schema))


def test_free_keys_are_found_wherever_they_are() -> None:
    assert has_free_keys({"anyOf": [{"type": "array", "items": {"additionalProperties": {"type": "string"}}}]})
    assert not has_free_keys({"type": "object", "additionalProperties": False})


@pytest.mark.parametrize(
    ("pattern", "expected"), [("(?=a)b", True), ("(?!a)", True), ("(?<=a)", True), ("(?<!a)", True), ("(?:a)+$", False)]
)
def test_a_look_around_is_known(pattern: str, *, expected: bool) -> None:
    assert has_look_around({"type": "string", "pattern": pattern}) is expected


def test_what_a_vendor_does_not_take_is_described() -> None:
    schema: dict[str, object] = {"type": "integer", "minimum": 1, "description": "Age"}
    assert {"type": "integer", "description": "Age (minimum: 1)"} == describe_keywords(schema, ("minimum", "maximum"))
    assert {"type": "integer"} == describe_keywords({"type": "integer"}, ("minimum",))


def test_a_root_that_is_no_object_is_wrapped_and_unwrapped() -> None:
    root = RootObject.of({"$defs": {"Tree": {"type": "object"}}, "$ref": "#/$defs/Tree"})
    assert root.is_wrapped
    assert {"answer": {"$ref": "#/$defs/Tree"}} == root.schema["properties"]
    assert {"Tree": {"type": "object"}} == root.schema["$defs"]
    assert "[1]" == root.unwrapped('{"answer": [1]}')
    assert "no JSON" == root.unwrapped("no JSON")
    assert not RootObject.of(NAMED).is_wrapped


WRAPPED = {
    '{"answer": [1, {"a": "}"}]}': '[1, {"a": "}"}]',
    ' { "answer" : "b}}" }\n': '"b}}"',
    '```json\n{"answer": 12}\n```': "12",
    '{"answer": [{"a": 1}': '[{"a": 1}',
    'Here it is: {"answer": [1]}': "[1]",
    "no JSON": "no JSON",
}


@pytest.mark.parametrize("text", WRAPPED)
@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_streamed_answer_is_unwrapped_piece_by_piece_to_the_same_text(text: str, size: int) -> None:
    root = RootObject.of({"type": "array"})
    assert WRAPPED[text] == root.unwrapped(text)

    async def pieces() -> AsyncIterator[LLMEvent]:
        yield ReasoningDelta(text='{"answer": hm}')
        for start in range(0, len(text), size):
            yield TextDelta(text=text[start : start + size])
        yield PartDone(part=TextPart(text=text, opaque="SIGNED"))
        yield AnswerDone(answer=LLMAnswer())

    async def unwrapped() -> list[LLMEvent]:
        return [event async for event in root.unwrapped_events(pieces())]

    thought, *deltas, done, _ = asyncio.run(unwrapped())
    assert ReasoningDelta(text='{"answer": hm}') == thought
    assert WRAPPED[text] == "".join(event.text for event in deltas if isinstance(event, TextDelta))
    assert PartDone(part=TextPart(text=WRAPPED[text], opaque="SIGNED")) == done


def test_the_answer_in_a_wrapper_comes_before_the_wrapper_is_closed() -> None:
    async def pieces() -> AsyncIterator[LLMEvent]:
        for piece in ('{"ans', 'wer": [', "1", "2, 3"):
            yield TextDelta(text=piece)

    async def given() -> list[LLMEvent]:
        return [event async for event in RootObject.of({"type": "array"}).unwrapped_events(pieces())]

    assert [TextDelta(text="["), TextDelta(text="1"), TextDelta(text="2, 3")] == asyncio.run(given())
