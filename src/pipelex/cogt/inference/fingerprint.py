"""The fingerprint of a job: equal jobs have equal ones, in every process and on every machine."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLAIN = frozenset([str, int, float, bool, type(None)])


def fingerprint_of(job: object) -> str:
    """Return the SHA-256 digest of a job as 64 hexadecimal digits.

    A field that has its default does not count: a field that a later version adds changes no fingerprint. A file
    counts by its content, an address by itself.

    Args:
        job: The job of any family.

    Raises:
        InferenceRequestError: The job holds a value that has no stable form.
    """
    from hashlib import sha256

    return sha256(_encode()(_canonical(job)).encode()).hexdigest()


@cache
def _encode() -> Callable[[object], str]:
    """Return the function that writes JSON; it is kept, since making one costs more than using it."""
    from json import JSONEncoder

    return JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _canonical(value: object) -> object:  # noqa: PLR0911 - one line a kind of value
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return _canonical(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return _canonical_record(value)
    if isinstance(value, tuple | list):
        return [_canonical(item) for item in value]
    if isinstance(value, bytes | Path):
        return {"sha256": _digest(value)}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if hasattr(value, "keys"):
        mapping: Mapping[object, object] = value  # type: ignore[assignment]  # what has keys() is one
        return {str(name): _canonical(mapping[name]) for name in mapping}
    msg = f"A job with {value!r} in it has no fingerprint: use texts, numbers, lists and mappings"
    raise InferenceRequestError(msg)


def _canonical_record(record: object) -> dict[str, object]:
    stated: dict[str, object] = {"": type(record).__name__}
    for name, default in _fields(type(record)):  # type: ignore[arg-type]  # a class is hashable
        value = getattr(record, name)
        if value is not default and value != default:
            stated[name] = _canonical(value)
    return stated


@cache
def _fields(kind: type) -> tuple[tuple[str, object], ...]:
    return tuple((found.name, None if found.default is MISSING else found.default) for found in fields(kind))


def _digest(content: bytes | Path) -> str:
    from hashlib import file_digest, sha256

    if isinstance(content, bytes):
        return sha256(content).hexdigest()
    try:
        with content.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:  # the call itself reports what cannot be read
        return f"unreadable: {content}"
