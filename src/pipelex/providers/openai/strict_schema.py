"""JSON schemas made fit for OpenAI's strict structured output, which takes a part of the standard only.

Strict: every object lists all of its properties as required and allows no others, and the root is an object. A type
that is no object is wrapped in one; a type that strict output cannot hold (a mapping with free keys) is sent as a
plain schema, which the model follows without being held to it. The answer is validated afterwards in any case.

What is taken: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from __future__ import annotations

from typing import NamedTuple

from pipelex.cogt.llm.answer_schemas import RootObject, describe_keywords, has_look_around, map_schema, schemas_in

_DROPPED = {"default", "title", "discriminator"}  # refused, and of no use to the model
_DESCRIBED = ("minLength", "maxLength", "uniqueItems")  # refused, and the model should know
_BEYOND = {"patternProperties", "prefixItems", "allOf", "not", "if", "dependentRequired", "propertyNames"}
_SHAPES = {"type", "anyOf", "oneOf", "$ref", "enum", "const"}  # one of them has to say what a value is
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_DEFINITIONS = "#/$defs/"


class AnswerSchema(NamedTuple):
    """A schema to send, and what has to be undone in the answer.

    Attributes:
        schema: The schema.
        is_strict: Whether the model can be held to it.
        root: What was done to its root.
    """

    schema: dict[str, object]
    is_strict: bool
    root: RootObject

    @classmethod
    def of(cls, json_schema: dict[str, object]) -> AnswerSchema:
        """Fit a schema.

        Args:
            json_schema: The schema of the answer, of any type.
        """
        root = RootObject.of(json_schema)
        if any(map(_is_beyond, schemas_in(root.schema))):
            return cls(root.schema, is_strict=False, root=root)
        return cls(map_schema(_inlined(root.schema), _fit), is_strict=True, root=root)


def _is_beyond(schema: dict[str, object]) -> bool:
    """Tell whether strict output cannot hold a schema."""
    is_open = schema.get("additionalProperties", False) is not False
    return bool(schema.keys() & _BEYOND) or not schema.keys() & _SHAPES or is_open


def _inlined(root: dict[str, object]) -> dict[str, object]:
    """Put the definition in the place of each reference with a description, for a reference may have nothing beside it.

    In what was put there, references stay: a type may refer to itself.
    """
    definitions = root.get("$defs")

    def inline(schema: dict[str, object]) -> dict[str, object]:
        reference = str(schema.get("$ref", ""))
        named = definitions.get(reference.removeprefix(_DEFINITIONS)) if isinstance(definitions, dict) else None
        if "description" not in schema or not reference.startswith(_DEFINITIONS) or not isinstance(named, dict):
            return schema
        return {**named, **{key: value for key, value in schema.items() if key != "$ref"}}

    return map_schema(root, inline)


def _fit(schema: dict[str, object]) -> dict[str, object]:
    """Return a schema as strict output takes it; those inside of it are fit already."""
    if "$ref" in schema:
        return {key: schema[key] for key in ("$ref", "$defs") if key in schema}
    look_around = ("pattern",) if has_look_around(schema) else ()
    fitted = describe_keywords(schema, (*_DESCRIBED, *look_around))
    fitted = {"anyOf" if key == "oneOf" else key: value for key, value in fitted.items() if key not in _DROPPED}
    if fitted.get("format", "date") not in _FORMATS:
        del fitted["format"]
    if fitted.get("type") == "object":
        properties = fitted.setdefault("properties", {})
        fitted["required"] = list(properties) if isinstance(properties, dict) else []
        fitted["additionalProperties"] = False
    return fitted
