"""``--schema FILE``: an answer type made of a JSON Schema file, for the calls that return an object.

The worker sends the schema to the model as it is in the file, and validates the answer by its type. The type made
here validates with the library ``jsonschema``: every draft and every keyword that it knows. It loads with ``--schema``
only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from pipelex.exceptions import ConfigurationError
from pipelex.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from jsonschema.protocols import Validator
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_ANNOTATIONS = frozenset(
    ["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "then", "else"]
)  # 'then' and 'else' are validated by 'if'
_STRUCTURE = frozenset(["$comment", "$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$defs", "definitions"])
_MAX_PROBLEMS = 5
_MAX_PROBLEM = 200  # characters: a problem shows the value, which may be the whole answer


class SchemaAnswer:
    """An answer that fits the JSON Schema of its class; made by :func:`answer_type`.

    Args:
        value: The answer as plain data.
    """

    __json_schema__: ClassVar[dict[str, object]] = {}

    def __init__(self, value: object) -> None:
        self.value = value

    @classmethod
    def _checked(cls, value: object) -> SchemaAnswer:
        from pydantic_core import PydanticCustomError

        problems = problems_of(value, cls.__json_schema__)
        if problems:
            raise PydanticCustomError("json_schema", "{problems}", {"problems": "; ".join(problems)})
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept any data, then validate it."""
        from pydantic_core import core_schema

        plain = core_schema.plain_serializer_function_ser_schema(lambda answer: answer.value)
        return core_schema.no_info_after_validator_function(cls._checked, core_schema.any_schema(), serialization=plain)


def answer_type(schema: dict[str, object]) -> type[SchemaAnswer]:
    """Make the type of the answers that fit a schema."""
    return type("SchemaAnswer", (SchemaAnswer,), {"__json_schema__": schema})


