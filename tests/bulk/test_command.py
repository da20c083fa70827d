from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.bulk.ledger import open_ledger
from pipelex.cli.main import main
from tests.bulk.counting import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bulk.conftest import Processes
    from tests.bulk.counting import CountingPlugin

SCHEMA = '{"type": "object", "properties": {"text": {"type": "string"}, "length": {"type": "integer"}}}'


@pytest.fixture
def run(plugin: CountingPlugin, tmp_path: Path) -> Callable[..., int]:
    """Run ``pipelex map`` on a file of rows, with a prompt, a model and results unless the test names others."""

    def run(*options: str, rows: str = "rows.jsonl", prompt: str = "{text}", out: str = "out.jsonl") -> int:
        return main(["map", rows, "--prompt", prompt, "-m", MODEL, "-o", out, *options])

    write_rows(tmp_path, "a", "fail", "b")
    return run


def write_rows(folder: Path, *texts: str) -> None:
    lines = [json.dumps({"id": index, "text": text}) for index, text in enumerate(texts)]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]


def test_results_are_in_the_order_of_the_input_with_failed_rows_among_them(
    run: Callable[..., int], tmp_path: Path
) -> None:
    assert 1 == run()
    first, failed, last = results(tmp_path)
    assert {"id": 0, "text": "a", "answer": "echo: a", "_error": None} == first
    assert (1, None, "InferenceRequestError", 400) == (
        failed["id"],
        failed["answer"],
        failed["_error"]["error"],
        failed["_error"]["status_code"],
    )
    assert "echo: b" == last["answer"]


