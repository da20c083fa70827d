from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.boot import Pipelex
from pipelex.bulk.exceptions import DuplicateRowKeyError, JobChangedError, LedgerError, MapOptionError, RowKeyError
from pipelex.bulk.ledger import Ledger, read_ledger
from pipelex.bulk.options import MapOptions, OnAmbiguous
from pipelex.bulk.report import MapReport
from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.exceptions import InputFileError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.bulk.counting import MODEL

if TYPE_CHECKING:
    from tests.bulk.counting import CountingPlugin


def read() -> MapReport:
    ledger = read_ledger(Path("job.db"))
    try:
        return MapReport.of(ledger)
    finally:
        ledger.close()


def test_two_rows_under_way_at_once_may_not_have_one_key(px: Pipelex, plugin: CountingPlugin) -> None:
    with pytest.raises(DuplicateRowKeyError, match="Rows 1 and 2 have the same key 'a'"):
        list(px.map_sync(["a", "a"], str, model=MODEL, key=str, ledger="job.db"))
    assert 0 == plugin.counted().total()


def test_rows_that_wait_for_their_share_of_the_minute_are_not_lost(px: Pipelex, plugin: CountingPlugin) -> None:
    spec = px.hub.resolve(MODEL, InferenceFamily.LLM)[1]
    brief = replace(spec, policy=replace(spec.policy, deadline_s=0.05, timeout_s=0.05))
    options = MapOptions(requests_per_minute=1200, concurrency=40)
    rows = list(px.map_sync(map(str, range(40)), str, model=brief, options=options))
    assert [None] * 40 == [row.error for row in rows]
    assert 40 == plugin.counted().total()


def test_a_ledger_is_read_while_a_run_writes_it(px: Pipelex) -> None:
    async def run() -> MapReport:
        async with aclosing(px.map(["a", "b", "c"], str, model=MODEL, ledger="job.db")) as rows:
            async for _ in rows:
                return read()
        raise AssertionError

    report = asyncio.run(run())
    assert (3, 0) == (report.ok + report.under_way, report.interrupted)
    assert 0 == read().under_way


def test_a_row_is_committed_when_it_is_returned(px: Pipelex) -> None:
    async def run() -> None:
        options = MapOptions(concurrency=4)
        async for row in px.map(map(str, range(20)), str, model=MODEL, ledger="job.db", options=options):
            with closing(sqlite3.connect("job.db")) as other:
                assert ("ok",) == other.execute("SELECT state FROM rows WHERE key = ?", (row.key,)).fetchone()

    asyncio.run(run())


@pytest.mark.parametrize("ledger", [None, "job.db"])
def test_no_further_rows_are_drawn_while_those_that_are_done_are_not_taken(
    px: Pipelex, plugin: CountingPlugin, ledger: str | None
) -> None:
    async def run() -> None:
        rows = px.map(map(str, range(1000)), str, model=MODEL, ledger=ledger, options=MapOptions(concurrency=4))
        await anext(rows)
        await asyncio.sleep(0.02)
        assert plugin.counted().total() <= 4 * 4
        assert 999 == len([row async for row in rows])

    asyncio.run(run())


@pytest.mark.skipif(os.name != "posix", reason="elsewhere no file is removed while it is open")
def test_a_ledger_that_is_removed_while_it_is_open_is_written_anew(px: Pipelex, plugin: CountingPlugin) -> None:
    for row in px.map_sync(map(str, range(8)), str, model=MODEL, ledger="job.db"):
        if row.index == 0:
            Path("job.db").unlink()
    assert 8 == read().ok
    assert all(row.is_from_ledger for row in px.map_sync(map(str, range(8)), str, model=MODEL, ledger="job.db"))
    assert 8 == plugin.counted().total()


