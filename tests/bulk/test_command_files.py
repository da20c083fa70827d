from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.bulk.ledger import Entry, open_ledger
from pipelex.bulk.results import ResultWriter, value_columns
from pipelex.bulk.rows import RowSource
from pipelex.cli.main import main
from tests.bulk.counting import MODEL

if TYPE_CHECKING:
    from tests.bulk.counting import CountingPlugin


NEXT = ("--answer-column", "next")


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
    assert 2 == run()
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
        ("text\na\n".encode("utf-32"), "rows.csv: it is UTF-32 text: convert it first (iconv -f UTF-32 -t UTF-8)"),
        (b'text\na\n"b\nc\n', "rows.csv:3: the row that begins here cannot be parsed"),
        (b"text,text\na,b\n", "two columns are called 'text'"),
        (b"text,b\n1,2,3\n", "rows.csv:2: expected 2 cells, as in the first line, got 3"),
        (b"other\n", "There is no column 'text' in the rows. There are: other"),
        (b"", "rows.csv: it is empty: its first line has to name the columns"),
        (b"\n text,b,\x00\n", "There are: ' text', b, '\\x00'."),
        (b"\n\ntext,b\n\n1\n", "rows.csv:5: expected 2 cells"),
        (b"a,text,b,a\n", "two columns are called 'a'"),
        (",".join(map(str, range(100_000))).encode(), ", 19 and 99,980 more. Write"),
        (gzip.compress(b"text\na\n"), "gzip -dc < rows.csv | pipelex map -"),
        (b"id\ttext\n1\ta\n", "separated by tabs: pass --format tsv"),
        (b"id|text\n1|a\n", "separated by |. Convert the file first: tr '|' '\\t' < rows.csv > rows-converted.tsv"),
    ],
    ids=[
        *("latin-1", "utf-16", "utf-32", "open quote", "duplicate header", "ragged", "no rows", "empty", "odd names"),
        *("blank lines", "two apart", "wide", "compressed", "tabs", "bars"),
    ],
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


def test_cells_may_be_separated_by_semicolons(plugin: CountingPlugin, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('\ufeff\ntext;price\n"a; b";1,50\n', encoding="utf-8")
    assert 0 == run(out="out.jsonl")
    row = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert {"text": "a; b", "price": "1,50", "answer": "echo: a; b", "_error": None} == row


@pytest.mark.parametrize("out", ["out.jsonl", "out.csv", "out.parquet"])
def test_no_column_of_the_input_is_hidden_by_those_that_are_added(
    plugin: CountingPlugin, tmp_path: Path, out: str
) -> None:
    (tmp_path / "rows.csv").write_text("text,_error,_usage\na,e,u\n", encoding="utf-8")
    assert 0 == run("rows.csv", out, "--usage")
    assert 0 == main(["map", out, "--prompt", "{_error}{answer._usage}", "-m", MODEL, "-o", "next.jsonl", *NEXT])
    row = json.loads((tmp_path / "next.jsonl").read_text(encoding="utf-8"))
    assert ("e", "u", "echo: a") == (row["_error"], row["_usage"], row["answer"])
    assert {"next", "answer._error", "next._error"} <= row.keys()
    assert 'echo: e{"input_tokens": 3, "output_tokens": 2}' == row["next"]


def test_lines_of_white_space_are_blank(plugin: CountingPlugin, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,b\n  \na,1\n\t\n", encoding="utf-8")
    assert (0, "text,b,answer,_error\na,1,echo: a,\n") == (run(), (tmp_path / "out.csv").read_text(encoding="utf-8"))


def test_numbers_that_are_none_in_json_are_no_values(plugin: CountingPlugin, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "x": NaN, "y": -Infinity}\n', encoding="utf-8")
    assert 0 == run("rows.jsonl", "out.jsonl")
    written = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert '{"text": "a", "x": null, "y": null, "answer": "echo: a", "_error": null}\n' == written


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "null"])
def test_a_number_that_json_has_not_is_nothing_in_a_prompt(plugin: CountingPlugin, tmp_path: Path, number: str) -> None:
    (tmp_path / "rows.jsonl").write_text(f'{{"text": {number}, "x": [{number}]}}\n', encoding="utf-8")
    assert 0 == main(["map", "rows.jsonl", "--prompt", "<{text}{x}>", "-m", MODEL, "-o", "out.jsonl"])
    assert {"<[null]>": 1} == plugin.counted()


