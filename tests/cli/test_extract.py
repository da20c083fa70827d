from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.extract.extract_job import ExtractJob, ExtractJobParams

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal


def test_the_text_goes_to_stdout_with_a_form_feed_between_pages(terminal: Terminal) -> None:
    assert (0, "one\n\ftwo\n", "") == terminal.run("extract", terminal.write("a.pdf", "one|two"))


@pytest.mark.parametrize("arguments", [["extract"], ["extract", "-"]])
def test_standard_input_is_a_document(terminal: Terminal, arguments: list[str]) -> None:
    assert (0, "one\n", "") == terminal.run(*arguments, stdin="one")


def test_no_document_is_misuse(terminal: Terminal) -> None:
    assert terminal.run("extract").code == 2


def test_several_documents_stand_under_their_names(terminal: Terminal) -> None:
    terminal.write("a.pdf", "one")
    terminal.write("b.pdf", "two")
    assert (0, "==> a.pdf <==\none\n==> b.pdf <==\ntwo\n", "") == terminal.run("extract", "a.pdf", "b.pdf")


def test_every_option_reaches_the_job(terminal: Terminal) -> None:
    document = terminal.write("a.pdf", "one")
    options = ["--pages", "1-3,7,2", "--password", "p", "--images", "--views", "72", "--out", "o"]
    assert terminal.run("extract", document, *options).code == 0
    [job] = terminal.plugin.jobs
    assert isinstance(job, ExtractJob)
    assert job.params == ExtractJobParams(pages=(1, 2, 3, 7, 2), password="p", embedded_images=True, page_view_dpi=72)


