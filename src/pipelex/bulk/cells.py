"""Cells and rows as text and as JSON."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def cell_text(value: object) -> str:
    """Return a cell as text: no value as nothing; numbers, lists and mappings as JSON; a duration as it is printed."""
    if isinstance(value, str):
        return value
    if _is_no_value(value):
        return ""
    return json_text(value) if isinstance(value, int | float | list | dict) else str(_plain(value))


def is_empty(value: object) -> bool:
    """Return whether a cell holds nothing but white space."""
    return _is_no_value(value) or (isinstance(value, str) and not value.strip())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def json_text(value: object) -> str:
    """Return a value as JSON: dates and decimals as texts, bytes and numbers that JSON has not (NaN) as ``null``."""
    text = _JSON.encode(value)
    if "NaN" in text or "Infinity" in text:
        text = _JSON.encode(_finite(value))
    return encodable(text)


def row_json(row: Mapping[str, object]) -> str:
    """Return a row of the input as JSON, as the ledger keeps it; a file in a cell (its bytes) is left out."""
    return json_text({name: cell for name, cell in row.items() if not isinstance(cell, bytes)})


def encodable(text: str) -> str:
    r"""Return a text that can be encoded: half of a surrogate pair as ``\ud800``, which is its escape in JSON, too."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def _finite(value: object) -> object:
    """Return a value with ``None`` for each number that is none in JSON."""
    if isinstance(value, dict):
        return {name: _finite(cell) for name, cell in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(cell) for cell in value]
    return None if _is_no_value(value) else value


def _is_no_value(value: object) -> bool:
    """Return whether a cell has no value: numbers that JSON does not have (NaN, 1e400) are none."""
    return value is None or (isinstance(value, float) and not isfinite(value))


def _plain(value: object) -> object:
    from datetime import date, time

    if isinstance(value, date | time):
        return value.isoformat()
    return None if isinstance(value, bytes) else str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, default=_plain)  # kept: making one costs more than using it
