"""The file of results: the rows of a ledger in the input's order, failed ones among them."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

from pipelex.bulk.rows import DELIMITERS
from pipelex.bulk.template import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelex.bulk.ledger import Entry, Ledger

RESULT_FORMATS = (".jsonl", ".csv", ".tsv")


def write_results(
    path: Path, ledger: Ledger, *, suffix: str, before: int | None, answer: str, with_usage: bool
) -> None:
    """Write the rows that have an outcome.

    Args:
        path: The file.
        ledger: Where the rows are.
        suffix: The ending that says the format.
        before: How many rows the input has; ``None`` where it was not read to its end.
        answer: The column of an answer that is no object.
        with_usage: Whether to write what each call used and cost.

    Raises:
        OSError: It cannot be written.
    """

    def rows() -> Iterator[dict[str, object]]:
        for entry in ledger.entries(before=before):
            if entry.state in ("ok", "failed"):
                yield _result(entry, answer=answer, with_usage=with_usage)

    with path.open("w", encoding="utf-8", newline="") as file:
        if suffix not in DELIMITERS:
            for row in rows():
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            return
        columns = dict.fromkeys(column for row in rows() for column in row)
        writer = csv.writer(file, delimiter=DELIMITERS[suffix], lineterminator="\n")
        writer.writerow(columns)
        for row in rows():
            writer.writerow([cell_text(row.get(column)) for column in columns])


def _result(entry: Entry, *, answer: str, with_usage: bool) -> dict[str, object]:
    """Return the columns of the input, those of the answer, and the error; an answer's column never hides one."""
    row: dict[str, object] = json.loads(entry.source or "{}")
    value = json.loads(entry.answer) if entry.answer is not None else None
    if isinstance(value, dict):
        row.update({f"{answer}.{name}" if name in row else name: field for name, field in value.items()})
    else:
        row[answer] = value
    row["_error"] = _short(json.loads(entry.error)) if entry.error is not None else None
    if with_usage:
        row["_usage"] = json.loads(entry.usage) if entry.usage is not None else None
        row["_cost_usd"] = entry.cost_usd
    return row


def _short(error: dict[str, object]) -> dict[str, object]:
    """Return what of an error a row holds: what it is and what is known of it."""
    return {name: value for name, value in error.items() if value is not None and name not in ("page", "answer", "job")}
