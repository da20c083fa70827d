"""Schemas as OpenAI's strict mode takes them, made of what pydantic says of real types."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from pipelex.providers.openai.strict_schema import AnswerSchema


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(default=9, ge=0)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: Annotated[str, Field(min_length=1, max_length=30)]


class Home(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    address: str | None = None
    title: str = "home"


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


@dataclass
class Free:
    scores: dict[str, int] = field(default_factory=dict)


class Loose(BaseModel):
    anything: object


def fitted(kind: object) -> AnswerSchema:
    adapter: TypeAdapter[object] = TypeAdapter(kind)  # type: ignore[arg-type]  # any type, seen as an object
    return AnswerSchema.of(adapter.json_schema())


def objects_in(schema: object) -> list[dict[str, object]]:
    """Return every object schema, wherever it stands."""
    if isinstance(schema, list):
        return [found for item in schema for found in objects_in(item)]
    if not isinstance(schema, dict):
        return []
    inner = [found for value in schema.values() for found in objects_in(value)]
    return [schema, *inner] if schema.get("type") == "object" and isinstance(schema.get("properties"), dict) else inner


@pytest.mark.parametrize("kind", [Home, Tree, Cat, list[Cat], int, str, Cat | None, tuple[int, ...], Literal["a", "b"]])
def test_every_object_lists_all_of_its_properties_and_allows_no_others(kind: object) -> None:
    answer = fitted(kind)
    found = objects_in(answer.schema)
    assert found
    assert answer.is_strict
    for schema in found:
        properties = schema["properties"]
        assert isinstance(properties, dict)
        assert (list(properties), False) == (schema["required"], schema["additionalProperties"])


@pytest.mark.parametrize("word", ['"default"', '"discriminator"', '"oneOf"', '"maxLength"'])
def test_words_that_strict_mode_refuses_are_left_out(word: str) -> None:
    assert word not in json.dumps(fitted(Home).schema)


def test_a_property_may_be_called_like_a_word_that_is_left_out() -> None:
    properties = fitted(Home).schema["properties"]
    assert isinstance(properties, dict)
    assert {"pet", "address", "title"} == properties.keys()


@pytest.mark.parametrize("kind", [Free, dict[str, int], Loose, tuple[int, str]])
def test_a_type_that_strict_mode_cannot_hold_is_sent_as_it_is(kind: object) -> None:
    assert not fitted(kind).is_strict


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Cat, '{"kind": "cat"}', '{"kind": "cat"}'),
        (list[int], '{"answer": [1]}', "[1]"),
        (int, '{"answer": 3}', "3"),
        (int, "no JSON", "no JSON"),
        (int, "3", "3"),
        (Tree, '{"answer": {"value": 1, "children": []}}', '{"value": 1, "children": []}'),
    ],
)
def test_what_was_wrapped_is_unwrapped(kind: object, text: str, expected: str) -> None:
    assert expected == fitted(kind).root.unwrapped(text)


def test_a_recursive_type_refers_to_itself_from_the_root() -> None:
    schema = fitted(Tree).schema
    assert {"answer": {"$ref": "#/$defs/Tree"}} == schema["properties"]
    assert isinstance(schema["$defs"], dict)
    assert "Tree" in schema["$defs"]


def test_a_reference_to_the_root_leads_to_the_same_inside_the_wrapper() -> None:
    nested: dict[str, object] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]}
    answer = AnswerSchema.of(nested)
    assert answer.root.is_wrapped
    assert '"$ref": "#/properties/answer"' in json.dumps(answer.schema)
    assert {"$ref": "#"} == nested["anyOf"][1]["items"]  # type: ignore[index]  # plain JSON, as it was
