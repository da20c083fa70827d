"""The shape of the configuration files, by pydantic. Imported when the first model or backend is resolved."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    StrictInt,
    StrictStr,
    ValidationError,
)

from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic_core import ErrorDetails

    from pipelex.config.toml_file import KeyPath, TomlFile

Scalar = str | int | float | bool

FAMILIES = tuple(family.value for family in InferenceFamily)
_TABLES_OF_FILE = {"pipelex.toml": ("plugins", "backends", "defaults"), "models.toml": ("models",)}


class BackendFamilyTable(BaseModel):
    """``[backends.<name>.<family>]``: what a model of this backend and family is where no catalogue says so."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    sdk: StrictStr | None = Field(default=None, min_length=1)
    capabilities: frozenset[Capability] | None = None


class BackendTable(BaseModel):
    """``[backends.<name>]``. What it holds beside the fields is a table per family, or an extra."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    endpoint: StrictStr | None = None
    api_key: StrictStr | None = None
    timeout_s: PositiveFloat | None = None
    connect_timeout_s: PositiveFloat | None = None
    max_attempts: PositiveInt | None = None
    deadline_s: PositiveFloat | None = None
    max_retry_after_s: NonNegativeFloat | None = None
    max_reasks: NonNegativeInt | None = None
    max_concurrency: PositiveInt | None = None
    price_list: StrictStr | None = None

    def __repr_args__(self) -> list[tuple[str | None, object]]:
        """Return nothing: whatever the table holds may be secret."""
        return []

    @property
    def policy(self) -> CallPolicy:
        """How patient the calls are; what the table does not say stays at its default."""
        stated = {field.name: getattr(self, field.name) for field in fields(CallPolicy)}
        return CallPolicy(**{name: value for name, value in stated.items() if value is not None})

    @property
    def families(self) -> dict[InferenceFamily, BackendFamilyTable]:
        """The tables per family."""
        tables = {name: value for name, value in (self.model_extra or {}).items() if isinstance(value, dict)}
        return {InferenceFamily(name): BackendFamilyTable.model_validate(table) for name, table in tables.items()}


class ModelTable(BaseModel):
    """``[models.<name>]``. What it holds beside the fields is an extra."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    family: InferenceFamily | None = None
    backend: StrictStr | None = Field(default=None, min_length=1)
    sdk: StrictStr | None = Field(default=None, min_length=1)
    model_id: StrictStr | None = Field(default=None, min_length=1)
    capabilities: frozenset[Capability] | None = None
    context_window: StrictInt | None = Field(default=None, gt=0)
    max_output_tokens: StrictInt | None = Field(default=None, gt=0)
    price_list: StrictStr | None = None


def extras_of(table: BackendTable | ModelTable) -> dict[str, Scalar]:
    """Return what a table holds beside its fields and its sub-tables."""
    return {key: value for key, value in (table.model_extra or {}).items() if isinstance(value, Scalar)}


def check_file(file: TomlFile) -> None:
    """Check the shape of one file, which may state any part of the whole.

    Raises:
        ConfigurationError: With the line and the key of the first fault.
    """
    known = _TABLES_OF_FILE[file.path.name]
    for name, table in file.data.items():
        if name not in known:
            raise file.error((name,), _unknown_table(name, known))
        if not isinstance(table, dict):
            raise file.error((name,), f"expected a table: [{name}]")
    for name, table in _tables(file, "backends").items():
        _check_backend(file, ("backends", name), table)
    for name, table in _tables(file, "models").items():
        _check_table(file, ("models", name), ModelTable, table)
        _check_extras(file, ("models", name), ModelTable, table)
    _check_defaults(file)


