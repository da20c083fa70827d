"""What the configuration files may hold: plain checks that find all problems. Imported with the first model."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING

from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.config.plugins_config import disabled_in
from pipelex.config.references import problem_of
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import TypeGuard

    from pipelex.config.toml_file import KeyPath, TomlFile
    from pipelex.exceptions import ConfigurationProblem

    Problems = Iterator[tuple[KeyPath, str]]
    """Each problem of a value: where inside the value, and what is wrong. The value itself may be secret."""
    Check = Callable[[object], Problems]

FAMILIES = tuple(family.value for family in InferenceFamily)
CAPABILITIES = tuple(capability.value for capability in Capability)
_DAY = 86_400
_INT64 = 2**63
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TABLES_OF_FILE = {"pipelex.toml": ("plugins", "sdks", "backends", "defaults"), "models.toml": ("models",)}


def _text(value: object) -> Problems:
    if not isinstance(value, str):
        yield (), f"expected a string, got {_kind(value)}"


def _reference(value: object) -> Problems:
    """Check a text that may take values from environment variables."""
    yield from _text(value)
    reason = problem_of(value) if isinstance(value, str) else None
    if reason is not None:
        yield (), reason


def _address(value: object) -> Problems:
    """Check an address, which may take values from environment variables."""
    yield from _reference(value)
    if isinstance(value, str) and not value.strip():
        yield (), "expected an address, got an empty string. Leave the line out for the address of the sdk"


def _name(value: object) -> Problems:
    if not isinstance(value, str) or not value:
        yield (), f"expected a name, got {_kind(value) if value != '' else 'an empty string'}"


def _family(value: object) -> Problems:
    yield from _one_of("family", FAMILIES, value)


def _capabilities(value: object) -> Problems:
    if not isinstance(value, list):
        yield (), f'expected a list of capabilities, as in ["streaming"], got {_kind(value)}'
        return
    for index, element in enumerate(value):
        for _, reason in _one_of("capability", CAPABILITIES, element):
            yield (index,), reason


def _one_of(noun: str, choices: Collection[str], value: object) -> Problems:
    if not isinstance(value, str):
        yield (), f"expected the name of a {noun}, got {_kind(value)}"
    elif value not in choices:
        yield (), f"unknown {noun} {value!r}.{_did_you_mean(value, choices)}"


def _seconds(value: object) -> Problems:
    if not _is_number(value) or not 0 < value <= _DAY:
        yield (), f"expected a number of seconds above 0 and up to {_DAY}, got {_shown(value)}"


def _pause(value: object) -> Problems:
    if not _is_number(value) or not 0 <= value <= _DAY:
        yield (), f"expected a number of seconds from 0 to {_DAY}, got {_shown(value)}"


def _count(least: int, most: int) -> Check:
    def check(value: object) -> Problems:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            yield (), f"expected a whole number from {least} to {most}, got {_shown(value)}"

    return check


def _one_or_more(check: Check) -> Check:
    """Return the check of one value, or of a list of such values."""

    def check_all(value: object) -> Problems:
        if not isinstance(value, list):
            yield from check(value)
            return
        for index, element in enumerate(value):
            for _, reason in check(element):
                yield (index,), reason

    return check_all


def _scalar(value: object) -> Problems:
    if not isinstance(value, str | int | float):
        yield (), f"expected a string, a number, a boolean or a list of these, got {_kind(value)}"
    elif isinstance(value, float) and not isfinite(value):
        yield (), f"expected a finite number, got {value}"
    elif isinstance(value, int) and not -_INT64 <= value < _INT64:
        yield (), "expected a number of at most 64 bits"


def _flag(value: object) -> Problems:
    if not isinstance(value, bool):
        yield (), f"expected true or false, got {_kind(value)}"


def _word(*choices: str) -> Check:
    def check(value: object) -> Problems:
        if value not in choices:
            yield (), f"expected {' or '.join(map(repr, choices))}, got {value!r:.40}"

    return check


def _headers(check_value: Check) -> Check:
    def check(value: object) -> Problems:
        if not isinstance(value, dict):
            yield (), f"expected a table of headers, each a string, got {_kind(value)}"
            return
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name):
                yield (name,), "expected the name of a header"
            for _, reason in check_value(text):
                yield (name,), reason

    return check


def _header_text(value: object) -> Problems:
    """Check the value of a header where no variable is read."""
    yield from _text(value)
    if isinstance(value, str) and "${" in value:
        yield (), "no variable is read here: headers with one belong into [backends.<name>.extra_headers]"
    elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
        yield (), "a header takes printable ASCII characters alone"


def _body(value: object) -> Problems:
    if not isinstance(value, dict):
        yield (), f"expected a table of fields, got {_kind(value)}"
        return
    yield from _json(value)


def _json(value: object) -> Problems:
    """Check that a value can be sent as JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield from _scalar(value)
        return
    for part, element in inner:
        for inside, reason in _json(element):
            yield (part, *inside), reason


