"""Rows and results in Parquet and Arrow files, by pyarrow, which the extra ``tables`` brings.

Files are read and written batch by batch, so that memory does not grow with the rows. Arrow files are those of the IPC
format (https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc): the file
format, which Feather version 2 is, and the stream format.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelex.bulk.cells import cell_text, encodable
from pipelex.bulk.exceptions import RowsFormatError
from pipelex.plugins.inference_backend_registry import require_sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import ModuleType

    from pyarrow import DataType, RecordBatch, Schema, Table

    from pipelex.bulk.formats import FileFormat

_ROWS_AT_ONCE = 1_000
_BUFFER = 1 << 20  # bytes of a Parquet column that are read at once
_ROW_GROUP_BYTES = 32 << 20
_BATCHES_A_GROUP = 100
_ARROW_FILE = b"ARROW1"  # how a file of the IPC file format begins


class TableReader:
    """A Parquet or Arrow file, read batch by batch. Dates, times and decimals are read as text, NaN as no value.

    Args:
        name: The path; for Arrow also ``-``, a stream on standard input.
        file_format: ``parquet`` or ``arrow``.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """

    def __init__(self, name: str, file_format: FileFormat) -> None:
        self._name = name
        self._format = file_format
        self._pa = _pyarrow()

    def rows(self, note_types: Callable[[Schema], None]) -> Iterator[Mapping[str, object]]:
        """Read the rows.

        Args:
            note_types: Is called with the columns and their types before the first row.

        Raises:
            RowsFormatError: The file is of another format, or damaged.
            OSError: It cannot be read.
        """
        with self._opened() as (schema, batches):
            note_types(schema)
            for batch in batches:
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    part = batch.slice(start, _ROWS_AT_ONCE)
                    columns = [self._cells(column) for column in part.columns]
                    for cells in zip(*columns, strict=True):
                        yield dict(zip(schema.names, cells, strict=True))

    def count(self) -> int:
        """Return how many rows there are; a Parquet file states it."""
        if self._format == "parquet":
            from pyarrow.parquet import read_metadata

            return int(read_metadata(self._name).num_rows)
        with self._opened() as (_, batches):
            return sum(batch.num_rows for batch in batches)

    def _cells(self, column: Any) -> list[object]:
        types, kind = self._pa.types, column.type
        if _is_written_as_text(types, kind):
            column = column.cast(self._pa.string())
        elif types.is_floating(kind):
            from pyarrow import compute

            column = compute.if_else(compute.is_nan(column), self._pa.scalar(None, kind), column)
        cells: list[object] = column.to_pylist()
        return cells

    @contextmanager
    def _opened(self) -> Iterator[tuple[Schema, Iterable[RecordBatch]]]:
        pa = self._pa
        try:
            with ExitStack() as stack:
                if self._format == "parquet":
                    from pyarrow.parquet import ParquetFile

                    file = stack.enter_context(ParquetFile(self._name, buffer_size=_BUFFER, pre_buffer=False))
                    yield file.schema_arrow, file.iter_batches(batch_size=_ROWS_AT_ONCE)
                    return
                reader = stack.enter_context(self._arrow_reader(stack))
                count = getattr(reader, "num_record_batches", None)
                yield reader.schema, reader if count is None else map(reader.get_batch, range(count))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError) as exc:
            reason = f"it cannot be read as {self._format.title()}: {exc}"
            raise RowsFormatError(file=self._name, reason=reason) from exc

    def _arrow_reader(self, stack: ExitStack) -> Any:
        from pyarrow import ipc

        if self._name == "-":
            return ipc.open_stream(sys.stdin.buffer)
        with Path(self._name).open("rb") as file:
            is_file = file.read(len(_ARROW_FILE)) == _ARROW_FILE
        mapped = stack.enter_context(self._pa.memory_map(self._name))
        return ipc.open_file(mapped) if is_file else ipc.open_stream(mapped)


def columns_of_bytes(types: Schema | None) -> frozenset[str]:
    """Return the columns that hold bytes: files for a job, which no results hold.

    Args:
        types: The types of the columns, where the file states them.
    """
    kinds = ("binary", "large_binary", "fixed_size_binary", "binary_view")
    return frozenset(field.name for field in types or () if str(field.type).partition("[")[0] in kinds)


def write_table(
    path: Path,
    rows: Callable[[], Iterator[Mapping[str, object]]],
    *,
    file_format: FileFormat,
    columns: Iterable[str] = (),
    known: Schema | None = None,
) -> None:
    """Write rows to a Parquet or Arrow file.

    A column has the type that the input gave it, or else the one that holds all its values. Where none does, and where
    a type has no form in Parquet (an empty object), the column holds text, and what is no text is JSON in it.

    Args:
        path: The file.
        rows: Returns the rows; called twice: for the types, and for the values.
        file_format: ``parquet`` or ``arrow``.
        columns: Columns that there are even without a row.
        known: The types of the input, where it has any.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        OSError: It cannot be written.
    """
    pa = _pyarrow()
    given = {} if known is None else {field.name: field.type for field in known}
    types, kept = _types_of(pa, rows(), columns, given)
    schema = pa.schema([(name, kept.get(name, _fitting(pa, given.get(name), found))) for name, found in types.items()])
    group: list[Table] = []
    with _writer(path, schema, file_format) as writer:
        for batch in _batches(rows()):
            arrays = [_array(pa, [row.get(name) for row in batch], schema.field(name).type) for name in types]
            group.append(pa.Table.from_arrays(arrays, schema=schema))
            if len(group) == _BATCHES_A_GROUP or sum(table.nbytes for table in group) >= _ROW_GROUP_BYTES:
                writer.write_table(pa.concat_tables(group))
                group.clear()
        if group:
            writer.write_table(pa.concat_tables(group))


def _types_of(
    pa: ModuleType, rows: Iterator[Mapping[str, object]], columns: Iterable[str], given: Mapping[str, DataType]
) -> tuple[dict[str, DataType], dict[str, DataType]]:
    """Return for each column the type that holds all its values, and those of the input that hold them as they are."""
    types: dict[str, DataType] = dict.fromkeys(columns, pa.null())
    kept = {name: kind for name, kind in given.items() if not _is_open(kind)}
    for batch in _batches(rows):
        for name in dict.fromkeys(chain(types, *batch)):
            values = [row.get(name) for row in batch]
            types[name] = _merged(pa, types.get(name, pa.null()), values)
            if name in kept and not _holds(pa, kept[name], values):
                del kept[name]
    return {name: pa.string() if _is_open(kind) else kind for name, kind in types.items()}, kept


def _holds(pa: ModuleType, kind: DataType, values: list[object]) -> bool:
    try:
        pa.array(values, kind)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, ValueError, TypeError):
        return False
    return True


def _merged(pa: ModuleType, before: DataType, values: list[object]) -> DataType:
    try:
        found = pa.array(values).type
        if before == found:
            return before
        fields = [pa.schema([("", kind)]) for kind in (before, found)]
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return pa.string()


def _is_open(kind: DataType) -> bool:
    """Return whether a part of a type is not known, or has no form in Parquet."""
    parts = [kind.field(index).type for index in range(kind.num_fields)]
    return str(kind) == "null" or (not parts and str(kind).startswith("struct")) or any(map(_is_open, parts))


def _fitting(pa: ModuleType, given: DataType | None, found: DataType) -> DataType:
    """Return the type that the input gives a column, where what was read can be restored to it."""
    types = pa.types
    if given is None or types.is_time(given):  # no text is cast to a time
        return found
    is_restored = (
        (types.is_integer(given) and types.is_integer(found))
        or (types.is_floating(given) and (types.is_floating(found) or types.is_integer(found)))
        or (_is_written_as_text(types, given) and types.is_string(found))
    )
    return given if is_restored else found


def _is_written_as_text(types: Any, kind: DataType) -> bool:
    """Return whether the cells of a type are read as text: JSON has no form for them."""
    return types.is_decimal(kind) or (types.is_temporal(kind) and not types.is_duration(kind))


def _array(pa: ModuleType, values: list[object], kind: DataType) -> Any:
    if kind == pa.string() or _is_written_as_text(pa.types, kind):
        texts = [encodable(cell_text(value)) if value is not None else None for value in values]
        return pa.array(texts, pa.string()).cast(kind)
    return pa.array(values, kind)


@contextmanager
def _writer(path: Path, schema: Schema, file_format: FileFormat) -> Iterator[Any]:
    if file_format == "parquet":
        from pyarrow.parquet import ParquetWriter

        with ParquetWriter(path, schema, compression="zstd") as writer:
            yield writer
        return
    from pyarrow import OSFile, ipc

    with OSFile(str(path), "wb") as file, ipc.new_file(file, schema) as writer:
        yield writer


def _batches(rows: Iterator[Mapping[str, object]]) -> Iterator[list[Mapping[str, object]]]:
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        yield batch


def check_installed() -> None:
    """Check that pyarrow is there, without importing it.

    Raises:
        MissingDependencyError: It is not installed.
    """
    require_sdk(spec="pyarrow", extra="tables", msg="Parquet and Arrow files are read and written with pyarrow.")


def _pyarrow() -> ModuleType:
    check_installed()
    import pyarrow as pa

    module: ModuleType = pa
    return module