def _tables(file: TomlFile, section: str) -> dict[str, dict[str, object]]:
    """Return the tables inside a section, refusing whatever else stands there."""
    tables: dict[str, dict[str, object]] = {}
    found = file.data.get(section, {})
    for name, table in found.items() if isinstance(found, dict) else ():
        if not isinstance(table, dict):
            raise file.error((section, name), f"expected a table: [{section}.<name>]")
        if section == "backends" and (not name or "/" in name):
            raise file.error((section, name), "a backend's name may not be empty or hold '/', which ends it")
        tables[name] = table
    return tables


def _check_backend(file: TomlFile, path: KeyPath, table: dict[str, object]) -> None:
    _check_table(file, path, BackendTable, table)
    for key, value in table.items():
        if key in FAMILIES and not isinstance(value, dict):
            raise file.error((*path, key), f"expected a table: [{'.'.join(path)}.{key}] with sdk and capabilities")
        if not isinstance(value, dict):
            continue
        if key not in FAMILIES:
            raise file.error((*path, key), f"unknown family.{_did_you_mean(key, FAMILIES)}")
        _check_table(file, (*path, key), BackendFamilyTable, value)
    scalars = {key: value for key, value in table.items() if not isinstance(value, dict)}
    _check_extras(file, path, BackendTable, scalars)


def _check_defaults(file: TomlFile) -> None:
    defaults = file.data.get("defaults", {})
    for family, model in defaults.items() if isinstance(defaults, dict) else ():
        if family not in FAMILIES:
            raise file.error(("defaults", family), f"unknown family.{_did_you_mean(family, FAMILIES)}")
        if not isinstance(model, str) or not model:
            raise file.error(("defaults", family), "expected the name of a model, as a string")


def _check_table(file: TomlFile, path: KeyPath, shape: type[BaseModel], table: Mapping[str, object]) -> None:
    """Check what pydantic knows of a table. Its error is not chained: it holds the values."""
    try:
        shape.model_validate(table)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
    else:
        return
    key = (*path, *(part for part in first["loc"] if isinstance(part, str)))
    raise file.error(key[: len(path) + 1], _reason(first, shape))


def _check_extras(file: TomlFile, path: KeyPath, shape: type[BaseModel], table: Mapping[str, object]) -> None:
    """Check the keys that are no fields: plain values, and no misspelling of a field."""
    for key, value in table.items():
        if key in shape.model_fields:
            continue
        if meant := _misspelt(key, shape.model_fields):
            raise file.error((*path, key), f"unknown key. Did you mean '{meant}'?")
        if not isinstance(value, Scalar):
            raise file.error((*path, key), "expected a string, a number or a boolean: the extras of a driver are plain")


def _reason(detail: ErrorDetails, shape: type[BaseModel]) -> str:
    """Say what is wrong with a field; a value is quoted only where it cannot be a secret."""
    field = next((str(part) for part in detail["loc"] if isinstance(part, str)), "")
    match detail["type"]:
        case "enum":
            choices = FAMILIES if field == "family" else tuple(capability.value for capability in Capability)
            noun = "family" if field == "family" else "capability"
            value = detail["input"]
            return f"unknown {noun} {value!r}.{_did_you_mean(str(value), choices)}"
        case "extra_forbidden":
            return f"unknown key.{_did_you_mean(field, shape.model_fields)}"
        case "frozen_set_type":
            return 'expected a list of capabilities, as in ["streaming"]'
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _unknown_table(name: str, known: Collection[str]) -> str:
    for other, tables in _TABLES_OF_FILE.items():
        if name in tables:
            return f"this table belongs into {other}"
    return f"unknown table.{_did_you_mean(name, known)}"


def _did_you_mean(name: str, choices: Collection[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), choices, n=1)
    return f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(choices)}."


def _misspelt(key: str, fields: Collection[str]) -> str | None:
    """Return the field that an extra's key is but a slip of the pen away from."""
    from difflib import get_close_matches

    by_letters = {_letters(field): field for field in fields}
    near = get_close_matches(_letters(key), by_letters, n=1, cutoff=0.9)
    return by_letters[near[0]] if near else None


def _letters(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())