def test_a_ledger_stays_where_it_is_when_the_working_folder_changes(
    px: Pipelex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    for row in px.map_sync(["a", "b"], str, model=MODEL, ledger="job.db"):
        if row.index == 0:
            monkeypatch.chdir(tmp_path / "other")
    assert [] == list(Path().iterdir())
    assert ["job.db"] == [path.name for path in tmp_path.glob("job.db*")]


def test_half_of_a_surrogate_pair_in_an_answer_or_an_error_is_kept_as_its_escape(
    px: Pipelex, plugin: CountingPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(text: str) -> str:
        if text == "fail":
            raise InferenceRequestError("half \ud83d")
        return "half \ud83d"

    monkeypatch.setattr(plugin, "answer", answer)
    for _ in range(2):
        rows = {row.index: row for row in px.map_sync(["a", "fail"], str, model=MODEL, ledger="job.db")}
        assert "half \ud83d" == rows[0].value
        assert "half" in str(rows[1].error)


def test_a_ledger_that_fails_in_an_unknown_way_ends_the_run(px: Pipelex, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_ledger: Ledger, entries: object) -> None:
        raise UnicodeError

    monkeypatch.setattr(Ledger, "mark_sent", fail)
    with pytest.raises(UnicodeError):
        list(px.map_sync(["a"], str, model=MODEL, ledger="job.db"))


def test_of_a_long_text_that_has_changed_the_part_that_differs_is_shown() -> None:
    before, now = f"{'x' * 5000} is good {'y' * 5000}", f"{'x' * 5000} is bad {'y' * 5000}"
    message = str(JobChangedError(file="job.db", differences={"prompt": (before, now), "model": ("a", "b")}))
    assert re.search(
        r"prompt: \.\.\.x+ is good y+\.\.\. in the ledger, \.\.\.x+ is bad y+\.\.\. now; model: a in the", message
    )
    assert len(message) < 1000


@pytest.mark.parametrize("key", [None, 1.5, True, (1,), 2**63, b"a"])
def test_a_key_that_no_ledger_can_hold_is_named_with_its_row(px: Pipelex, plugin: CountingPlugin, key: object) -> None:
    with pytest.raises(RowKeyError, match=r"The key of row 1 is .*: expected a text, or a whole number"):
        list(px.map_sync(["a"], str, model=MODEL, key=lambda _: key, ledger="job.db"))  # type: ignore[arg-type, return-value]  # what is tested
    assert not plugin.counted()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("concurrency", value) for value in (0, -1, 1.5, True)),
        *(("requests_per_minute", 0), ("tokens_per_minute", -1), ("limit", -1), ("max_failures", -1)),
        *(("max_cost_usd", value) for value in (0, -1.0, float("nan"), "5")),
        ("on_ambiguous", "never"),
    ],
)
def test_an_option_out_of_its_range_is_named(option: str, value: object) -> None:
    with pytest.raises(MapOptionError, match=rf"MapOptions\({option}={value!r}\): expected "):
        MapOptions(**{option: value})  # type: ignore[arg-type]  # what is tested


def test_an_option_may_be_the_text_of_its_member() -> None:
    assert OnAmbiguous.SKIP is MapOptions(on_ambiguous="skip").on_ambiguous  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize("name", [":memory:", "file:job.db?mode=memory"])
def test_every_name_of_a_ledger_is_that_of_a_file(px: Pipelex, tmp_path: Path, name: str) -> None:
    list(px.map_sync(["a"], str, model=MODEL, ledger=name))
    assert (tmp_path / name).exists()
    with pytest.raises(LedgerError, match="the name of no file"):
        list(px.map_sync(["a"], str, model=MODEL, ledger=""))


def test_a_first_row_without_a_job_fails_alone_and_only_where_no_row_has_one_the_run_does(px: Pipelex) -> None:
    def make_job(text: str) -> str:
        if not text:
            raise InputFileError(file="", reason="it is empty")
        return text

    rows = list(px.map_sync(["", "", "a", ""], make_job, model=MODEL, ledger="job.db"))
    assert {0: False, 1: False, 2: True, 3: False} == {row.index: row.error is None for row in rows}
    with pytest.raises(InputFileError, match="it is empty"):
        list(px.map_sync(["", ""], make_job, model=MODEL))


def test_half_of_a_surrogate_pair_fails_its_row_alone(px: Pipelex) -> None:
    rows = px.map_sync(["\ud800", "a"], str, model=MODEL, key=str, ledger="job.db")
    assert {"\\ud800": "InferenceRequestError", "a": "NoneType"} == {row.key: type(row.error).__name__ for row in rows}


def test_the_local_model_gets_no_more_calls_at_once_than_it_can_answer_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELEX_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with Pipelex.setup() as px:
        assert px.hub.resolve("smollm2", InferenceFamily.LLM)[1].policy.max_concurrency <= 2
