"""Datasets of Ray Data as rows of a run, and the outcomes of a run as a dataset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from pathlib import Path

    from ray.data import Dataset

__all__ = ["dataset_of", "rows_of"]


def rows_of(rows: Dataset | Iterable[object] | AsyncIterable[object]) -> Iterable[object] | AsyncIterable[object]:
    """Return the rows of a dataset in its own order, each as a mapping of its columns; other rows as they are.

    Args:
        rows: A ``ray.data.Dataset``, or any rows.
    """
    iter_rows: Callable[[], Iterable[object]] | None = getattr(rows, "iter_rows", None)
    if iter_rows is None:
        return rows
    from ray.data import DataContext

    DataContext.get_current().execution_options.preserve_order = True  # rows are known by their number
    return iter_rows()


def dataset_of(ledger: Path | str) -> Dataset:
    """Return the outcomes of a run as a dataset, in the order of the input.

    Args:
        ledger: The ledger of the run.

    Returns:
        A dataset with the columns ``index``, ``key``, ``answer`` (text as it is, other answers as JSON), ``error``,
        ``usage``, both as JSON, and ``cost_usd``; what is not there is null.

    Raises:
        LedgerError: It cannot be read.
    """
    from pathlib import Path as PathType

    import ray.data

    from pipelex.bulk.ledger import read_ledger

    opened = read_ledger(PathType(ledger))
    try:
        rows = [
            {
                "index": entry.position,
                "key": str(entry.key),
                "answer": _text(entry.answer),
                "error": entry.error,
                "usage": entry.usage,
                "cost_usd": entry.cost_usd,
            }
            for entry in opened.entries()
            if entry.state in ("ok", "failed") and entry.position >= 0
        ]
    finally:
        opened.close()
    return ray.data.from_items(rows)


def _text(answer: str | None) -> str | None:
    value = json.loads(answer) if answer is not None else None
    return value if isinstance(value, str) else answer
