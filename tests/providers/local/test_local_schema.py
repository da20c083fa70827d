"""The schemas that llama.cpp gets."""

from __future__ import annotations

from typing import Any

import pytest

from pipelex.providers.local.schema import MAX_ITEMS, MAX_STRING, for_grammar


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "string", "maxLength": MAX_STRING}),
        ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 5}),
        ({"type": "string", "minLength": 600}, {"type": "string", "minLength": 600, "maxLength": 600}),
        ({"type": "string", "minLength": 5000}, {"type": "string", "maxLength": 5000}),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"type": "array", "items": {}}, {"type": "array", "items": {}, "maxItems": MAX_ITEMS}),
        ({"type": "array", "minItems": 50}, {"type": "array", "minItems": 50, "maxItems": 50}),
        ({"type": "array", "prefixItems": [{}]}, {"type": "array", "prefixItems": [{}]}),
        ({"type": "string", "pattern": "^[a-z]{3}$"}, {"type": "string", "pattern": "^[a-z]{3}$"}),
        ({"type": "string", "pattern": r"^\d{3}$"}, {"type": "string", "pattern": "^[0-9]{3}$"}),
        ({"type": "string", "pattern": "(?<=x)y"}, {"type": "string", "maxLength": MAX_STRING}),
        ({"type": "integer"}, {"type": "integer"}),
    ],
)
def test_every_string_and_list_has_an_end(schema: dict[str, object], expected: dict[str, object]) -> None:
    assert expected == for_grammar(schema)


def test_bounds_reach_every_corner_of_a_schema() -> None:
    text: dict[str, Any] = {"type": "string"}
    bounded = {"type": "string", "maxLength": MAX_STRING}
    schema: dict[str, Any] = {
        "$defs": {"type": text},
        "properties": {"pattern": text, "b": {"anyOf": [text, {"type": "null"}]}},
        "additionalProperties": text,
    }
    assert for_grammar(schema) == {
        "$defs": {"type": bounded},
        "properties": {"pattern": bounded, "b": {"anyOf": [bounded, {"type": "null"}]}},
        "additionalProperties": bounded,
    }
    assert schema["additionalProperties"] == {"type": "string"}


def test_names_and_values_of_the_user_are_not_taken_for_keywords() -> None:
    schema: dict[str, object] = {
        "const": {"type": "string"},
        "enum": [{"type": "array"}],
        "default": {"type": "string"},
    }
    assert schema == for_grammar(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 2, "maxLength": 1},
        {"properties": {"a": {"type": "array", "minItems": 2, "maxItems": 1}}},
    ],
)
def test_bounds_that_exclude_each_other_are_refused(schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="nothing fits"):
        for_grammar(schema)
