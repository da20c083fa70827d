"""``--schema FILE``: an answer type made of a JSON Schema file, for the calls that return an object.

The worker sends the schema to the model and validates the answer by its type; the type made here checks the
answer against the schema. It knows the keywords that structured output is made of, and says which ones of a file
it does not verify. References inside the file are put in place of themselves; a recursive schema is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from pipelex.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

    Schema = Mapping[str, object]
    Check = Callable[[object, object, Schema, str], Iterator[str]]

_ANNOTATIONS = frozenset(["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"])
_STRUCTURE = frozenset(["$comment", "$schema", "$id", "$defs", "definitions"])


class SchemaAnswer:
    """An answer that fits the JSON Schema of its class; made by :func:`answer_type`.

    Args:
        value: The answer as plain data.
    """

    json_schema: ClassVar[dict[str, object]] = {}

    def __init__(self, value: object) -> None:
        self.value = value

    @classmethod
    def _checked(cls, value: object) -> SchemaAnswer:
        from pydantic_core import PydanticCustomError

        problems = list(problems_of(value, cls.json_schema))
        if problems:
            raise PydanticCustomError("json_schema", "{problems}", {"problems": "; ".join(problems[:5])})
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Tell pydantic to accept any data and then to check it."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(cls._checked, core_schema.any_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        """Tell pydantic that the schema of this type is the file's."""
        return dict(cls.json_schema)


def answer_type(schema: dict[str, object]) -> type[SchemaAnswer]:
    """Make the type of the answers that fit a schema."""
    return type("SchemaAnswer", (SchemaAnswer,), {"json_schema": schema})


