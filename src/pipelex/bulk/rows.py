"""Rows of a file or of standard input: JSON Lines, CSV and TSV."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipelex.bulk.exceptions import RowsFormatError
from pipelex.exceptions import InputFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeAlias

    Row: TypeAlias = Mapping[str, object]

STDIN = "-"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_LONGEST_CELL = 2**31 - 1  # csv refuses cells of more than 128 KiB otherwise


class RowSource:
    """The rows of a file, read one by one.

    Args:
        name: The path; ``-`` for JSON Lines on standard input.

    Attributes:
        name: The path.
        columns: The columns, as the first row has them.

    Raises:
        InputFileError: There is no such file, or it cannot be read.
        RowsFormatError: It is of no known format, or its first row cannot be parsed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._suffix = Path(name).suffix.lower() if name != STDIN else _JSON_LINES[0]
        if self._suffix not in (*_JSON_LINES, *DELIMITERS):
            known = ", ".join((*_JSON_LINES, *DELIMITERS))
            raise RowsFormatError(file=name, reason=f"rows are read from files that end in {known}")
        self._rows = self._read()
        first = next(self._rows, None)
        self.columns = tuple(first) if first is not None else ()
        self._first = [first] if first is not None else []

    def __iter__(self) -> Iterator[Row]:
        """Return the rows; to be iterated over once.

        Raises:
            RowsFormatError: A row cannot be parsed.
        """
        return chain(self._first, self._rows)

    def count(self) -> int | None:
        """Return how many rows there are; ``None`` for standard input, which is read once."""
        return sum(1 for _ in self._read()) if self.name != STDIN else None

    def _read(self) -> Iterator[Row]:
        with _opened(self.name) as file:
            if self._suffix in DELIMITERS:
                yield from _csv_rows(self.name, file, DELIMITERS[self._suffix])
            else:
                yield from _json_rows(self.name, file)


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    try:
        if name == STDIN:
            yield sys.stdin
        else:
            with Path(name).open(encoding="utf-8-sig", newline="") as file:
                yield file
    except UnicodeDecodeError as exc:
        raise RowsFormatError(file=name, reason=f"it is not UTF-8 text (byte {exc.start} of a part)") from exc
    except OSError as exc:
        raise InputFileError(file=name, reason=f"{name}: it cannot be read: {exc.strerror or exc}") from exc


def _json_rows(name: str, lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            reason = f"it is not JSON: {exc}. Each line is one JSON object"
            raise RowsFormatError(file=name, line=number, reason=reason) from exc
        if not isinstance(row, dict):
            reason = f"expected a JSON object, got {type(row).__name__}. Each line is one JSON object"
            raise RowsFormatError(file=name, line=number, reason=reason)
        yield row


def _csv_rows(name: str, lines: Iterable[str], delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        twice = next((column for column in header if header.count(column) > 1), None)
        if twice is not None:
            raise RowsFormatError(file=name, line=1, reason=f"two columns are called {twice!r}. Rename one of them")
        for cells in reader:
            if cells and len(cells) != len(header):
                reason = f"expected {len(header)} cells, as in the first line, got {len(cells)}"
                raise RowsFormatError(file=name, line=reader.line_num, reason=reason)
            if cells:
                yield dict(zip(header, cells, strict=True))
    except csv.Error as exc:
        raise RowsFormatError(file=name, line=reader.line_num, reason=f"it cannot be parsed: {exc}") from exc
