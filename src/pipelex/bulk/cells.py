"""Cells and rows as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def cell_text(value: object) -> str:
    """Return a cell as text: no value as nothing, what is no text as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def is_empty(value: object) -> bool:
    """Return whether a cell holds nothing but white space."""
    return value is None or (isinstance(value, str) and not value.strip())


def json_text(value: object) -> str:
    """Return a value as JSON: dates and decimals as texts, bytes as ``null``."""
    return encodable(_JSON.encode(value))


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


def _plain(value: object) -> object:
    from datetime import date, time

    if isinstance(value, date | time):
        return value.isoformat()
    return None if isinstance(value, bytes) else str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, default=_plain)  # kept: making one costs more than using it