def read_schema(path: Path) -> dict[str, object]:
    """Read a JSON Schema file and put its references in place.

    Raises:
        ConfigurationError: It cannot be read, is not JSON, or holds a reference that leads nowhere, out of the
            file, or back to itself.
    """
    import json

    try:
        schema = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise ConfigurationError(file=str(path), reason=f"it cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(file=str(path), reason="it is not UTF-8 text") from exc
    except json.JSONDecodeError as exc:
        reason = f"it is not JSON: {exc.msg} (column {exc.colno})"
        raise ConfigurationError(file=str(path), line=exc.lineno, reason=reason) from exc
    except RecursionError as exc:
        raise ConfigurationError(file=str(path), reason="it is nested too deeply") from exc
    if not isinstance(schema, dict):
        raise ConfigurationError(file=str(path), reason="expected a JSON Schema, which is an object")
    resolved = _resolve(schema, schema, (), path)
    assert isinstance(resolved, dict)
    return {key: value for key, value in resolved.items() if key not in {"$defs", "definitions"}}


def unverified_keywords(schema: object) -> list[str]:
    """Return the keywords of a schema that the answer is not checked against, sorted."""
    return sorted(set(_unverified(schema)))


def problems_of(value: object, schema: object, where: str = "") -> Iterator[str]:
    """Yield what is wrong with a value, each as ``place: what was expected``."""
    if isinstance(schema, bool):
        if not schema:
            yield _problem(where, "nothing may stand here")
        return
    if not isinstance(schema, dict):
        return
    for keyword, argument in schema.items():
        check = _CHECKS.get(keyword)
        if check is not None:
            yield from check(value, argument, schema, where)


def _problem(where: str, what: str) -> str:
    return f"{where}: {what}" if where else what


def _resolve(node: object, root: object, open_references: tuple[str, ...], path: Path) -> object:
    """Return a schema with every ``$ref`` replaced by what it refers to."""
    if isinstance(node, list):
        return [_resolve(item, root, open_references, path) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if not isinstance(reference, str):
        skipped = {"$defs", "definitions"}
        return {k: v if k in skipped else _resolve(v, root, open_references, path) for k, v in node.items()}
    if reference in open_references:
        raise ConfigurationError(file=str(path), key="$ref", reason=f"'{reference}' leads back to itself")
    target = _resolve(_follow(reference, root, path), root, (*open_references, reference), path)
    beside = {key: value for key, value in node.items() if key != "$ref"}
    rest = _resolve(beside, root, open_references, path)
    return {**target, **rest} if isinstance(target, dict) and isinstance(rest, dict) else target


def _follow(reference: str, root: object, path: Path) -> object:
    found = root
    if not reference.startswith("#"):
        raise ConfigurationError(file=str(path), key="$ref", reason=f"'{reference}' leads out of the file")
    for part in filter(None, reference[1:].split("/")):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise ConfigurationError(file=str(path), key="$ref", reason=f"'{reference}' leads nowhere")
        found = found[key]
    return found


def _unverified(schema: object) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for keyword, argument in schema.items():
        if keyword not in _ANNOTATIONS | _STRUCTURE | _CHECKS.keys():
            yield keyword
        if keyword in {"properties", "patternProperties"} and isinstance(argument, dict):
            for child in argument.values():
                yield from _unverified(child)
        elif keyword in {"anyOf", "oneOf", "allOf", "prefixItems"} and isinstance(argument, list):
            for child in argument:
                yield from _unverified(child)
        elif keyword in {"items", "additionalProperties", "not"}:
            yield from _unverified(argument)


_TYPE_NAMES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"))


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "object")


def _number(value: object) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _same(left: object, right: object) -> bool:
    """Compare as JSON does: ``true`` is not ``1``."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _check_type(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    wanted = argument if isinstance(argument, list) else [argument]
    got = _type_name(value)
    if got not in wanted and not (got == "integer" and "number" in wanted):
        yield _problem(where, f"expected {' or '.join(map(str, wanted))}, got {got}")


def _check_enum(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if isinstance(argument, list) and not any(_same(value, choice) for choice in argument):
        yield _problem(where, f"expected one of {argument}")


def _check_const(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if not _same(value, argument):
        yield _problem(where, f"expected {argument!r}")


def _check_properties(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(argument, dict):
        for name in argument.keys() & value.keys():
            yield from problems_of(value[name], argument[name], f"{where}.{name}" if where else name)


def _check_required(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(argument, list):
        yield from (_problem(where, f"'{name}' is missing") for name in argument if name not in value)


def _check_additional(value: object, argument: object, schema: Schema, where: str) -> Iterator[str]:
    properties, patterns = schema.get("properties"), schema.get("patternProperties")
    if not isinstance(value, dict) or patterns is not None:  # patternProperties is not verified, nor what it leaves
        return
    known = properties if isinstance(properties, dict) else {}
    for name in value.keys() - known.keys():
        if argument is False:
            yield _problem(where, f"'{name}' is not expected")
        else:
            yield from problems_of(value[name], argument, f"{where}.{name}" if where else str(name))


def _check_items(value: object, argument: object, schema: Schema, where: str) -> Iterator[str]:
    prefix = schema.get("prefixItems")
    start = len(prefix) if isinstance(prefix, list) else 0
    for place, item in enumerate(value if isinstance(value, list) else ()):
        if place >= start:
            yield from problems_of(item, argument, f"{where}[{place}]")


def _check_prefix_items(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if isinstance(value, list) and isinstance(argument, list):
        for place, (item, child) in enumerate(zip(value, argument, strict=False)):
            yield from problems_of(item, child, f"{where}[{place}]")


def _check_unique(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    items = value if argument is True and isinstance(value, list) else []
    if any(_same(item, other) for place, item in enumerate(items) for other in items[:place]):
        yield _problem(where, "expected no item twice")


def _check_pattern(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if isinstance(value, str) and isinstance(argument, str):
        try:
            fits = re.search(argument, value) is not None
        except re.error:
            yield _problem(where, f"the schema's pattern {argument!r} cannot be read")
            return
        if not fits:
            yield _problem(where, f"expected text that matches {argument!r}")


def _check_any_of(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if isinstance(argument, list) and not any(_fits(value, child) for child in argument):
        yield _problem(where, "fits none of the alternatives")


def _check_one_of(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    fitting = sum(_fits(value, child) for child in argument) if isinstance(argument, list) else 1
    if fitting != 1:
        yield _problem(where, f"fits {fitting or 'none'} of the alternatives, expected exactly one")


def _check_all_of(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    for child in argument if isinstance(argument, list) else ():
        yield from problems_of(value, child, where)


def _check_not(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
    if _fits(value, argument):
        yield _problem(where, "fits what is excluded")


def _fits(value: object, schema: object) -> bool:
    return next(problems_of(value, schema), None) is None


def _size_check(kind: type[str] | type[list[object]] | type[dict[str, object]], noun: str, sign: int) -> Check:
    """Make the check of a smallest (``sign`` 1) or largest (-1) number of characters, items or properties."""

    def check(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
        bound = _number(argument)
        if isinstance(value, kind) and bound is not None and sign * (len(value) - bound) < 0:
            yield _problem(where, f"expected at {'least' if sign > 0 else 'most'} {bound} {noun}, got {len(value)}")

    return check


def _bound_check(words: str, fits: Callable[[float, float], bool]) -> Check:
    """Make the check of a number's bound."""

    def check(value: object, argument: object, _schema: Schema, where: str) -> Iterator[str]:
        number, bound = _number(value), _number(argument)
        if number is not None and bound is not None and not fits(number, bound):
            yield _problem(where, f"expected {words} {bound}, got {number}")

    return check


_CHECKS: dict[str, Check] = {
    "type": _check_type,
    "enum": _check_enum,
    "const": _check_const,
    "properties": _check_properties,
    "required": _check_required,
    "additionalProperties": _check_additional,
    "minProperties": _size_check(dict, "properties", 1),
    "maxProperties": _size_check(dict, "properties", -1),
    "items": _check_items,
    "prefixItems": _check_prefix_items,
    "minItems": _size_check(list, "items", 1),
    "maxItems": _size_check(list, "items", -1),
    "uniqueItems": _check_unique,
    "minLength": _size_check(str, "characters", 1),
    "maxLength": _size_check(str, "characters", -1),
    "pattern": _check_pattern,
    "minimum": _bound_check("at least", lambda number, bound: number >= bound),
    "maximum": _bound_check("at most", lambda number, bound: number <= bound),
    "exclusiveMinimum": _bound_check("more than", lambda number, bound: number > bound),
    "exclusiveMaximum": _bound_check("less than", lambda number, bound: number < bound),
    "multipleOf": _bound_check("a multiple of", lambda number, bound: not bound or (number / bound).is_integer()),
    "anyOf": _check_any_of,
    "oneOf": _check_one_of,
    "allOf": _check_all_of,
    "not": _check_not,
}
