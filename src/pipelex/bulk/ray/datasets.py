"""Datasets of Ray Data as rows of a run, and the outcomes of a run as a dataset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from pathlib import Path

    from ray.data import Dataset

__all__ = ["dataset_of", "rows_of"]

_ROWS_PER_BLOCK = 10_000  # what one task of Ray gets


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
        ``usage``, both as JSON, and ``cost_usd``; what is not there is null. The types are the same for any run:
        ``index`` is a whole number, ``cost_usd`` a float in US dollars, and the others are texts.

    Raises:
        LedgerError: It cannot be read.
    """
    from pathlib import Path as PathType

    import pyarrow as pa
    import ray.data

    from pipelex.bulk.ledger import read_ledger

    opened = read_ledger(PathType(ledger))
    try:
        rows = [
            (entry.position, str(entry.key), _text(entry.answer), entry.error, entry.usage, entry.cost_usd)
            for entry in opened.entries()
            if entry.state in ("ok", "failed") and entry.position >= 0
        ]
    finally:
        opened.close()
    text = pa.string()
    types = {"index": pa.int64(), "key": text, "answer": text, "error": text, "usage": text, "cost_usd": pa.float64()}
    columns = [pa.array((row[at] for row in rows), kind) for at, kind in enumerate(types.values())]
    table = pa.table(columns, names=list(types))
    return ray.data.from_arrow([table.slice(at, _ROWS_PER_BLOCK) for at in range(0, len(rows) or 1, _ROWS_PER_BLOCK)])


def _text(answer: str | None) -> str | None:
    value = json.loads(answer) if answer is not None else None
    return value if isinstance(value, str) else answer
