"""The fingerprint of a job: equal jobs have equal ones, in every process and on every machine."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = frozenset([int, float, bool, type(None)])


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

    return sha256(_canonical(job).encode()).hexdigest()


def _canonical(value: object) -> str:  # noqa: PLR0911 - one line a kind of value
    """Return a value as JSON with sorted keys and without spaces."""
    if type(value) is str:
        return encode_basestring_ascii(value)
    if type(value) in _PLAIN:
        return json.dumps(value)
    if isinstance(value, Enum):
        return _canonical(value.value)
    if is_dataclass(value) and not isinstance(value, type):
        return _canonical_record(value)
    if isinstance(value, tuple | list):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, bytes | Path):
        return _canonical({"sha256": _digest(value)})
    if isinstance(value, date):
        return _canonical({"date": value.isoformat()})
    if hasattr(value, "keys"):
        mapping: Mapping[object, object] = value  # type: ignore[assignment]  # what has keys() is one
        cells = {str(name): _canonical(mapping[name]) for name in mapping}
        return f"{{{','.join(f'{encode_basestring_ascii(name)}:{cells[name]}' for name in sorted(cells))}}}"
    msg = f"A job with {value!r} in it has no fingerprint: use texts, numbers, lists and mappings"
    raise InferenceRequestError(msg)


def _canonical_record(record: object) -> str:
    kind, values = type(record), vars(record)
    stated = [f'{{"":"{kind.__name__}"']
    for name, default in _fields(kind):  # type: ignore[arg-type]  # a class is hashable
        value = values[name]
        if value is not default and value != default:
            stated.append(f'"{name}":{_canonical(value)}')
    return f"{','.join(stated)}}}"


@cache
def _fields(kind: type) -> tuple[tuple[str, object], ...]:
    """Return the fields of a record in the order of their names, each with its default."""
    defaults = {found.name: None if found.default is MISSING else found.default for found in fields(kind)}
    return tuple((name, defaults[name]) for name in sorted(defaults))


def _digest(content: bytes | Path) -> str:
    from hashlib import file_digest, sha256

    if isinstance(content, bytes):
        return sha256(content).hexdigest()
    try:
        with content.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:  # the call itself reports what cannot be read
        return f"unreadable: {content}"
