from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cli.json_schema import problems_of, read_schema
from pipelex.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

CASES: list[tuple[dict[str, object], object, object]] = [
    # schema, what fits, what does not
    ({"type": "integer"}, 1.0, 1.5),
    ({"type": "integer"}, 3, True),
    ({"type": "number"}, 1, "1"),
    ({"type": ["string", "null"]}, None, 0),
    ({"type": "boolean"}, False, 0),
    ({"type": "array", "items": {"type": "string"}}, ["a"], ["a", 1]),
    ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", "b"]),
    ({"minItems": 1, "maxItems": 2}, [1], []),
    ({"uniqueItems": True}, [1, True], [1, 1]),
    ({"enum": ["a", 1]}, "a", True),
    ({"const": 1}, 1, True),
    ({"required": ["a"]}, {"a": 1}, {}),
    ({"properties": {"a": {"type": "string"}}}, {"b": 1}, {"a": 1}),
    ({"properties": {"a": True}, "additionalProperties": False}, {"a": 1}, {"b": 1}),
    ({"additionalProperties": {"type": "string"}}, {"b": "x"}, {"b": 1}),
    ({"minProperties": 1}, {"a": 1}, {}),
    ({"minLength": 2, "maxLength": 3}, "ab", "a"),
    ({"pattern": "^a+$"}, "aa", "ab"),
    ({"minimum": 1, "maximum": 2}, 1, 3),
    ({"exclusiveMinimum": 1}, 1.1, 1),
    ({"exclusiveMaximum": 1}, 0, 1),
    ({"multipleOf": 0.5}, 1.5, 1.4),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, 1),
    ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, 1, 3),
    ({"allOf": [{"type": "integer"}, {"minimum": 2}]}, 3, 1),
    ({"not": {"type": "string"}}, 1, "x"),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES)
def test_a_keyword_takes_what_fits_and_refuses_what_does_not(
    schema: dict[str, object], good: object, bad: object
) -> None:
    assert [] == list(problems_of(good, schema))
    assert list(problems_of(bad, schema))


def test_a_problem_names_its_place() -> None:
    schema = {"properties": {"a": {"items": {"properties": {"b": {"type": "string"}}}}}}
    assert ["a[1].b: expected string, got integer"] == list(problems_of({"a": [{}, {"b": 1}]}, schema))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "which is an object"),
        ('{"$ref": "#/$defs/x"}', "leads nowhere"),
        ('{"$ref": "https://x.test/s.json"}', "leads out of the file"),
        ('{"properties": {"next": {"$ref": "#"}}}', "leads back to itself"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        read_schema(file)


def test_a_missing_schema_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it cannot be read"):
        read_schema(tmp_path / "nope.json")
