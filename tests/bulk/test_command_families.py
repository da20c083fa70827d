from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cli.main import main
from tests.bulk.counting import MODEL, CountingPlugin

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def run(plugin: CountingPlugin, tmp_path: Path) -> Callable[..., int]:
    """Run ``pipelex map`` for a family on two rows that name two documents."""
    (tmp_path / "a.txt").write_text("first", encoding="utf-8")
    rows = [{"id": 7, "text": "fox", "file": "a.txt"}, {"id": 8, "text": "fail", "file": ""}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def run(family: str, *options: str, out: str = "out.jsonl") -> int:
        return main(["map", "rows.jsonl", "--family", family, "-m", MODEL, "-o", out, *options])

    return run


def write_rows(folder: Path, *texts: str) -> None:
    lines = [json.dumps({"text": text}) for text in texts]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")


def results() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]


def test_images_are_files_beside_the_results_named_by_their_row(
    run: Callable[..., int], plugin: CountingPlugin
) -> None:
    command = ("img_gen", "--prompt", "A {text}", "--negative", "no {id}", "--param", "quality=low", "--seed", "1")
    assert [1, 1] == [run(*command), run(*command)]
    made, failed = results()
    assert {"id": 7, "answer": ["out.jsonl.files/row1-1.png"], "_error": None}.items() <= made.items()
    assert (None, "InferenceRequestError") == (failed["answer"], failed["_error"]["error"])
    assert b"\x89PNG\xff" == Path(made["answer"][0]).read_bytes()
    assert {"A fox": 1, "A fail": 1} == plugin.counted()


def test_documents_come_from_a_column_and_their_pages_are_one_text(run: Callable[..., int]) -> None:
    assert 1 == run("extract", "--document-column", "file", "--param", "embedded_images=true")
    read, failed = results()
    assert "echo: first\f" == read["answer"]
    assert (2, [{"page": 2, "error": "InferenceError", "message": "The page is damaged"}]) == (
        read["pages"],
        [{name: error[name] for name in ("page", "error", "message")} for error in read["page_errors"]],
    )
    assert b"GIF89a" == Path(*read["files"]).read_bytes()
    assert ("InputFileError", True) == (failed["_error"]["error"], "'file' is empty" in failed["_error"]["message"])


