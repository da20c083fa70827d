"""The fingerprint of a job: equal jobs have equal ones, in every process and on every machine."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from hashlib import file_digest, sha256
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipelex.cogt.exceptions import InferenceRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    return sha256(_canonical(job).encode()).hexdigest()


def parts_of(job: object) -> dict[str, str]:
    """Return what a job consists of, as texts by name: ``prompt.user_text``, ``params.seed``.

    Files and addresses, which may hold a signature, are digests. A password is left out.

    Args:
        job: The job of any family.

    Raises:
        InferenceRequestError: The job holds a value that has no stable form.
    """
    return dict(_parts("", json.loads(_canonical(job))))


def _parts(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value.get("") != "MediaSource":
        for inner in value.keys() - {"", "password"}:  # "": the name of the class
            yield from _parts(f"{name}.{inner}" if name else inner, value[inner])
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    yield name, sha256(text.encode()).hexdigest()[:12] if '"MediaSource"' in text else text


def _canonical(value: object) -> str:
    """Return a value as JSON with sorted keys and without spaces."""
    if type(value) is str:
        return encode_basestring_ascii(value)
    if type(value) in _PLAIN:
        return json.dumps(value)
    known = _fields(type(value))  # type: ignore[arg-type]  # a class is hashable
    return _canonical_other(value) if known is None else _canonical_record(vars(value), *known)


def _canonical_other(value: object) -> str:
    """Return what is no text, number or record as JSON."""
    if isinstance(value, Enum):
        return _canonical(value.value)
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


def _canonical_record(values: Mapping[str, object], head: str, known: Iterable[_Field]) -> str:
    stated = [head]
    for name, default, blank in known:
        value = values[name]
        if value is default:
            continue
        if blank is None:
            if value != default:
                stated.append(f'"{name}":{_canonical(value)}')
        elif (text := _canonical(value)) != blank:
            stated.append(f'"{name}":{text}')
    return f"{','.join(stated)}}}"


class _Field(NamedTuple):
    """A field of a record.

    Attributes:
        name: Its name.
        default: Its default.
        blank: The default as JSON, where it is a record: comparing the texts costs less than comparing the records.
    """

    name: str
    default: object
    blank: str | None


@cache
def _fields(kind: type) -> tuple[str, tuple[_Field, ...]] | None:
    """Return how a record begins, and its fields in the order of their names; ``None`` where the class is no record."""
    if not is_dataclass(kind) or issubclass(kind, Enum):
        return None
    defaults = {found.name: None if found.default is MISSING else found.default for found in fields(kind)}
    found = [
        _Field(name, default, _canonical(default) if is_dataclass(default) else None)
        for name, default in sorted(defaults.items())
    ]
    return f'{{"":"{kind.__name__}"', tuple(found)


def _digest(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return sha256(content).hexdigest()
    try:
        with content.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:  # the call itself reports what cannot be read
        return f"unreadable: {content}"
