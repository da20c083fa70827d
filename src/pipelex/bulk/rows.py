"""Rows of a file or of standard input: JSON Lines, CSV, TSV, Parquet and Arrow."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from collections import Counter
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pipelex.bulk.cells import cell_text, encodable
from pipelex.bulk.exceptions import DuplicateRowKeyError, RowsFileError, RowsFormatError
from pipelex.bulk.formats import DELIMITERS, FORMATS, TABLES, format_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from pyarrow import Schema

    from pipelex.bulk.formats import FileFormat
    from pipelex.bulk.tables import TableReader

    Row: TypeAlias = Mapping[str, object]

__all__ = ["RowSource"]

STDIN = "-"
_MOST_AHEAD = 1_000
_LONGEST_CELL = 2**31 - 1  # csv refuses cells of more than 128 KiB otherwise
_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_GZIP_MARK = b"\x1f\x8b"
_JSON = json.JSONDecoder(parse_constant=lambda _name: None)  # NaN and Infinity are no JSON, and no values in tables
_COMPRESSED = "it is compressed. Read it from standard input: gzip -dc < {name} | pipelex map - --format FORMAT ..."
_CONVERT = "convert it first (iconv -f {encoding} -t UTF-8)"


class RowSource:
    """The rows of a file, read one by one: an iterable for ``px.map``, to be iterated over once.

    Args:
        name: The path; ``-`` for standard input.
        file_format: The format (``"jsonl"``, ``"csv"``, ``"tsv"``, ``"parquet"``, ``"arrow"``); by default the ending
            of the name states it, and standard input holds JSON Lines.

    Attributes:
        name: The path.
        columns: The columns: those of the header, of the schema, or of the first JSON objects.
        types: The types of the columns, where the file states them.

    Raises:
        RowsFileError: There is no such file, or it cannot be read.
        RowsFormatError: It is of no known format, or its first row cannot be parsed.
        MissingDependencyError: The format needs pyarrow, which is not installed.
    """

    def __init__(self, name: str, file_format: FileFormat | None = None) -> None:
        self.name = name
        found = file_format or ("jsonl" if name == STDIN else format_of(name))
        if found is None:
            raise RowsFormatError(file=name, reason=_unknown_format(name))
        self._format: FileFormat = found
        if found == "parquet" and not self._is_file():
            raise RowsFormatError(file=name, reason="Parquet is read from a file, not from a pipe")
        self.columns: tuple[str, ...] = ()
        self.types: Schema | None = None
        self._rows = self._read()
        first = next(self._rows, None)
        self._first = [first] if first is not None else []

    def __iter__(self) -> Iterator[Row]:
        """Return the rows.

        Raises:
            RowsFormatError: A row cannot be parsed.
        """
        return chain(self._first, self._rows)

    def count(self) -> int | None:
        """Return how many rows there are; ``None`` for standard input and pipes, which are read once."""
        if not self._is_file():
            return None
        if self._format in TABLES:
            with _named_errors(self.name):
                return self._table().count()
        return sum(1 for _ in self._read())

    def check_keys(self, column: str, *, limit: int | None = None) -> None:
        """Check that no two rows have the same key, in memory that does not grow. What is read once is not checked.

        Args:
            column: The column of the keys.
            limit: How many rows are to be used; ``None``: all of them.

        Raises:
            DuplicateRowKeyError: Two rows have the same key.
            RowsFormatError: A row cannot be parsed.
        """
        if not self._is_file():
            return
        with closing(sqlite3.connect("")) as seen:  # a temporary file, which SQLite removes
            seen.execute("CREATE TABLE keys (key TEXT PRIMARY KEY, position INTEGER) WITHOUT ROWID")
            for position, row in enumerate(islice(self._read(), limit)):
                key = row_key(row, column)
                if not seen.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (key, position)).rowcount:
                    (first,) = seen.execute("SELECT position FROM keys WHERE key = ?", (key,)).fetchone()
                    raise DuplicateRowKeyError(key=key, first=first, second=position, column=column)

    def look_for(self, columns: Iterable[str]) -> None:
        """Read on until some row has each of the columns: JSON objects may leave out what has no value.

        Args:
            columns: The columns. Where they are not in the first thousand rows, they are in none.

        Raises:
            RowsFormatError: A row cannot be parsed.
        """
        wanted = set(columns)
        if self._format in DELIMITERS or self._format in TABLES:
            return
        while wanted.difference(self.columns) and len(self._first) < _MOST_AHEAD:
            row = next(self._rows, None)
            if row is None:
                return
            self._first.append(row)
            self._note_columns(list(row))

    def separator_hint(self) -> str:
        """Return the fix, as a sentence, where something else seems to separate the cells; otherwise nothing."""
        header = "".join(self.columns)
        read_as = DELIMITERS.get(self._format)
        if read_as == "," and "\t" in header:
            return "The cells seem to be separated by tabs: pass --format tsv."
        if read_as == "\t" and len(self.columns) == 1 and ("," in header or ";" in header):
            return "The cells seem to be separated by commas or semicolons: pass --format csv."
        if read_as is not None and "|" in header:
            fix = f"tr '|' '\\t' < {self.name} > {_beside(self.name, 'tsv')}"
            return f"The cells seem to be separated by |. Convert the file first: {fix}"
        return ""

    def _is_file(self) -> bool:
        return self.name != STDIN and (Path(self.name).is_file() or not Path(self.name).exists())

    def _table(self) -> TableReader:
        from pipelex.bulk.tables import TableReader

        return TableReader(self.name, self._format)

    def _read(self) -> Iterator[Row]:
        with _named_errors(self.name):
            if self._format in TABLES:
                yield from self._table().rows(self._note_types)
                return
            with _opened(self.name) as file:
                if self._format in DELIMITERS:
                    yield from _csv_rows(self.name, file, DELIMITERS[self._format], self._note_columns)
                else:
                    yield from _json_rows(self.name, file, self._note_columns)

    def _note_columns(self, columns: Sequence[str]) -> None:
        """Keep the columns beside those that are known, and check that their names differ."""
        self.columns = tuple(dict.fromkeys((*self.columns, *columns)))
        twice, count = Counter(columns).most_common(1)[0] if columns else ("", 1)
        if count > 1:
            raise RowsFormatError(file=self.name, reason=f"two columns are called {twice!r}. Rename one of them")

    def _note_types(self, types: Schema) -> None:
        self._note_columns(types.names)
        self.types = types


def row_key(row: Row, column: str) -> str:
    """Return the key of a row; a row without one has an empty key."""
    return encodable(cell_text(row.get(column)))


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as exc:
        raise _not_utf8(name) from exc
    except OSError as exc:
        raise RowsFileError(file=name, reason=f"{name}: it cannot be read: {exc.strerror or exc}") from exc


def _unknown_format(name: str) -> str:
    """Return why a file is of no format that is read, and the command that converts it."""
    if name.endswith(".gz"):
        return _COMPRESSED.format(name=name)
    hint = f". {_from_array(name)}" if name.endswith(".json") else ""
    return f"rows are read from files that end in {', '.join(FORMATS)}; or pass --format{hint}"


def _from_array(name: str) -> str:
    """Return the fix, as a sentence, where a file holds a JSON array."""
    if name == STDIN:
        return "Convert a JSON array first: jq -c '.[]' | pipelex map - ..."
    return f"Convert a JSON array first: jq -c '.[]' {name} > {_beside(name, 'jsonl')}"


def _beside(name: str, ending: str) -> str:
    """Return a name for what a file is converted to: never that of the file, which the shell would empty."""
    return f"{Path(name).stem}-converted.{ending}"


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    if name == STDIN:
        if sys.stdin is None:
            raise RowsFileError(file=name, reason="there is no standard input")
        sys.stdin.reconfigure(encoding="utf-8-sig", newline="")  # type: ignore[union-attr]  # it is a text file
        yield sys.stdin
        return
    with Path(name).open(encoding="utf-8-sig", newline="") as file:
        yield file


def _not_utf8(name: str) -> RowsFormatError:
    """Return the error for a file in another encoding, with its first line that is not UTF-8."""
    if name == STDIN or not Path(name).is_file():
        return RowsFormatError(file=name, reason="it is not UTF-8 text. Convert it first")
    with Path(name).open("rb") as file:
        start = file.read(4)
        if start.startswith(_GZIP_MARK):
            return RowsFormatError(file=name, reason=_COMPRESSED.format(name=name))
        encoding = next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), None)
        if encoding is not None:
            return RowsFormatError(file=name, reason=f"it is {encoding} text: {_CONVERT.format(encoding=encoding)}")
        file.seek(0)
        number = next((number for number, line in enumerate(file, start=1) if not _is_utf8(line)), None)
    reason = f"it is not UTF-8 text: {_CONVERT.format(encoding='WINDOWS-1252')}, or whatever it is encoded in"
    return RowsFormatError(file=name, line=number, reason=reason)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json_rows(name: str, lines: Iterable[str], note_columns: Callable[[Sequence[str]], None]) -> Iterator[Row]:
    is_first = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = _JSON.decode(line.rstrip())
        except (ValueError, RecursionError) as exc:
            what = f"{exc.msg} (column {exc.colno})" if isinstance(exc, json.JSONDecodeError) else str(exc)
            raise _not_an_object(name, number, line, f"it is not JSON: {what}") from exc
        if not isinstance(row, dict):
            raise _not_an_object(name, number, line, f"expected a JSON object, got {type(row).__name__}")
        if is_first:
            note_columns(list(row))
            is_first = False
        yield row


def _not_an_object(name: str, number: int, line: str, what: str) -> RowsFormatError:
    """Return the error for a line of JSON Lines; a file that begins with a bracket is a JSON array."""
    fix = _from_array(name) if number == 1 and line.startswith("[") else "Each line is one JSON object"
    return RowsFormatError(file=name, line=number, reason=f"{what}. {fix}")


def _csv_rows(
    name: str, lines: Iterator[str], delimiter: str, note_columns: Callable[[Sequence[str]], None]
) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_CELL)
    first, before = _first_line(name, lines)
    reader = csv.reader(chain([first], lines), delimiter=_delimiter_of(first, delimiter), strict=True)
    began = before + 1  # the line at which a row begins: an open quote runs on to the end of the file
    try:
        header = next(reader)
        note_columns(header)
        began = before + reader.line_num + 1
        for cells in reader:
            if len(cells) == 1 < len(header) and not cells[0].strip():
                cells = []  # noqa: PLW2901 - a line of white space is blank
            if cells and len(cells) != len(header):
                reason = f"expected {len(header)} cells, as in the first line, got {len(cells)}"
                raise RowsFormatError(file=name, line=began, reason=reason)
            if cells:
                yield dict(zip(header, cells, strict=True))
            began = before + reader.line_num + 1
    except csv.Error as exc:
        reason = f"the row that begins here cannot be parsed: {exc}"
        raise RowsFormatError(file=name, line=began, reason=reason) from exc


def _first_line(name: str, lines: Iterator[str]) -> tuple[str, int]:
    """Return the first line that is not blank, and how many come before it."""
    for number, line in enumerate(lines):
        if line.strip():
            return line, number
    raise RowsFormatError(file=name, reason="it is empty: its first line has to name the columns")


def _delimiter_of(header: str, delimiter: str) -> str:
    """Return what separates the cells: semicolons, where the first line has them in place of commas."""
    unquoted = "".join(header.split('"')[::2])
    return ";" if delimiter == "," and ";" in unquoted and "," not in unquoted else delimiter