def test_a_closed_standard_input_is_a_named_error(
    plugin: CountingPlugin, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert 2 == run("-", "out.jsonl")
    assert "there is no standard input" in capfd.readouterr().err


def test_a_report_is_read_where_nothing_can_be_written(
    plugin: CountingPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    assert 0 == run()
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("pipelex.bulk.ledger.lock_file", lambda _: None)
    assert 0 == main(["map", "--report", "out.csv"])
    assert "rows      1: 1 ok" in capfd.readouterr().out
    assert {"rows.csv", "out.csv", "out.csv.ledger", "calls.txt", "home"} == {path.name for path in tmp_path.iterdir()}


def test_files_that_are_not_there_end_with_code_2(plugin: CountingPlugin, capfd: pytest.CaptureFixture[str]) -> None:
    assert 2 == run("no.csv")
    assert "no.csv: it cannot be read: No such file" in capfd.readouterr().err
    Path("rows.csv").write_text("text\na\n", encoding="utf-8")
    assert 2 == run(out="no/out.csv")
    assert "no: there is no such folder" in capfd.readouterr().err


@pytest.mark.parametrize("column", ["_error", "_usage", "_cost_usd"])
def test_a_column_of_answers_is_hidden_by_none_of_the_results(
    plugin: CountingPlugin, tmp_path: Path, column: str
) -> None:
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    assert 0 == run("rows.csv", "out.jsonl", "--usage", "--answer-column", column)
    row = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert "echo: a" == row[column]
    assert f"{column}.{column}" in row


def test_a_field_of_an_object_is_hidden_by_none_of_the_results(plugin: CountingPlugin, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "job.db")
    answer = {"_error": "none", "_usage": "low", "text": "ours", "answer.text": "twice"}
    ledger.save(Entry(0, 0, "", "ok", source='{"text": "a"}', answer=json.dumps(answer)))
    writer = ResultWriter(
        ledger, before=1, columns=["text"], types=None, answer_column="answer", shape=value_columns, with_usage=True
    )
    writer.write(tmp_path / "out.jsonl", "jsonl")
    ledger.close()
    row = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    fields = {"answer._error": "none", "answer._usage": "low", "answer.text": "ours", "answer.answer.text": "twice"}
    assert {"text": "a", **fields, "_error": None, "_usage": None, "_cost_usd": None} == row


def test_json_rows_may_leave_out_a_column(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = '{"id": 1}\n{"id": 2, "text": "b"}\n'
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    assert 1 == run("rows.jsonl", "out.jsonl")
    first, last = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert ("MissingColumnError", "echo: b") == (first["_error"]["error"], last["answer"])
    (tmp_path / "rows.jsonl").write_text(rows.replace("text", "txet"), encoding="utf-8")
    assert 2 == run("rows.jsonl", "other.jsonl")
    assert "no column 'text' in the rows. There are: txet, id." in capfd.readouterr().err


@pytest.mark.parametrize("content", ['[{"text": "a"}]', '[\n{"text": "a"}\n]'])
def test_an_array_in_place_of_json_lines_is_named_with_the_fix(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(content, encoding="utf-8")
    assert 2 == run("rows.jsonl")
    assert "Convert a JSON array first: jq -c '.[]' rows.jsonl > rows-converted.jsonl" in capfd.readouterr().err


def test_a_damaged_ledger_is_named_with_the_fix(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    ledger = tmp_path / "out.csv.ledger"
    assert 0 == run()
    content = ledger.read_bytes()
    ledger.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert 2 == run()
    assert (
        "out.csv.ledger: it is damaged. Restore a copy of it, or move it away to start over" in capfd.readouterr().err
    )


def test_an_empty_name_of_the_results_is_a_wrong_command_line(
    plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    assert 2 == run(out="")
    assert "Name the file of the results: --out FILE." in capfd.readouterr().err


@pytest.mark.parametrize("out", ["out.csv", "out.tsv"])
def test_cells_with_any_characters_are_read_again_from_the_results(
    plugin: CountingPlugin, tmp_path: Path, out: str
) -> None:
    cells = ["a\rb", "a\nb", "a\r\nb", 'a "b"', "a,b", "a\tb", "a;b", " a", "a\x00b", "a\u2028b", "a\x85b", "a\\"]
    rows = "".join(f"{json.dumps({'text': cell})}\n" for cell in cells)
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    assert 0 == run("rows.jsonl", out)
    assert [(cell, f"echo: {cell}") for cell in cells] == [(row["text"], row["answer"]) for row in RowSource(out)]


def test_a_comma_in_quotes_separates_no_cells(plugin: CountingPlugin, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('"a, b";text\n"1;2";c\n', encoding="utf-8")
    assert [{"a, b": "1;2", "text": "c"}] == list(RowSource("rows.csv"))
