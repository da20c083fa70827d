"""The file of results: the rows of a ledger in the input's order, failed ones among them."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, TextIO

from pipelex.bulk.cells import cell_text, json_text
from pipelex.bulk.formats import DELIMITERS, TABLES
from pipelex.bulk.tables import columns_of_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from pyarrow import Schema

    from pipelex.bulk.formats import FileFormat
    from pipelex.bulk.ledger import Entry, Ledger

    Shape: TypeAlias = Callable[[Entry, object], dict[str, object]]
    """Returns the columns of an answer, of its entry and its value."""

_LINE_END = "\r\n"  # csv puts cells in quotes for the characters in it alone; either one ends a line for readers
_LEFT_OUT = ("page", "answer", "job")
ANSWER = "answer"
"""The name of an answer that is one value, in what a shape returns; its column may be called otherwise."""
ERROR, USAGE, COST = _ADDED = "_error", "_usage", "_cost_usd"


class ResultWriter:
    """Writes the rows of a ledger that have an outcome.

    Args:
        ledger: Where the rows are.
        before: How many rows the input has; ``None`` where it was not read to its end.
        columns: The columns of the input; those of files (bytes) are left out.
        types: Their types, where the input states them.
        answer_column: The column of an answer that is one value.
        shape: Returns the columns of an answer.
        with_usage: Whether to write what each call used and cost.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        before: int | None,
        columns: Sequence[str],
        types: Schema | None,
        answer_column: str,
        shape: Shape,
        with_usage: bool,
    ) -> None:
        self._ledger = ledger
        self._before = before
        self._bytes = columns_of_bytes(types)
        self._columns = [name for name in columns if name not in self._bytes]
        self._types = types
        self._answer_column = answer_column
        self._taken = frozenset((*self._columns, answer_column))
        self._shape = shape
        self._with_usage = with_usage

    def write(self, path: Path, file_format: FileFormat) -> None:
        """Write the rows to a file.

        Raises:
            MissingDependencyError: The format needs pyarrow, which is not installed.
            OSError: It cannot be written.
        """
        if file_format in TABLES:
            from pipelex.bulk.tables import write_table

            write_table(path, self._flat_rows, file_format=file_format, columns=self._columns, known=self._types)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            if file_format not in DELIMITERS:
                file.writelines(f"{json_text(row)}\n" for row in self._rows())
                return
            columns = dict.fromkeys((*self._columns, *(column for row in self._rows() for column in row)))
            writer = csv.writer(_Lines(file), delimiter=DELIMITERS[file_format], lineterminator=_LINE_END)
            writer.writerow(columns)
            for row in self._rows():
                writer.writerow([cell_text(row.get(column)) for column in columns])

    def _rows(self) -> Iterator[dict[str, object]]:
        for entry in self._ledger.entries(before=self._before):
            if entry.state in ("ok", "failed"):
                yield self._result(entry)

    def _flat_rows(self) -> Iterator[dict[str, object]]:
        """Return the rows with errors and usage as JSON: their column then has one type in every table."""
        names = [self._free(name) for name in (ERROR, USAGE)]
        for row in self._rows():
            flat = {name: json_text(row[name]) for name in names if row.get(name) is not None}
            yield {**row, **flat}

    def _result(self, entry: Entry) -> dict[str, object]:
        """Return the columns of the input, those of the answer, and the error: none of them hides another."""
        row: dict[str, object] = json.loads(entry.source or "{}")
        for name in self._bytes:
            row.pop(name, None)  # a row without a file in it
        answer: dict[str, object] = {ANSWER: None}
        if entry.answer is not None:
            answer = self._shape(entry, json.loads(entry.answer))
        added: dict[str, object] = {ERROR: _short(json.loads(entry.error)) if entry.error is not None else None}
        if self._with_usage:
            added[USAGE] = json.loads(entry.usage) if entry.usage is not None else None
            added[COST] = entry.cost_usd
        fields: dict[str, object] = {}
        for name, cell in answer.items():
            fields[self._answer_column if name == ANSWER else self._free(name, row, fields, _ADDED)] = cell
        return {**row, **fields, **{self._free(name, row, fields): cell for name, cell in added.items()}}

    def _free(self, name: str, *taken: Container[str]) -> str:
        """Return what a column that is added is called: it hides none of the input, and none that is taken."""
        while any(name in names for names in (self._taken, *taken)):
            name = f"{self._answer_column}.{name}"
        return name


class _Lines:
    """Ends each line with a line feed alone, as other text files do.

    Args:
        file: Where the lines are written.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        """Write a line."""
        self._file.write(f"{line.removesuffix(_LINE_END)}\n")


def value_columns(_entry: Entry, value: object) -> dict[str, object]:
    """Return the columns of an answer: the fields of an object, or one column."""
    return value if isinstance(value, dict) else {ANSWER: value}


def _short(error: dict[str, object]) -> dict[str, object]:
    """Return what of an error a row holds: what it is, what is known of it, and the text that came all the same."""
    answer = error.get("answer")
    text = answer.get("text") if isinstance(answer, dict) else None
    known = {name: value for name, value in error.items() if value is not None and name not in _LEFT_OUT}
    return {**known, "text": text} if text else known
