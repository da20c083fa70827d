"""Rows of a parametrised test of which only some run every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def heavy_but(*quick: str, names: Iterable[str]) -> list[object]:
    """Return the rows of a test: those that are named run every time, the others with what takes long."""
    rows = list(names)
    assert set(quick) <= set(rows), f"no such row: {set(quick) - set(rows)}"
    return [name if name in quick else pytest.param(name, marks=pytest.mark.heavy) for name in rows]
