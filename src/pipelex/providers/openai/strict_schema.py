"""JSON schemas made fit for OpenAI's strict structured output, which takes a part of the standard only.

Strict: every object lists all of its properties as required and allows no others, and the root is an object. A type
that is no object is wrapped in one; a type that strict output cannot hold (a mapping with free keys) is sent as a
plain schema, which the model follows without being held to it. The answer is validated afterwards in any case.

What is taken: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from pipelex.cogt.inference.answer_parts import bare_json

_WRAPPER = "answer"
_NAMES_OF_THE_USER = {"properties", "$defs"}
_VALUES = {"enum", "const", "examples", "required"}
_DROPPED = {"default", "title", "discriminator", "minLength", "maxLength", "uniqueItems"}  # refused, or of no use
_BEYOND = {"patternProperties", "prefixItems", "allOf", "not", "if", "dependentRequired", "propertyNames"}
_SHAPES = {"type", "anyOf", "oneOf", "$ref", "enum", "const"}  # one of them has to say what a value is
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


class AnswerSchema(NamedTuple):
    """A schema to send, and what has to be undone in the answer.

    Attributes:
        schema: The schema.
        is_strict: Whether the model can be held to it.
        is_wrapped: Whether the answer stands inside an object.
    """

    schema: dict[str, object]
    is_strict: bool
    is_wrapped: bool

    @classmethod
    def of(cls, json_schema: dict[str, object]) -> AnswerSchema:
        """Fit a schema.

        Args:
            json_schema: The schema of the answer, of any type.
        """
        is_wrapped = json_schema.get("type") != "object"
        schema = _wrapped(json_schema) if is_wrapped else json_schema
        fitted = _fit(schema)
        if fitted is None:
            return cls(schema, is_strict=False, is_wrapped=is_wrapped)
        return cls(fitted, is_strict=True, is_wrapped=is_wrapped)

    def unwrapped(self, text: str) -> str:
        """Return the answer itself; a text that is no JSON is returned as it is, to be refused later."""
        if not self.is_wrapped:
            return text
        try:
            answer = json.loads(bare_json(text))
        except ValueError:
            return text
        return json.dumps(answer[_WRAPPER]) if isinstance(answer, dict) and _WRAPPER in answer else text


def _wrapped(schema: dict[str, object]) -> dict[str, object]:
    inner: dict[str, object] = _moved(schema)
    wrapped: dict[str, object] = {"type": "object", "properties": {_WRAPPER: inner}}
    if "$defs" in inner:
        wrapped["$defs"] = inner.pop("$defs")
    return wrapped


def _moved(node: Any) -> Any:
    """Return a copy whose references, which name their places from the root, lead to the same inside the wrapper."""
    if isinstance(node, list):
        return [_moved(item) for item in node]
    if not isinstance(node, dict):
        return node
    moved = {key: value if key in _VALUES else _moved(value) for key, value in node.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and not reference.startswith("#/$defs/"):
        moved["$ref"] = f"#/properties/{_WRAPPER}{reference[1:]}"
    return moved


def _fit(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return a strict copy of a schema; ``None`` where there is none."""
    if schema.keys() & _BEYOND or not schema.keys() & _SHAPES or schema.get("additionalProperties", False) is not False:
        return None
    fitted: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _DROPPED or (key == "format" and value not in _FORMATS):
            continue
        inner = value if key in _VALUES else _fit_value(value, is_named=key in _NAMES_OF_THE_USER)
        if inner is None and value is not None:
            return None
        fitted["anyOf" if key == "oneOf" else key] = inner
    if fitted.get("type") == "object":
        fitted.setdefault("properties", {})
        fitted["required"] = list(fitted["properties"])
        fitted["additionalProperties"] = False
    return {"$ref": fitted["$ref"]} if "$ref" in fitted else fitted


def _fit_value(value: Any, *, is_named: bool) -> Any:
    """Fit whatever stands under a key; under some keys stand names of the user's, and schemas below them."""
    if isinstance(value, list):
        items = [_fit_value(item, is_named=False) for item in value]
        return None if any(item is None for item in items) else items
    if not isinstance(value, dict):
        return value
    if not is_named:
        return _fit(value)
    named = {name: _fit_value(item, is_named=False) for name, item in value.items()}
    return None if any(item is None for item in named.values()) else named
