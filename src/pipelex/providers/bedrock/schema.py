"""JSON schemas as Bedrock's structured output takes them.

https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

from __future__ import annotations

from pipelex.cogt.llm.answer_schemas import describe_keywords, has_free_keys, has_look_around, map_schema

# Constraints that Bedrock refuses. The model reads them in the description, and the base validates the answer.
_REFUSED = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
)


def for_bedrock(schema: dict[str, object]) -> dict[str, object]:
    """Return a schema in the part of JSON schema that Bedrock knows.

    Args:
        schema: The schema of the answer.

    Raises:
        ValueError: It wants an object whose keys are not known beforehand, which Bedrock cannot hold to a schema.
    """
    if has_free_keys(schema):
        msg = "objects with free keys (dict) are not known to Bedrock: use a list of key and value"
        raise ValueError(msg)
    return map_schema(schema, _fit)


def _fit(schema: dict[str, object]) -> dict[str, object]:
    kept = describe_keywords(schema, (*_REFUSED, *(("pattern",) if has_look_around(schema) else ())))
    return {**kept, "additionalProperties": False} if kept.get("type") == "object" else kept