SETTING_KEYS: dict[str, Check] = {
    "structured_by": _word("json_schema", "json_object", "tool"),
    "stream_usage": _flag,
    "stream_end_unnamed": _flag,
    "limit_name": _word("max_tokens", "max_completion_tokens"),
    "extra_headers": _headers(_header_text),
    "extra_body": _body,
}
"""How a server differs from the others of its format: in the table of a backend, of its family, or of a model."""

_SETTINGS_OF_BACKEND = SETTING_KEYS | {"extra_headers": _headers(_reference)}

BACKEND_KEYS: dict[str, Check] = {
    "endpoint": _address,
    "api_key": _reference,
    "price_provider": _text,
    "timeout_s": _seconds,
    "connect_timeout_s": _seconds,
    "max_attempts": _count(1, 100),
    "deadline_s": _seconds,
    "max_retry_after_s": _pause,
    "max_outage_s": _pause,
    "max_validation_retries": _count(0, 100),
    "max_concurrency": _count(1, 10_000),
    "requests_per_minute": _count(1, 10**9),
    "tokens_per_minute": _count(1, 10**12),
}
"""``[backends.<name>]``. Whatever else it holds is a table per family, or an extra for its driver."""

FAMILY_KEYS: dict[str, Check] = {"sdk": _name, "capabilities": _capabilities}
"""``[backends.<name>.<family>]``: what a model of this backend and family is where no catalogue describes it."""

SDK_KEYS: dict[str, Check] = {"capabilities": _capabilities}
"""``[sdks.<family>.<sdk>]``: what a model of this sdk is where neither its own table nor its backend's states it."""

MODEL_KEYS: dict[str, Check] = {
    "family": _family,
    "backend": _name,
    "sdk": _name,
    "model_id": _name,
    "capabilities": _capabilities,
    "context_window": _count(1, 10**9),
    "max_output_tokens": _count(1, 10**9),
    "price_provider": _text,
}
"""``[models.<name>]``. Whatever else it holds is an extra for its driver."""


