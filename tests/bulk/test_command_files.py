from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from pipelex.cli.main import main
from tests.bulk.counting import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.counting import CountingPlugin


def run(rows: str = "rows.csv", out: str = "out.csv", *options: str) -> int:
    return main(["map", rows, "--prompt", "{text}", "-m", MODEL, "-o", out, *options])


def test_results_that_were_edited_since_are_not_replaced(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    assert [0, 0] == [run(), run()]
    written = out.read_text(encoding="utf-8")
    out.write_text(f"{written}mine\n", encoding="utf-8")
    assert 1 == run()
    assert "it was changed after the last run wrote it" in capfd.readouterr().err
    assert f"{written}mine\n" == out.read_text(encoding="utf-8")
    out.unlink()
    assert (0, written, 1) == (run(), out.read_text(encoding="utf-8"), plugin.counted().total())


def test_the_file_of_the_rows_is_not_replaced_by_the_results(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    assert 2 == run("rows.csv", "rows.csv", "--new")
    assert "rows.csv is the file of the rows" in capfd.readouterr().err
    assert "text\na\n" == (tmp_path / "rows.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text\ncafé\n".encode("latin-1"), "rows.csv:2: it is not UTF-8 text: convert it first"),
        ("text\na\n".encode("utf-16"), "rows.csv: it is UTF-16 text: convert it first (iconv -f UTF-16 -t UTF-8)"),
        (b'text\na\n"b\nc\n', "rows.csv:3: the row that begins here cannot be parsed"),
        (b"text,text\na,b\n", "two columns are called 'text'"),
        (b"text,b\n1,2,3\n", "rows.csv:2: expected 2 cells, as in the first line, got 3"),
        (b"other\n", "There is no column 'text' in the rows. There are: other"),
    ],
    ids=["latin-1", "utf-16", "open quote", "duplicate header", "ragged", "no rows"],
)
def test_a_csv_file_that_cannot_be_parsed_is_named_with_its_line(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    assert 2 == run()
    err = capfd.readouterr().err
    assert (True, False) == (message in err, "Traceback" in err), err


def test_cells_may_be_huge_and_hold_anything(plugin: CountingPlugin, tmp_path: Path) -> None:
    cells = ["x" * 200_000, 'a "quoted", text', "two\r\nlines", "nul \0 in it", "\u2028"]
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([cell] for cell in cells)])
    assert 0 == run()
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert [f"echo: {cell}" for cell in cells] == [row["answer"] for row in csv.DictReader(file)]


def test_a_failed_row_shows_the_text_that_came_all_the_same(plugin: CountingPlugin, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\ncut off\n", encoding="utf-8")
    assert 1 == run(out="out.jsonl")
    row = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert (None, "InferenceTruncatedError", "echo: cut off") == (
        row["answer"],
        row["_error"]["error"],
        row["_error"]["text"],
    )