def read_schema(path: Path) -> dict[str, object]:
    """Read a JSON Schema file and validate it against its draft: the one that ``$schema`` names, or 2020-12.

    Raises:
        ConfigurationError: It cannot be read, is not JSON, is no JSON Schema, or holds a reference that leads
            nowhere, out of the file, or back to itself.
    """
    try:
        schema = json.loads(path.read_text(encoding="utf-8-sig"))
        json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()  # what is sent to the model
    except OSError as exc:
        raise ConfigurationError(file=str(path), reason=f"it cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(file=str(path), reason="it is not UTF-8 text") from exc
    except UnicodeEncodeError as exc:
        reason = f"it holds half of a character, '\\u{ord(exc.object[exc.start]):04x}', which no text may hold"
        raise ConfigurationError(file=str(path), reason=reason) from exc
    except json.JSONDecodeError as exc:
        reason = f"it is not JSON: {exc.msg} (column {exc.colno})"
        raise ConfigurationError(file=str(path), line=exc.lineno, reason=reason) from exc
    except ValueError as exc:
        raise ConfigurationError(file=str(path), reason="it holds a number that is too large, or none at all") from exc
    except RecursionError as exc:
        raise ConfigurationError(file=str(path), reason="it is nested too deeply") from exc
    if not isinstance(schema, dict):
        raise ConfigurationError(file=str(path), reason="expected a JSON Schema, which is an object")
    _check_schema(schema, path)
    return _with_defs(schema)


def _with_defs(schema: dict[str, object]) -> dict[str, object]:
    """Rename ``definitions``, as the drafts before 2019-09 call it, to ``$defs``: SDKs and drivers know that alone."""
    if "definitions" not in schema or "$defs" in schema:
        return schema
    old, new = "#/definitions/", "#/$defs/"
    for found in list(_subschemas(schema)):
        reference = found.get("$ref")
        if isinstance(reference, str) and reference.startswith(old):
            found["$ref"] = new + reference.removeprefix(old)
    schema["$defs"] = schema.pop("definitions")
    return schema


class _NoTargetError(Exception):
    def __init__(self, keyword: str, reference: object) -> None:
        self.keyword, self.reference = keyword, reference


def _check_schema(schema: dict[str, object], path: Path) -> None:
    """Validate a schema, and everything that its references lead to."""
    from jsonschema.exceptions import SchemaError, UnknownType

    try:
        draft = _draft(schema)
        draft.check_schema(schema)
        for _ in _subschemas(schema, on_target=draft.check_schema):
            pass
        next(_validator(schema).iter_errors(None), None)
    except SchemaError as exc:
        reason = f"it is no JSON Schema ('$schema' names its draft; without it, 2020-12): {_shortened(exc.message)}"
        raise ConfigurationError(file=str(path), key=exc.json_path, reason=reason) from exc
    except _NoTargetError as exc:
        reason = f"'{exc.reference}' leads to nothing in this file"
        raise ConfigurationError(file=str(path), key=exc.keyword, reason=reason) from exc
    except UnknownType as exc:  # draft 3 accepts any name of a type
        raise ConfigurationError(file=str(path), key="type", reason=f"{exc.type!r} is no type") from exc
    except RecursionError as exc:
        reason = "it is nested too deeply, or a reference leads back to itself"
        raise ConfigurationError(file=str(path), reason=reason) from exc
    except (AttributeError, TypeError, ValueError) as exc:  # the library on an address that is none
        reason = "expected addresses in '$schema', '$id' and references"
        raise ConfigurationError(file=str(path), reason=reason) from exc


def unverified_keywords(schema: dict[str, object]) -> list[str]:
    """Return the keywords of a schema that the answer is not validated against, sorted."""
    draft = _draft(schema)
    verified = _ANNOTATIONS | _STRUCTURE | draft.VALIDATORS.keys()
    formats = draft.FORMAT_CHECKER.checkers
    return sorted(
        {
            keyword
            for found in _subschemas(schema)
            for keyword, argument in found.items()
            if keyword not in verified or (keyword == "format" and argument not in formats)
        }
    )


def problems_of(value: object, schema: dict[str, object]) -> list[str]:
    """Return the first problems of a value, sorted by place, each as ``place: what was expected``."""
    from heapq import nsmallest

    from jsonschema.exceptions import UnknownType

    problems = ((problem.json_path, problem.message) for problem in _validator(schema).iter_errors(value))
    try:
        found = nsmallest(_MAX_PROBLEMS, problems)  # the library's own order varies with the hash seed
    except (UnknownType, RecursionError, ArithmeticError, ValueError) as exc:  # too deep, or beyond a float
        return [f"the answer cannot be validated: {type(exc).__name__}"]
    return [f"{place}: {_shortened(message)}" for place, message in found]


def _shortened(message: str) -> str:
    message = redact(message)  # half a secret, after the cut, would not be masked
    if len(message) <= _MAX_PROBLEM:
        return message
    return f"{message[: _MAX_PROBLEM // 2]} ... {message[-_MAX_PROBLEM // 2 :]}"


def _draft(schema: Mapping[str, object]) -> type[Validator]:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    draft: type[Validator] = validator_for(schema, default=Draft202012Validator)
    return draft


def _validator(schema: Mapping[str, object]) -> Validator:
    """Return the validator of a schema. It fetches nothing: a reference ends in the file, or nowhere."""
    from referencing import Registry

    draft = _draft(schema)
    return draft(schema, registry=Registry(), format_checker=draft.FORMAT_CHECKER)


def _subschemas(
    schema: dict[str, object], on_target: Callable[[object], None] = lambda _: None
) -> Iterator[dict[str, object]]:
    """Yield every schema inside of a schema, and those that references lead to, each once.

    Args:
        schema: The schema.
        on_target: Called with what each reference leads to, which may be outside of all schemas.

    Raises:
        _NoTargetError: A reference leads to nothing in the file.
    """
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    seen: set[int] = set()
    pending = [(root, Registry().resolver_with_root(root))]
    while pending:
        resource, resolver = pending.pop()
        contents = resource.contents
        if not isinstance(contents, dict) or id(contents) in seen:
            continue
        seen.add(id(contents))
        yield contents
        pending += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]
        for keyword in ("$ref", "$dynamicRef"):
            if keyword not in contents:
                continue
            try:
                found = resolver.lookup(contents[keyword])
            except Unresolvable as exc:
                raise _NoTargetError(keyword, contents[keyword]) from exc
            on_target(found.contents)
            target = Resource.from_contents(found.contents, default_specification=DRAFT202012)
            pending.append((target, found.resolver))