class FileCheck:
    """The checks of one file, which may state any part of the whole.

    Args:
        file: The file.

    Attributes:
        problems: What is wrong in it.
        checked: The file without what is wrong in it.
    """

    def __init__(self, file: TomlFile) -> None:
        self.problems: list[ConfigurationProblem] = []
        self._file = file
        self.checked = file.with_data(self._sections())

    def _refuse(self, key: KeyPath, reason: str) -> None:
        self.problems.append(self._file.problem(key, reason))

    def _sections(self) -> dict[str, object]:
        known = _TABLES_OF_FILE[self._file.path.name]
        if "plugins" in known:
            disabled_in(self._file, self.problems)
        checked: dict[str, object] = {}
        for name, table in self._file.data.items():
            if name not in known:
                self._refuse((name,), _unknown_table(name, known))
            elif not isinstance(table, dict):
                self._refuse((name,), f"expected a table: [{name}]")
            elif name == "backends":
                checked[name] = {inner: self._backend(key, found) for inner, key, found in self._tables((name,), table)}
            elif name == "sdks":
                checked[name] = self._sdks(table)
            elif name == "models":
                checked[name] = self._models(table)
            elif name == "defaults":
                checked[name] = self._defaults(table)
        return checked

    def _tables(
        self, section: tuple[str, ...], table: dict[str, object]
    ) -> Iterator[tuple[str, tuple[str, ...], dict[str, object]]]:
        """Yield the tables inside a section, and refuse whatever else it holds."""
        for name, found in table.items():
            key = (*section, name)
            if not isinstance(found, dict):
                self._refuse(key, f"expected a table: [{'.'.join(section)}.<name>]")
            elif section == ("backends",) and (not name or "/" in name):
                self._refuse(key, "a backend's name may not be empty or hold '/', which ends it")
            else:
                yield name, key, found

    def _sdks(self, table: dict[str, object]) -> dict[str, object]:
        checked: dict[str, object] = {}
        for family, key, sdks in self._tables(("sdks",), table):
            if family in FAMILIES:
                checked[family] = {
                    sdk: self._keys(path, found, SDK_KEYS) for sdk, path, found in self._tables(key, sdks)
                }
            else:
                self._refuse(key, f"unknown family.{_did_you_mean(family, FAMILIES)}")
        return checked

    def _backend(self, key: KeyPath, table: dict[str, object]) -> dict[str, object]:
        path = ".".join(map(str, key))
        families: dict[str, object] = {}
        others: dict[str, object] = {}
        for name, value in table.items():
            if name in FAMILIES and not isinstance(value, dict):
                self._refuse((*key, name), f"expected a table: [{path}.{name}] with sdk and capabilities")
            elif name in FAMILIES and isinstance(value, dict):
                families[name] = self._keys((*key, name), value, FAMILY_KEYS | SETTING_KEYS)
            elif isinstance(value, dict) and name not in SETTING_KEYS:
                self._refuse((*key, name), f"unknown family.{_did_you_mean(name, FAMILIES)}")
            elif name in FAMILY_KEYS:
                self._refuse((*key, name), f"this key belongs into the table of a family, as in [{path}.llm]")
            else:
                others[name] = value
        return (
            self._keys(key, others, _SETTINGS_OF_BACKEND | BACKEND_KEYS, extra=_one_or_more(_backend_scalar)) | families
        )

    def _models(self, table: dict[str, object]) -> dict[str, object]:
        """Return the models that are right; one that is not is left out whole, for no half of it describes a model."""
        checked: dict[str, object] = {}
        for name, key, found in self._tables(("models",), table):
            before = len(self.problems)
            model = self._keys(key, found, SETTING_KEYS | MODEL_KEYS, extra=_one_or_more(_scalar))
            if len(self.problems) == before:
                checked[name] = model
        return checked

    def _defaults(self, table: dict[str, object]) -> dict[str, object]:
        checked: dict[str, object] = {}
        for family, model in table.items():
            if family not in FAMILIES:
                self._refuse(("defaults", family), f"unknown family.{_did_you_mean(family, FAMILIES)}")
            elif not isinstance(model, str) or not model:
                self._refuse(("defaults", family), "expected the name of a model, as a string")
            else:
                checked[family] = model
        return checked

    def _keys(
        self, path: KeyPath, table: Mapping[str, object], known: Mapping[str, Check], *, extra: Check | None = None
    ) -> dict[str, object]:
        """Return what is right in a table of plain keys; without ``extra`` it may hold the known ones alone."""
        checked: dict[str, object] = {}
        for name, value in table.items():
            check = known.get(name)
            if check is None:
                meant = _misspelt(name, known)
                if extra is None or meant is not None:
                    hint = f" Did you mean '{meant}'?" if meant else _did_you_mean(name, known)
                    self._refuse((*path, name), f"unknown key.{hint}")
                    continue
                check = extra
            problems = list(check(value))
            for inside, reason in problems:
                self._refuse((*path, name, *inside), reason)
            if not problems:
                checked[name] = value
        return checked


def _backend_scalar(value: object) -> Problems:
    yield from _reference(value) if isinstance(value, str) else _scalar(value)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: object) -> str:
    """Return what a value is, without the value, which may be secret."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"


def _shown(value: object) -> str:
    """Return a number where one was expected, and the kind of whatever else came."""
    if _is_number(value) and (not isinstance(value, int) or abs(value) < _INT64):
        return str(value)
    return f"{_kind(value)}{' of more than 64 bits' if _is_number(value) else ''}"


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
    """Return the field that a key is a misspelling of, if it is one."""
    from difflib import get_close_matches

    by_letters = {_letters(field): field for field in fields}
    near = get_close_matches(_letters(key), by_letters, n=1, cutoff=0.9)
    return by_letters[near[0]] if near else None


def _letters(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())
