from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pipelex.cogt.search.search_job import SearchJob, SearchJobParams

if TYPE_CHECKING:
    import pytest

    from tests.cli.conftest import Terminal


def test_the_answer_stands_above_its_sources(terminal: Terminal) -> None:
    sources = "[1] A\n    https://a.test  (2026-01-02)\n    two lines\n[2] https://b.test\n    https://b.test\n"
    expected = f"Because.\n\n{sources}"
    assert (0, expected, "") == terminal.run("search", "why")


def test_every_option_reaches_the_job(terminal: Terminal) -> None:
    options = (
        "--max-results 3 --include-domain a --include-domain b --exclude-domain c --from 2026-01-02 --to 2026-02-03"
    )
    assert terminal.run("search", *options.split(), stdin="why\n").code == 0
    params = SearchJobParams(
        max_results=3,
        include_domains=("a", "b"),
        exclude_domains=("c",),
        from_date=date(2026, 1, 2),
        to_date=date(2026, 2, 3),
    )
    assert [SearchJob(query="why", params=params)] == terminal.plugin.jobs


def test_json_tells_the_sources_and_the_call(terminal: Terminal) -> None:
    data = terminal.run("search", "why", "--json").data
    assert ("Because.", "fake/seeker") == (data["text"], data["model"])
    first, second = data["sources"]
    assert "2026-01-02" == first["published_on"]
    assert {"url": "https://b.test", "title": None, "snippet": None, "published_on": None, "score": None} == second


def test_an_object_fits_the_schema_of_the_file(terminal: Terminal) -> None:
    schema = terminal.write("s.json", '{"required": ["name"]}')
    assert {"name": "Bob"} == terminal.run("search", "why", "--schema", schema).data
    terminal.plugin.answer = {}
    assert terminal.run("search", "why", "--schema", schema).code == 1


def test_no_configured_model_is_misuse(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELEX_HOME", "/nonexistent")
    outcome = terminal.run("search", "why")
    assert outcome.code == 2
    assert "Name one with --model (linkup-standard, " in outcome.err


def test_usage_is_told_on_stderr(terminal: Terminal) -> None:
    outcome = terminal.run("search", "why", "--usage")
    assert outcome.err.startswith("usage: ")
    assert outcome.err.endswith(" s, cost unknown\n")