def test_a_csv_file_becomes_a_csv_file(run: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('\ufefftext,more words\n"one, two",x\n"three\nfour",\n', encoding="utf-8")
    assert 0 == run("--usage", rows="rows.csv", out="out.csv", prompt="{more words}/{text}")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert ["echo: x/one, two", "echo: /three\nfour"] == [row["answer"] for row in rows]
    assert {"text": "one, two", "more words": "x", "_error": "", "_cost_usd": ""}.items() <= rows[0].items()
    assert {"input_tokens": 3, "output_tokens": 2} == json.loads(rows[0]["_usage"])


def test_fields_of_an_object_are_columns_and_hide_none_of_the_input(run: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(SCHEMA, encoding="utf-8")
    assert 1 == run("--schema", "schema.json")
    assert {"id": 0, "text": "a", "answer.text": "echo: a", "length": 7, "_error": None} == results(tmp_path)[0]


def test_the_same_command_resumes_and_failed_rows_are_retried_on_request(
    run: Callable[..., int], tmp_path: Path, plugin: CountingPlugin
) -> None:
    assert [0, 1] == [run("--limit", "1"), run()]
    assert {"a": 1, "fail": 1, "b": 1} == plugin.counted()
    write_rows(tmp_path, "a", "corrected", "b", "c")
    assert 0 == run("--retry-failed")
    assert {"a": 1, "fail": 1, "b": 1, "corrected": 1, "c": 1} == plugin.counted()
    assert ["echo: a", "echo: corrected", "echo: b", "echo: c"] == [row["answer"] for row in results(tmp_path)]


@pytest.mark.parametrize(
    ("options", "changed", "message"),
    [
        ((), {"prompt": "{txet}"}, "no column 'txet' in the rows. There are: text, id"),
        ((), {"prompt": "{text"}, "Write {{ and }} for plain braces"),
        ((), {"prompt": "{text!r:>3}"}, "no name of a column"),
        (("--key", "ident"), {}, "no column 'ident'"),
        ((), {"rows": "rows.xls"}, ".jsonl, .ndjson, .csv, .tsv"),
        ((), {"rows": "half.jsonl"}, "half.jsonl:2: it is not JSON"),
        ((), {"rows": "list.jsonl"}, "list.jsonl:1: expected a JSON object, got list"),
        ((), {"rows": "short.csv"}, "short.csv:3: expected 2 cells, as in the first line, got 1"),
        ((), {"out": "out.txt"}, ".jsonl, .ndjson, .csv, .tsv, .parquet"),
        (("--answer-column", "text"), {}, "--answer-column"),
    ],
)
def test_a_wrong_command_line_is_named_and_ends_with_code_2(
    run: Callable[..., int],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    changed: dict[str, str],
    message: str,
) -> None:
    (tmp_path / "half.jsonl").write_text('{"text": "a"}\n{"text": ', encoding="utf-8")
    (tmp_path / "list.jsonl").write_text("[1]\n", encoding="utf-8")
    (tmp_path / "short.csv").write_text("text,b\n1,2\n3\n", encoding="utf-8")
    assert 2 == run(*options, **changed)
    err = capfd.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_a_changed_prompt_is_an_error_that_names_it_and_new_starts_over(
    run: Callable[..., int], capfd: pytest.CaptureFixture[str], plugin: CountingPlugin
) -> None:
    run()
    assert 2 == run(prompt="Other: {text}")
    assert "prompt: {text} in the ledger, Other: {text} now" in capfd.readouterr().err
    assert 2 == run("--temperature", "0.5")
    assert 'parameters: nothing in the ledger, {"temperature": 0.5} now' in capfd.readouterr().err
    assert 1 == run("--new", prompt="Other: {text}")
    assert 1 == plugin.counted()["Other: a"]


def test_a_file_that_no_run_wrote_is_not_replaced(
    run: Callable[..., int], tmp_path: Path, plugin: CountingPlugin, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.jsonl").write_text("mine", encoding="utf-8")
    assert 2 == run()
    assert ("mine", 0) == ((tmp_path / "out.jsonl").read_text(encoding="utf-8"), plugin.counted().total())
    assert "it exists already" in capfd.readouterr().err


def test_a_dry_run_shows_three_rows_and_estimates_without_a_call(
    run: Callable[..., int], plugin: CountingPlugin, capfd: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run("--dry-run", prompt="Sentiment of: {text}")
    shown = capfd.readouterr().out
    assert "--- row 1\nSentiment of: a\n--- row 2" in shown
    assert "3 rows. About 12 tokens in, out unknown (limit it with --max-tokens)." in shown
    assert "cost of the input: unknown; in all: unknown" in shown
    assert 0 == run("--dry-run", "--json", "--max-tokens", "10")
    assert 30 == json.loads(capfd.readouterr().out)["most_output_tokens"]
    assert 2 == run("--dry-run", "--schema", "missing.json")
    assert 0 == plugin.counted().total()


def test_the_report_counts_failures_by_kind(run: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> None:
    run()
    capfd.readouterr()
    assert 0 == main(["map", "--report", "out.jsonl"])
    shown = capfd.readouterr().out
    assert "rows      3: 2 ok, 1 failed, 0 interrupted\n          1 InferenceRequestError\ncost      unknown" in shown
    assert 0 == main(["map", "--report", "out.jsonl", "--json"])
    found = json.loads(capfd.readouterr().out)
    assert (3, 2, {"InferenceRequestError": 1}) == (found["rows"], found["ok"], found["failures"])
    assert {"input_tokens": 6, "output_tokens": 4} == found["usage"]
    assert found["latency_s"].keys() == {"median", "p95", "max"}
    assert 2 == main(["map", "--report", "other.jsonl"])
    assert 2 == main(["map", "--report", "."])


def test_too_many_failures_end_with_code_1_and_the_results_so_far(run: Callable[..., int], tmp_path: Path) -> None:
    write_rows(tmp_path, "a", *["fail"] * 20)
    assert 1 == run("--max-failures", "1", "--concurrency", "1")
    assert 3 == len(results(tmp_path))


def test_rows_come_from_standard_input(processes: Processes, tmp_path: Path) -> None:
    process = processes.start("map", "-", "--prompt", "{text}", "-m", MODEL, "-o", "out.jsonl", kind="cli")
    out, err = process.communicate('{"text": "a"}\n\n{"text": "b"}\n', timeout=60)
    assert (0, "") == (process.returncode, out), err
    assert ["echo: a", "echo: b"] == [row["answer"] for row in results(tmp_path)]


@pytest.mark.skipif(os.name != "posix", reason="interrupts are signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_lets_the_calls_under_way_finish(
    processes: Processes, plugin: CountingPlugin, tmp_path: Path, number: signal.Signals
) -> None:
    write_rows(tmp_path, *map(str, range(500)))
    command = ("map", "rows.jsonl", "--prompt", "{text}", "-m", MODEL, "-o", "out.jsonl", "--concurrency", "4")
    process = processes.start(*command, latency_s=0.1, kind="cli")
    while plugin.counted().total() < 4 and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert 130 == process.returncode, err
    assert "Traceback" not in err
    assert plugin.counted().total() == len(results(tmp_path)) < 500
    assert all(row["answer"] for row in results(tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="interrupts are signals")
def test_the_second_interrupt_cancels_the_calls_and_the_same_command_resumes(
    processes: Processes, plugin: CountingPlugin, tmp_path: Path
) -> None:
    write_rows(tmp_path, *map(str, range(8)))
    command = ("map", "rows.jsonl", "--prompt", "{text}", "-m", MODEL, "-o", "out.jsonl", "--concurrency", "4")
    process = processes.start(*command, latency_s=30, kind="cli")
    while plugin.counted().total() < 4 and process.poll() is None:
        time.sleep(0.01)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    while "Ctrl-C again" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (130, False) == (process.returncode, "Traceback" in err), err
    process = processes.start(*command, kind="cli")
    _, err = process.communicate(timeout=60)
    assert 0 == process.returncode, err
    assert [f"echo: {index}" for index in range(8)] == [row["answer"] for row in results(tmp_path)]
    assert "8 rows: 0 failed, 0 from earlier runs, 4 interrupted before." in err
    assert 12 == plugin.counted().total()


def test_an_image_comes_from_its_column_and_another_image_is_another_job(
    run: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n one")
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "file": "a.png"}\n', encoding="utf-8")
    assert [0, 0] == [run("--image-column", "file"), run("--image-column", "file")]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n two")
    assert 2 == run("--image-column", "file")
    assert "row 1, its job or a file that it names" in capfd.readouterr().err


def test_a_key_that_two_rows_have_is_an_error_that_names_both(
    run: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "a", "b", "a")
    assert 2 == run("--key", "text", "--concurrency", "1")
    assert "Rows 1 and 3 have the same key 'a' in column 'text'" in capfd.readouterr().err


def test_a_key_that_two_rows_of_a_file_have_is_found_before_the_first_call_and_the_corrected_command_runs(
    run: Callable[..., int], tmp_path: Path, plugin: CountingPlugin
) -> None:
    write_rows(tmp_path, *map(str, range(200)), "0")
    assert 2 == run("--key", "text", "--concurrency", "1")
    assert (0, False) == (plugin.counted().total(), (tmp_path / "out.jsonl.ledger").exists())
    assert [0, 0] == [run("--key", "text", "--limit", "200"), run("--key", "id", "--new")]
    assert 201 == len(results(tmp_path))


def test_another_column_of_keys_is_another_job(run: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> None:
    run("--key", "id")
    assert 2 == run("--key", "text")
    assert "rows are known by: their column 'id' in the ledger, their column 'text' now" in capfd.readouterr().err


def test_a_row_without_the_column_of_the_keys_has_an_empty_key(run: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "k": 1}\n{"text": "b"}\n', encoding="utf-8")
    assert 0 == run("--key", "k")
    assert ["echo: a", "echo: b"] == [row["answer"] for row in results(tmp_path)]


def test_empty_keys_are_an_error_that_names_their_column(
    run: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "a", "", "b", "")
    assert 2 == run("--key", "text")
    assert "Rows 2 and 4 have an empty key in column 'text'" in capfd.readouterr().err


def test_a_ledger_that_cannot_be_used_ends_with_code_2(
    run: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.jsonl.ledger"
    held = open_ledger(path)
    assert (2, True) == (run(), "another run uses this ledger" in capfd.readouterr().err)
    held.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert (2, True) == (run(), "its schema has version 99" in capfd.readouterr().err)
    path.write_bytes(b"no ledger " * 1000)
    assert (2, True) == (run(), "it is no ledger" in capfd.readouterr().err)
    assert (2, True) == (main(["map", "--report", "out.jsonl"]), "it is no ledger" in capfd.readouterr().err)


def test_a_limit_of_cost_that_earlier_runs_have_reached_allows_no_further_call(
    run: Callable[..., int], plugin: CountingPlugin, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    limited = ("--max-cost", "1", "--concurrency", "1")
    assert [1, 1] == [run(*limited), run(*limited)]
    assert (1, 1) == (plugin.counted().total(), len(results(tmp_path)))
    with closing(sqlite3.connect(tmp_path / "out.jsonl.ledger")) as connection, connection:
        connection.execute("UPDATE rows SET cost_usd = 1.5")
    capfd.readouterr()
    assert 1 == run(*limited)
    assert "max_cost: $1.5000 of $1 are spent" in capfd.readouterr().err
    assert 1 == plugin.counted().total()
    assert [0, 0] == [run(*limited, "--limit", "1"), run("--max-cost", "1.5", "--limit", "1")]  # they are done


def test_a_missing_package_ends_with_code_2(
    run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert 2 == run("--on", "ray")
    assert "pipelex[ray]" in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="links are made")
def test_a_link_to_nowhere_is_found_before_the_first_call(
    run: Callable[..., int], tmp_path: Path, plugin: CountingPlugin, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out.jsonl").symlink_to("nowhere/out.jsonl")
    assert 2 == run()
    assert "nowhere: there is no such folder" in capfd.readouterr().err
    (tmp_path / "nowhere").mkdir()
    assert 1 == run()
    assert 3 == len((tmp_path / "nowhere" / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert 3 == plugin.counted().total()


def test_a_dry_run_of_one_short_row_counts_one_row_and_one_token(
    run: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "a")
    assert 0 == run("--dry-run")
    assert "1 row. About 1 token in, " in capfd.readouterr().out


def test_a_row_that_was_changed_is_an_error_that_names_its_column(
    run: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert 1 == run()
    write_rows(tmp_path, "a", "fail", "c")
    assert 2 == run()
    assert "row 3, column text: b in the ledger, c now" in capfd.readouterr().err


def test_braces_are_a_fix_for_the_columns_of_a_prompt_alone(
    run: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert [2, 2] == [run(prompt="{name}"), run("--key", "name")]
    by_prompt, by_key = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error")]
    assert by_prompt.endswith("There are: id, text. Write {{ and }} for plain braces.")
    assert by_key.endswith("There is no column 'name' in the rows. There are: id, text.")


def test_results_have_the_columns_of_the_last_input(
    run: Callable[..., int], plugin: CountingPlugin, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("text,price\na,1\n", encoding="utf-8")
    assert 0 == run(rows="rows.csv", out="out.csv")
    (tmp_path / "rows.csv").write_text("text,price,shop\na,2,x\n", encoding="utf-8")
    assert 0 == run(rows="rows.csv", out="out.csv")
    assert "text,price,shop,answer,_error\na,2,x,echo: a,\n" == (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert {"a": 1} == plugin.counted()


def test_a_dry_run_finds_a_key_that_two_rows_have(
    run: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "a", "b", "a")
    assert [2, 0] == [run("--key", "text", "--dry-run"), run("--key", "text", "--dry-run", "--limit", "2")]
    assert "Rows 1 and 3 have the same key 'a' in column 'text'" in capfd.readouterr().err


def test_the_counts_of_a_run_are_json_where_that_is_asked(
    run: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert [1, 1] == [run("--limit", "2"), run("--json")]
    counts = {"done": 3, "failed": 1, "resumed": 2, "interrupted": 0, "unpriced": 1, "cost_usd": None}
    assert {**counts, "out": "out.jsonl"} == json.loads(capfd.readouterr().out)
