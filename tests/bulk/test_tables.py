from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest

from pipelex.bulk.exceptions import RowsFormatError
from pipelex.bulk.rows import RowSource
from pipelex.bulk.tables import write_table
from pipelex.cli.main import main
from pipelex.exceptions import MissingDependencyError
from tests.bulk.conftest import ROOT
from tests.bulk.counting import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.counting import CountingPlugin

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TABLE = pa.table(
    {
        "text": ["a", "fail"],
        "count": pa.array([1, None], pa.int32()),
        "at": pa.array([NOON, None], pa.timestamp("ns", tz="UTC")),
        "price": pa.array([Decimal("1.50"), None]),
        "score": pa.array([0.5, float("nan")]),
        "tags": pa.array([["x"], None]),
        "picture": pa.array([{"bytes": b"\x89PNG", "path": "a.png"}, None]),
        "raw": pa.array([b"\xff", None]),
        "large": pa.array([2**64 - 1, None], pa.uint64()),
        "point": pa.array([[1, 2], None], pa.list_(pa.int32(), 2)),
        "kind": pa.array(["x", None]).dictionary_encode(),
        "parts": pa.array([{"a": [1], "b": {"c": "d"}}, None]),
    }
)


def write(path: Path, table: pa.Table = TABLE) -> str:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        make = pyarrow.ipc.new_stream if path.name.startswith("stream") else pyarrow.ipc.new_file
        with make(path, table.schema) as writer:
            writer.write_table(table)
    return str(path)


def read(path: Path) -> pa.Table:
    return pyarrow.parquet.read_table(path) if path.suffix == ".parquet" else pyarrow.ipc.open_file(path).read_all()


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "stream.arrow", "rows.feather"])
def test_rows_of_a_table_have_values_that_json_can_hold(tmp_path: Path, name: str) -> None:
    source = RowSource(write(tmp_path / name))
    first, second = source
    assert (2, tuple(TABLE.column_names)) == (source.count(), source.columns)
    assert {"text": "a", "count": 1, "at": "2026-01-02 12:00:00.000000000Z", "price": "1.50"}.items() <= first.items()
    assert (None, None, None) == (second["count"], second["score"], second["at"])


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_results_keep_the_types_of_the_input(plugin: CountingPlugin, tmp_path: Path, ending: str) -> None:
    rows, out = write(tmp_path / "rows.parquet"), tmp_path / f"out.{ending}"
    prompt = "{text}/{count}/{at}/{price}/{score}/{tags}"
    assert 1 == main(["map", rows, "--prompt", prompt, "--image-column", "picture", "-m", MODEL, "-o", str(out)])
    found = read(out)
    kept = ("text", "count", "at", "price", "tags", "large", "point", "kind", "parts")
    read_as = RowSource(rows).types  # Parquet keeps no dictionary, and renames the parts of a type
    assert read_as is not None
    assert TABLE.select(kept).to_pylist() == found.select(kept).to_pylist()
    assert [read_as.field(name).type for name in kept] == [found.schema.field(name).type for name in kept]
    assert "raw" not in found.column_names
    assert 'echo: a/1/2026-01-02 12:00:00.000000000Z/1.50/0.5/["x"]' == found["answer"][0].as_py()
    assert "InferenceRequestError" == json.loads(found["_error"][1].as_py())["error"]


def test_a_prompt_shows_durations_as_text_and_refuses_bytes(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    columns = {"raw": [b"\xff"], "took": [timedelta(seconds=1)], "scores": [[float("nan"), 1.0]]}
    rows = write(tmp_path / "rows.parquet", pa.table(columns))
    assert 0 == main(["map", rows, "--prompt", "{took} {scores}", "-m", MODEL, "-o", "out.jsonl"])
    found = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert ("echo: 0:00:01 [null, 1.0]", [None, 1.0]) == (found["answer"], found["scores"])
    assert 2 == main(["map", rows, "--prompt", "{raw}", "-m", MODEL, "-o", "other.jsonl"])
    assert "column 'raw' holds bytes, which are no text" in capfd.readouterr().err


def test_a_column_whose_values_fit_no_type_becomes_text(tmp_path: Path) -> None:
    cells: dict[str, list[object]] = {
        "mixed": [1, "a"],
        "widened": [1, 1.5],
        "nested": [{"a": 1}, {"b": [2]}],
        "hollow": [{}, None],
        "never": [None, None],
        "huge": [2**70, 1],
        "half": ["\ud800", "b"],
    }
    rows: list[dict[str, Any]] = [{name: values[index] for name, values in cells.items()} for index in range(2)]
    write_table(tmp_path / "out.parquet", lambda: iter(rows), file_format="parquet")
    found = read(tmp_path / "out.parquet").to_pydict()
    assert (["1", "a"], [1.0, 1.5], ["{}", None]) == (found["mixed"], found["widened"], found["hollow"])
    assert [{"a": 1, "b": None}, {"a": None, "b": [2]}] == found["nested"]
    assert ([str(2**70), "1"], ["\\ud800", "b"]) == (found["huge"], found["half"])


def test_what_is_no_table_is_a_named_error(tmp_path: Path) -> None:
    for name in ("rows.parquet", "rows.arrow"):
        (tmp_path / name).write_text("no table at all", encoding="utf-8")
        with pytest.raises(RowsFormatError, match=f"{name}: it cannot be read as {name[5:].title()}"):
            RowSource(str(tmp_path / name))
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(RowsFormatError, match="two columns are called 'a'"):
        RowSource(write(tmp_path / "twice.arrow", twice))
    with pytest.raises(RowsFormatError, match="not from a pipe"):
        RowSource("-", "parquet")


def test_without_pyarrow_the_error_names_the_extra_before_any_call(
    plugin: CountingPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = write(tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}', encoding="utf-8")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"\[tables\]"):
        RowSource(rows)
    monkeypatch.setattr(sys, "argv", ["pipelex"])
    assert 2 == main(["map", "rows.jsonl", "--prompt", "{text}", "-m", MODEL, "-o", "out.parquet"])
    assert ("[tables]" in capfd.readouterr().err, 0) == (True, plugin.counted().total())


def test_an_arrow_stream_comes_from_standard_input(plugin: CountingPlugin, tmp_path: Path) -> None:
    write(tmp_path / "stream.arrow", TABLE.select(["text"]))
    command = (
        sys.executable,
        "-m",
        "tests.bulk.process",
        str(plugin.calls),
        "0",
        "cli",
        "map",
        "-",
        "--format",
        "arrow",
        "--prompt",
        "{text}",
        "-m",
        MODEL,
        "-o",
        "out.jsonl",
    )
    with (tmp_path / "stream.arrow").open("rb") as stream:
        done = subprocess.run(
            command, stdin=stream, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False
        )
    assert 1 == done.returncode
    assert ["echo: a", None] == [
        json.loads(line)["answer"] for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_memory_does_not_grow_with_the_rows_of_a_table(tmp_path: Path) -> None:
    def rows() -> Any:
        return ({"text": str(number) * 20} for number in range(60_000))

    before = pa.total_allocated_bytes()
    write_table(tmp_path / "many.parquet", rows, file_format="parquet")
    source = RowSource(str(tmp_path / "many.parquet"))
    most = max(pa.total_allocated_bytes() - before for _ in source)
    assert 60_000 == source.count()
    assert most < 3 << 20