def test_a_search_has_its_answer_and_its_sources_in_columns(run: Callable[..., int], tmp_path: Path) -> None:
    assert 1 == run("search", "--prompt", "{text}?", "--param", "max_results=1", out="out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        found = next(csv.DictReader(file))
    assert ("fox", "echo: fox?") == (found["text"], found["answer"])
    assert [("https://example.org", "2026-01-02")] == [
        (source["url"], source["published_on"]) for source in json.loads(found["sources"])
    ]


def test_a_search_answers_with_objects_of_a_schema(run: Callable[..., int], tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}, "length": {"type": "integer"}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    run("search", "--prompt", "{text}", "--schema", "schema.json")
    assert {"text": "fox", "answer.text": "echo: fox", "length": 9}.items() <= results()[0].items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("llm",), "--family llm needs --prompt"),
        (("extract",), "--family extract needs --document-column"),
        (("search", "--prompt", "{text}", "--image-column", "file"), "has no --image-column: that is for --family llm"),
        (("extract", "--document-column", "file", "--prompt", "x"), "--family extract has no --prompt"),
        (("img_gen", "--prompt", "{text}", "--max-tokens", "3"), "--family img-gen has no --max-tokens"),
        (("search", "--prompt", "{text}", "--param", "max_result=3"), "max_results, include_domains"),
        (
            ("search", "--prompt", "{text}", "--param", "max_results=many"),
            "max_results: Input should be",
        ),
        (("extract", "--document-column", "flie"), "no column 'flie' in the rows. There are: file"),
    ],
)
def test_an_option_that_the_family_lacks_is_named_before_any_call(
    run: Callable[..., int],
    plugin: CountingPlugin,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert 2 == run(*arguments)
    err = " ".join(capfd.readouterr().err.split())
    assert (True, False, 0) == (message in err, "Traceback" in err, plugin.counted().total()), err


def test_a_dry_run_shows_the_jobs_of_any_family_and_counts_empty_cells(
    run: Callable[..., int], capfd: pytest.CaptureFixture[str], plugin: CountingPlugin
) -> None:
    assert 0 == run("img_gen", "--prompt", "A {text}", "--image-column", "file", "--dry-run")
    shown = capfd.readouterr().out
    assert (
        "--- row 1\nA fox\n[a.txt]\n--- row 2\nA fail\n---\n2 rows; column 'file' is empty in 1.\ncost: unknown"
        in shown
    )
    assert 0 == run("search", "--prompt", "{text}", "--dry-run", "--json")
    found = json.loads(capfd.readouterr().out)
    assert (["fox", "fail"], {}) == (found["prompts"], found["empty"])
    assert 0 == plugin.counted().total()


PICTURES = ("img-gen", "--prompt", "A {text}", "--param", "quality=low")


def test_a_new_run_removes_the_files_of_the_earlier_one_and_no_others(
    run: Callable[..., int], plugin: CountingPlugin, tmp_path: Path
) -> None:
    write_rows(tmp_path, "fox", "owl", "hare")
    folder = tmp_path / "out.jsonl.files"
    assert 0 == run(*PICTURES)
    (folder / "mine.png").write_bytes((folder / "row3-1.png").read_bytes())
    (folder / "row2-1.png").write_bytes(b"retouched")
    write_rows(tmp_path, "bear")
    assert 0 == run(*PICTURES, "--new")
    assert ["mine.png", "row1-1.png", "row2-1.png"] == sorted(path.name for path in folder.iterdir())


def test_a_file_of_the_results_that_was_changed_is_not_replaced(
    run: Callable[..., int], plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path, "fox")
    picture = tmp_path / "out.jsonl.files" / "row1-1.png"
    assert 0 == run(*PICTURES)
    picture.write_bytes(b"retouched")
    assert (2, b"retouched") == (run(*PICTURES), picture.read_bytes())
    assert "row1-1.png: it was changed after the last run wrote it" in capfd.readouterr().err
    assert (0, b"\x89PNG\xff") == (run(*PICTURES, "--new"), picture.read_bytes())


def test_a_dry_run_counts_the_rows_that_would_fail_without_a_call(
    run: Callable[..., int], plugin: CountingPlugin, capfd: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run("extract", "--document-column", "file", "--dry-run")
    assert "1 row would fail without a call (column 'file' is empty" in capfd.readouterr().out
    assert 0 == run("extract", "--document-column", "file", "--dry-run", "--json")
    found = json.loads(capfd.readouterr().out)
    assert (2, 1, ["[a.txt]"]) == (found["rows"], found["without_job"], found["prompts"])
    assert not plugin.counted()


def test_rows_that_the_input_no_longer_has_share_no_file_with_others(
    run: Callable[..., int], plugin: CountingPlugin, tmp_path: Path
) -> None:
    for texts in (("fox", "owl"), ("fox", "hare"), ("fox", "bear")):
        write_rows(tmp_path, *texts)
        assert 0 == run(*PICTURES, "--key", "text")
    assert 0 == run(*PICTURES, "--key", "text", "--limit", "1")
    files = [name for row in results() for name in row["answer"]]
    assert 4 == len(set(files))
    assert {tmp_path / name for name in files} == set((tmp_path / "out.jsonl.files").iterdir())


def test_rows_of_which_none_can_be_called_are_a_wrong_input(
    run: Callable[..., int], plugin: CountingPlugin, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"file": ""}\n{"file": null}\n', encoding="utf-8")
    assert 2 == run("extract", "--document-column", "file")
    assert "column 'file' is empty" in capfd.readouterr().err
    assert not (tmp_path / "out.jsonl.ledger").exists()
