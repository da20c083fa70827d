"""JSON schemas as Bedrock's structured output takes them.

https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

from __future__ import annotations

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
        schema: A schema as pydantic writes it.

    Raises:
        ValueError: It wants an object whose keys are not known beforehand, which Bedrock cannot hold to a schema.
    """
    if schema.get("additionalProperties"):
        msg = "objects with free keys (dict) are not known to Bedrock: use a list of key and value"
        raise ValueError(msg)
    told = [f"{name}: {schema[name]}" for name in _REFUSED if _is_constraint(schema, name)]
    kept = {name: _within(name, value) for name, value in schema.items() if not _is_constraint(schema, name)}
    if told:
        kept["description"] = f"{kept.get('description', '')} ({', '.join(told)})".strip()
    if kept.get("type") == "object":
        kept["additionalProperties"] = False
    return kept


def _is_constraint(schema: dict[str, object], name: str) -> bool:
    return name in _REFUSED and name in schema and not isinstance(schema[name], dict)


def _within(name: str, value: object) -> object:
    """Go on into what holds schemas; a property may bear the name of any keyword."""
    if name in {"properties", "$defs"} and isinstance(value, dict):
        return {key: for_bedrock(inner) for key, inner in value.items()}
    if name in {"items", "not"} and isinstance(value, dict):
        return for_bedrock(value)
    if name in {"anyOf", "oneOf", "allOf", "prefixItems"} and isinstance(value, list):
        return [for_bedrock(inner) for inner in value]
    return value
