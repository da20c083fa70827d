from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.cli.json_schema import problems_of, read_schema, unverified_keywords
from pipelex.exceptions import ConfigurationError
from pipelex.redaction import keep_secret

if TYPE_CHECKING:
    from pathlib import Path

DRAFT_7 = "http://json-schema.org/draft-07/schema#"

CASES = [
    # schema, what fits, what does not
    ({"type": "integer"}, 1.0, True),
    ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", "b"]),
    ({"$schema": DRAFT_7, "items": [{"type": "string"}], "additionalItems": False}, ["a"], [1]),
    ({"uniqueItems": True}, [[1], [True]], [[1], [1]]),
    ({"enum": [[1]]}, [1], [True]),
    ({"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": False}, {"a": ""}, {"b": 1}),
    ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"c": 1}, {"a": 1}),
    ({"contains": {"type": "string"}}, [1, "a"], [1]),
    ({"dependentRequired": {"a": ["b"]}}, {"b": 1}, {"a": 1}),
    ({"format": "date"}, "2026-02-28", "2026-02-30"),
    ({"$ref": "#name", "$defs": {"x": {"$anchor": "name", "type": "string"}}}, "a", 1),
    ({"properties": {"next": {"$ref": "#"}}, "type": "object"}, {"next": {"next": {}}}, {"next": {"next": 1}}),
    pytest.param({"multipleOf": 0.5}, 1.5, 10**5000, id="beyond a float"),
    pytest.param({"maximum": 2}, 1.5, 10**5000, id="beyond what Python prints"),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES)
def test_a_keyword_takes_what_fits_and_refuses_what_does_not(
    schema: dict[str, object], good: object, bad: object
) -> None:
    assert [] == problems_of(good, schema)
    assert problems_of(bad, schema)


def test_a_problem_names_its_place() -> None:
    schema: dict[str, object] = {"properties": {"a": {"items": {"properties": {"b": {"type": "string"}}}}}}
    assert ["$.a[1].b: 1 is not of type 'string'"] == problems_of({"a": [{}, {"b": 1}]}, schema)


def test_problems_are_few_and_short() -> None:
    found = problems_of(["x" * 1000] * 1000, {"items": {"type": "integer"}})
    assert (5, True) == (len(found), all(len(problem) < 250 for problem in found))


def test_a_secret_in_a_problem_is_masked_before_it_is_shortened() -> None:
    secret = "sk-0123456789-canary-of-a-schema"
    keep_secret(secret)
    for length in range(70, 110):
        assert not any(
            "012345" in problem for problem in problems_of("x" * length + secret + "y" * 300, {"type": "null"})
        )


def test_the_order_of_problems_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from pipelex.cli.json_schema import problems_of\n"
        "wrong = {name: 1 for name in 'fedcba'}\n"
        "known = {name: {'type': 'string'} for name in 'ab'}\n"
        "for closing in ('additionalProperties', 'unevaluatedProperties'):\n"
        "    for rest in (False, {'type': 'null'}):\n"
        "        print(problems_of(wrong, {'properties': known, closing: rest, 'required': list('zyx')}))"
    )
    printed = {
        subprocess.check_output([sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in "123"
    }
    assert len(printed) == 1


def test_keywords_are_unverified_wherever_references_lead() -> None:
    schema = {"properties": {"a": {"$ref": "#/apart"}}, "apart": {"odd": 1}, "const": {"even": 1}}
    assert ["apart", "odd"] == unverified_keywords(schema)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "which is an object"),
        ('{"properties": 3}', r"\$\.properties: it is no JSON Schema"),
        ('{"items": [{"type": "string"}]}', "'\\$schema' names its draft"),
        ('{"pattern": "("}', "is not a 'regex'"),
        ('{"title": "\\ud800"}', "half of a character"),
        pytest.param('{"maximum": %s}' % ("9" * 5000), "number that is too large", id="5000 digits"),
        ('{"maximum": 1e400}', "number that is too large"),
        ('{"maximum": NaN}', "number that is too large, or none"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep text"),
        pytest.param('{"not":' * 300 + "{}" + "}" * 300, "nested too deeply", id="deep schema"),
        ('{"$schema": 3}', "expected addresses"),
        ('{"$schema": "http://["}', "expected addresses"),
        ('{"$schema": "http://json-schema.org/draft-03/schema#", "type": "odd"}', "'odd' is no type"),
        ('{"$ref": "#/$defs/x"}', "'#/\\$defs/x' leads to nothing in this file"),
        ('{"$ref": "https://x.test/s.json"}', "leads to nothing in this file"),
        ('{"$ref": "#/x", "x": {"type": 3}}', r"\$\.type: it is no JSON Schema"),
        ('{"$ref": "#"}', "leads back to itself"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        read_schema(file)


def test_definitions_of_older_drafts_are_named_as_drivers_know_them(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    person = {"properties": {"definitions": {"const": {"$ref": "#/definitions/data"}}}}
    file.write_text(json.dumps({"$schema": DRAFT_7, "$ref": "#/definitions/p", "definitions": {"p": person}}))
    schema = read_schema(file)
    assert {"$schema": DRAFT_7, "$ref": "#/$defs/p", "$defs": {"p": person}} == schema
    assert problems_of({"definitions": 1}, schema)


def test_a_missing_schema_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it cannot be read"):
        read_schema(tmp_path / "nope.json")