def test_the_password_can_come_from_the_environment(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELEX_PASSWORD", "p")
    terminal.run("extract", terminal.write("a.pdf", "one"))
    [job] = terminal.plugin.jobs
    assert isinstance(job, ExtractJob)
    assert job.params.password == "p"


@pytest.mark.parametrize("pages", ["0", "3-1", "x", "1-", "-2", "1,,2", "1-999999999", "²"])
def test_a_wrong_choice_of_pages_is_misuse(terminal: Terminal, pages: str) -> None:
    assert terminal.run("extract", "a.pdf", f"--pages={pages}").code == 2


def test_one_bad_document_does_not_stop_the_others(terminal: Terminal) -> None:
    terminal.write("bad.pdf", "bad")
    terminal.write("good.pdf", "fine")
    outcome = terminal.run("extract", "none.pdf", "bad.pdf", "good.pdf", "--out", "o")
    assert (1, "o/good.txt\n") == (outcome.code, outcome.out)
    assert "error: none.pdf: there is no such file" in outcome.err
    assert "error: bad.pdf: [fake] The document is damaged" in outcome.err
    assert ["good.txt"] == [path.name for path in (terminal.project / "o").iterdir()]


def test_one_bad_page_costs_no_other_and_is_named(terminal: Terminal) -> None:
    document = terminal.write("a.pdf", "one|unreadable|three")
    outcome = terminal.run("extract", document)
    assert (1, "one\n\f\n\fthree\n") == (outcome.code, outcome.out)
    assert "a.pdf: [fake] Page 2 cannot be read" in outcome.err
    outcome = terminal.run("extract", document, "--json", "--out", "o")
    [record] = outcome.data["documents"]
    assert (1, ["one", "", "three"]) == (outcome.code, [page["text"] for page in record["pages"]])
    assert [None, "InferenceRequestError", None] == [page.get("error", {}).get("error") for page in record["pages"]]
    assert (terminal.project / "o/a.txt").read_text() == "one\n\f\n\fthree\n"


def test_json_keeps_the_pages_that_came_before_an_error(terminal: Terminal) -> None:
    outcome = terminal.run("extract", terminal.write("a.pdf", "one|bad"), "--json")
    [record] = outcome.data["documents"]
    assert (1, ["one"]) == (outcome.code, [page["text"] for page in record["pages"]])
    assert "damaged" in record["error"]["message"]


def test_control_characters_of_a_page_reach_neither_the_terminal_nor_the_page_breaks(terminal: Terminal) -> None:
    outcome = terminal.run("extract", terminal.write("a.pdf", "o\x1b]0;n\x07e\fi\r\nj\tk\rl\x85|two"))
    assert outcome.out == "o\ufffd]0;n\ufffde\ufffdi\nj\tk\nl\ufffd\n\ftwo\n"


def test_files_are_written_into_the_folder(terminal: Terminal) -> None:
    outcome = terminal.run("extract", terminal.write("a.pdf", "one|two"), "--out", "o", "--images", "--views", "72")
    assert outcome.code == 0
    images = [f"o/a-page{number}-{label}.png" for number in (1, 2) for label in ("image1", "view")]
    assert ["o/a.txt", *images] == outcome.out.splitlines()
    assert (terminal.project / "o/a.txt").read_bytes() == b"one\n\ftwo\n"
    assert all((terminal.project / name).read_bytes() == b"PNG" for name in images)


def test_a_document_that_fails_halfway_leaves_no_file(terminal: Terminal) -> None:
    assert terminal.run("extract", terminal.write("a.pdf", "one|bad"), "--out", "o", "--images").code == 1
    assert ["a.pdf"] == [path.name for path in terminal.project.iterdir()]


def test_a_file_is_not_replaced_unless_forced(terminal: Terminal) -> None:
    document, taken = terminal.write("a.pdf", "new"), terminal.write("o/a.txt", "old")
    outcome = terminal.run("extract", document, "--out", "o")
    assert (1, []) == (outcome.code, terminal.plugin.jobs)
    assert "o/a.txt: it exists already" in outcome.err
    assert taken.read_text() == "old"
    assert terminal.run("extract", document, "--out", "o", "--force").code == 0
    assert taken.read_text() == "new\n"


def test_images_need_a_folder(terminal: Terminal) -> None:
    outcome = terminal.run("extract", "a.pdf", "--images")
    assert outcome.code == 2
    assert "--out" in outcome.err


def test_two_documents_of_one_name_are_misuse(terminal: Terminal) -> None:
    outcome = terminal.run("extract", "a/x.pdf", "b/x.pdf", "--out", "o")
    assert outcome.code == 2
    assert "have the same name" in outcome.err


def test_json_holds_the_pages_and_the_errors(terminal: Terminal) -> None:
    terminal.write("a.pdf", "one")
    outcome = terminal.run("extract", "a.pdf", "none.pdf", "--json")
    assert outcome.code == 1
    [good, bad] = outcome.data["documents"]
    assert {"file": "a.pdf", "pages": [{"number": 1, "text": "one", "width": None, "height": None}]} == good
    assert ("none.pdf", "InputFileError") == (bad["file"], bad["error"]["error"])


def test_json_tells_where_the_images_are(terminal: Terminal) -> None:
    terminal.write("a.pdf", "one")
    data = terminal.run("extract", "a.pdf", "--json", "--out", "o", "--images").data
    [document] = data["documents"]
    assert document["text_file"] == "o/a.txt"
    [image] = document["pages"][0]["images"]
    assert ("o/a-page1-image1.png", 3) == (image["file"], image["box"]["right"])


def test_progress_is_shown_on_a_terminal_alone(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    document = terminal.write("a.pdf", "one|two")
    assert terminal.run("extract", document, "--out", "o").err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert re.search(r"a\.pdf +\[#+\] +2/2", terminal.run("extract", document, "--out", "p").err)
    stream = terminal.write("b.pdf", "stream of|stream of pages")
    assert "b.pdf: 2 pages" in terminal.run("extract", stream, "--out", "q").err


def test_json_tells_the_tables_cell_by_cell(terminal: Terminal) -> None:
    [document] = terminal.run("extract", terminal.write("a.pdf", "one"), "--json", "--tables").data["documents"]
    [table] = document["pages"][0]["tables"]
    assert ([["a"], ["1"]], 3, None) == (table["rows"], table["box"]["right"], table["caption"])
    assert 2 == terminal.run("extract", "a.pdf", "--tables").code


def test_a_folder_that_cannot_be_made_is_named(terminal: Terminal) -> None:
    terminal.write("taken", "a file")
    outcome = terminal.run("extract", terminal.write("a.pdf", "one"), "--out", "taken/o")
    assert (1, "") == (outcome.code, outcome.out)
    assert "taken/o: it cannot be written: Not a directory" in outcome.err


def test_the_usage_of_all_documents_is_one_sum(terminal: Terminal) -> None:
    names = [terminal.write(name, "one|two") for name in ("a.txt", "b.txt")]
    outcome = terminal.run("extract", *names, "--usage", "--json")
    assert re.fullmatch(r"usage: (\d+ pages, )?\d+\.\d s, cost unknown\n", outcome.err)
    assert {"duration_s", "usage", "cost_usd"} <= set(outcome.data)
