from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.bulk.exceptions import (
    AmbiguousRowsError,
    DuplicateRowKeyError,
    JobChangedError,
    LedgerError,
    LedgerInUseError,
    LedgerVersionError,
    MapLimitError,
    MapUsageError,
)
from pipelex.bulk.ledger import Entry, open_ledger
from pipelex.bulk.options import MapOptions, MapRow, OnAmbiguous
from pipelex.bulk.run import MapPlan, MapRun
from pipelex.cogt.exceptions import InferenceRequestError, InferenceTruncatedError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.exceptions import MissingCredentialError, PipelexError
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.bulk.counting import MODEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.boot import Pipelex
    from pipelex.hub import PipelexHub
    from tests.bulk.counting import CountingPlugin


@dataclass(frozen=True)
class Echo:
    text: str
    length: int


def texts(px: Pipelex, rows: list[str], **options: object) -> list[MapRow[str]]:
    return list(px.map_sync(rows, str, model=MODEL, ledger="job.db", options=MapOptions(**options)))  # type: ignore[arg-type]  # those of the test


def test_every_row_comes_with_its_answer_usage_and_index(px: Pipelex) -> None:
    rows = sorted(px.map_sync(["a", "b"], str, model=MODEL), key=lambda row: row.index)
    assert [(0, "echo: a"), (1, "echo: b")] == [(row.index, row.unwrap()) for row in rows]
    assert InferenceUsage(input_tokens=3, output_tokens=2) == rows[0].usage


def test_rows_of_an_async_iterator_are_run_with_a_typed_answer(px: Pipelex) -> None:
    async def source() -> AsyncIterator[str]:
        for text in ("a", "b"):
            yield text

    async def run() -> list[MapRow[Echo]]:
        return [row async for row in px.map(source(), str, model=MODEL, schema=Echo)]

    values = {row.value for row in asyncio.run(run())}
    assert {Echo("echo: a", 7), Echo("echo: b", 7)} == values


def test_the_same_call_resumes_and_makes_no_call_twice(px: Pipelex, plugin: CountingPlugin) -> None:
    texts(px, ["a", "fail"])
    again = sorted(texts(px, ["a", "fail", "b"]), key=lambda row: row.index)
    assert {"a": 1, "fail": 1, "b": 1} == plugin.counted()
    assert [True, True, False] == [row.is_from_ledger for row in again]
    error = again[1].error
    assert isinstance(error, InferenceRequestError)
    assert ("The request is wrong", 400, "counting") == (error.message, error.status_code, error.provider)


def test_typed_answers_come_back_from_the_ledger(px: Pipelex) -> None:
    for is_resumed in (False, True):
        (row,) = px.map_sync(["a"], str, model=MODEL, schema=Echo, ledger="job.db")
        assert (Echo("echo: a", 7), is_resumed) == (row.value, row.is_from_ledger)


def test_images_come_back_from_the_ledger(px: Pipelex) -> None:
    for is_resumed in (False, True):
        (row,) = px.map_sync(["a"], ImgGenJob.of, model=MODEL, ledger="job.db")
        assert (b"\x89PNG\xff", is_resumed) == (row.unwrap()[0].data, row.is_from_ledger)


def test_failed_rows_are_run_again_when_that_is_asked_for(px: Pipelex, plugin: CountingPlugin) -> None:
    texts(px, ["a", "fail"])
    texts(px, ["a", "corrected"], retry_failed=True)
    assert {"a": 1, "fail": 1, "corrected": 1} == plugin.counted()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"model": "counting/other"}, ("model", "counting/m", "counting/other")),
        ({"schema": Echo}, ("schema", "nothing in the ledger", "length")),
        ({"make_job": lambda text: f"other {text}"}, ("row 1, prompt.user_text: a in the ledger, other a now",)),
        ({"key": lambda text: text}, ("rows are known by", "their number", "their key")),
    ],
    ids=["model", "schema", "prompt", "key"],
)
def test_a_changed_job_is_an_error_that_names_the_difference(
    px: Pipelex, change: dict[str, object], names: tuple[str, ...]
) -> None:
    texts(px, ["a"])
    call: dict[str, object] = {"rows": ["a"], "make_job": str, "model": MODEL, "ledger": "job.db", **change}
    with pytest.raises(JobChangedError) as raised:
        list(px.map_sync(**call))  # type: ignore[call-overload]  # changed in one argument
    assert all(name in str(raised.value) for name in names)
    assert "--new" in str(raised.value)
    call["options"] = MapOptions(new=True)
    assert 1 == len(list(px.map_sync(**call)))  # type: ignore[call-overload]  # as above


def test_a_ledger_without_rows_takes_another_job(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "job.db")
    ledger.check_job({"model": "one whose key is missing"})
    ledger.check_job({"model": "another"})
    assert {"model": "another"} == ledger.job()
    ledger.close()


def test_a_ledger_without_an_outcome_takes_another_job_where_its_calls_may_be_made_again(tmp_path: Path) -> None:
    with closing(open_ledger(tmp_path / "job.db")) as ledger:
        ledger.check_job({"model": "one"})
        ledger.save(Entry("a", 0, "", "interrupted"))
        ledger.commit()
        with pytest.raises(JobChangedError):
            ledger.check_job({"model": "another"})
        ledger.check_job({"model": "another"}, is_retried=True)
        assert ([], {"model": "another"}) == (list(ledger.entries()), ledger.job())
        ledger.save(Entry("a", 0, "", "ok", answer='"paid"'))
        ledger.commit()
        with pytest.raises(JobChangedError):
            ledger.check_job({"model": "a third"}, is_retried=True)


@pytest.mark.parametrize("refused", ["model", "key", "job", "schema"])
def test_a_run_that_is_refused_before_its_first_call_leaves_no_ledger(
    px: Pipelex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def make_job(text: str) -> LLMJob:
        if refused == "job":
            raise InferenceRequestError(text)
        return LLMJob.of(text)

    def refuse(*_: object) -> None:
        raise MissingCredentialError(backend_name="counting", variables=("COUNTING_API_KEY",))

    if refused == "key":
        monkeypatch.setattr(type(px.hub), "worker", refuse)
    model = "no-such-model" if refused == "model" else MODEL
    schema = Callable[[], None] if refused == "schema" else None
    with pytest.raises(PipelexError):
        list(px.map_sync(["a"], make_job, model=model, schema=schema, ledger="job.db"))  # type: ignore[call-overload]  # one is no type
    assert not list(tmp_path.glob("job.db*"))


def test_an_engine_gets_what_is_to_be_done(px: Pipelex) -> None:
    class Engine:
        def run(self, hub: PipelexHub, plan: MapPlan) -> MapRun[object]:
            return MapRun(hub, replace(plan, options=MapOptions(limit=1)))

    rows = list(px.map_sync(["a", "b"], str, model=MODEL, engine=Engine()))
    assert ["echo: a"] == [row.value for row in rows]


def test_rows_with_keys_may_move(px: Pipelex, plugin: CountingPlugin) -> None:
    def run(*rows: str) -> list[tuple[int, str | int]]:
        found = px.map_sync(rows, str, model=MODEL, key=lambda row: row, ledger="job.db")
        return sorted((row.index, row.key) for row in found)

    run("a", "b")
    assert [(0, "new"), (1, "b"), (2, "a")] == run("new", "b", "a")
    assert {"a": 1, "b": 1, "new": 1} == plugin.counted()
    with pytest.raises(DuplicateRowKeyError, match="Rows 2 and 3 have the same key 'b'"):
        run("a", "b", "b")


def test_a_second_run_on_the_same_ledger_is_refused(px: Pipelex, tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "job.db")
    with pytest.raises(LedgerInUseError, match=r"job\.db: another run uses this ledger"):
        texts(px, ["a"])
    ledger.close()
    assert 1 == len(texts(px, ["a"]))


def test_a_file_that_is_no_ledger_is_refused_and_stays_as_it_is(px: Pipelex, tmp_path: Path) -> None:
    file = tmp_path / "job.db"
    file.write_text("my own notes, which are no database at all\n" * 50, encoding="utf-8")
    with pytest.raises(LedgerError, match="no ledger"):
        texts(px, ["a"], new=True)
    assert file.read_text(encoding="utf-8").startswith("my own notes")
    file.unlink()
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE rows (a)")
    other.close()
    with pytest.raises(LedgerError, match="another program's"):
        texts(px, ["a"], new=True)


def test_a_ledger_of_a_later_version_is_refused(px: Pipelex, tmp_path: Path) -> None:
    texts(px, ["a"])
    with sqlite3.connect(tmp_path / "job.db") as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(LedgerVersionError, match="version 99"):
        texts(px, ["a"])


def older_ledger(path: Path, version: int) -> None:
    """Write a ledger as an older version did: a row that is done, and one whose process died."""
    from pipelex.bulk import ledger

    with closing(sqlite3.connect(path)) as older:
        for number, script in enumerate(ledger.UPGRADES[:version], 1):
            older.executescript(f"{script} PRAGMA application_id = 0x7069706C; PRAGMA user_version = {number};")
        rows = [("ok", 0, '"before"', "a"), ("sent", 1, None, "b")]
        older.executemany(
            "INSERT INTO rows (state, key, position, answer, job) VALUES (?1, ?2, ?2, ?3, ?4)",
            [(state, key, answer, LLMJob.of(text).fingerprint()) for state, key, answer, text in rows],
        )
        older.commit()


@pytest.mark.parametrize("version", [1, 2])
def test_a_ledger_of_an_older_version_is_upgraded(
    px: Pipelex, plugin: CountingPlugin, tmp_path: Path, version: int
) -> None:
    from pipelex.bulk import ledger

    older_ledger(tmp_path / "job.db", version)
    rows = {row.index: row for row in texts(px, ["a", "b", "c"])}
    assert "before" == rows[0].value
    assert {"b": 1, "c": 1} == plugin.counted()
    with closing(sqlite3.connect("job.db")) as upgraded:
        assert (len(ledger.UPGRADES),) == upgraded.execute("PRAGMA user_version").fetchone()


def test_a_ledger_of_an_older_version_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    from pipelex.bulk.ledger import Ledger

    older_ledger(tmp_path / "job.db", 2)
    connection = sqlite3.connect(f"file:{tmp_path / 'job.db'}?mode=ro", uri=True)
    older = Ledger(tmp_path / "job.db", connection, lock=None)
    assert [(0, "ok"), (1, "sent")] == [(entry.key, entry.state) for entry in older.entries()]
    older.close()


def test_at_most_so_many_calls_run_at_once(px: Pipelex, plugin: CountingPlugin) -> None:
    plugin.latency_s = 0.001
    texts(px, [str(index) for index in range(40)], concurrency=3)
    assert 3 == plugin.most_running


def test_a_limit_takes_the_first_rows_which_count_when_the_run_goes_on(px: Pipelex, plugin: CountingPlugin) -> None:
    assert [0, 1] == sorted(row.index for row in texts(px, ["a", "b", "c"], limit=2))
    assert 3 == len(texts(px, ["a", "b", "c"]))
    assert 3 == plugin.counted().total()


def test_too_many_failures_end_the_run_and_keep_what_was_answered(px: Pipelex, plugin: CountingPlugin) -> None:
    rows = ["a", *["fail"] * 100]
    with pytest.raises(MapLimitError, match="max_failures: 3 rows failed, and 2 may"):
        texts(px, rows, max_failures=2, concurrency=1)
    assert 4 == plugin.counted().total()


def test_leaving_the_loop_ends_the_calls_under_way_before_the_ledger_is_closed(
    px: Pipelex, plugin: CountingPlugin
) -> None:
    plugin.latency_s = 0.01
    for _ in px.map_sync(map(str, range(100)), str, model=MODEL, ledger="job.db", options=MapOptions(concurrency=4)):
        break
    ledger = open_ledger(Path("job.db"))
    states = Counter((entry.state, entry.deaths) for entry in ledger.entries())
    ledger.close()
    assert plugin.counted().total() == states.total()
    assert {("ok", 0), ("interrupted", 0)} == set(states)


def test_a_limit_of_cost_ends_the_run_where_the_cost_is_unknown(px: Pipelex, plugin: CountingPlugin) -> None:
    with pytest.raises(MapLimitError, match="unknown"):
        texts(px, ["a"] * 100, max_cost_usd=1.0, concurrency=1)
    assert 1 == plugin.counted().total()


@pytest.mark.parametrize("fault", [KeyError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_a_fault_in_the_callers_own_code_is_raised_and_no_answer_is_lost(
    px: Pipelex, plugin: CountingPlugin, fault: type[BaseException]
) -> None:
    plugin.latency_s = 0.01

    def make_job(text: str) -> str:
        if text == "c":
            raise fault
        return text

    with pytest.raises((fault, CancelledError)):
        list(px.map_sync(["a", "b", "c"], make_job, model=MODEL, ledger="job.db"))
    assert 2 == len(texts(px, ["a", "b"]))
    assert {"a": 1, "b": 1} == plugin.counted()


def test_a_storm_of_refusals_loses_no_row(px: Pipelex, plugin: CountingPlugin) -> None:
    plugin.refusals_left = 200
    rows = texts(px, [str(index) for index in range(100)])
    assert [None] * 100 == [row.error for row in rows]
    assert {1} == set(plugin.counted().values())


def test_a_full_disk_is_a_named_error_and_the_rows_that_were_answered_are_returned(
    px: Pipelex, plugin: CountingPlugin
) -> None:
    returned = []

    async def run() -> None:
        rows = px.map(map(str, range(1000)), str, model=MODEL, ledger="job.db")
        async for row in rows:
            returned.append(row)
            assert rows._ledger is not None
            rows._ledger._connection.execute("PRAGMA max_page_count = 1")  # no page more than there are

    with pytest.raises(LedgerError, match=r"job\.db: .* disk is full"):
        asyncio.run(run())
    assert 1000 > plugin.counted().total() == len(returned)
    answered = {row.key for row in px.map_sync(map(str, range(1000)), str, model=MODEL, ledger="job.db")}
    assert (1000, set(map(str, range(1000)))) == (len(answered), set(plugin.counted()))


def test_rows_that_may_have_been_charged_are_reported_and_not_repeated(
    px: Pipelex, plugin: CountingPlugin, tmp_path: Path
) -> None:
    def run(on_ambiguous: OnAmbiguous | None = None) -> list[MapRow[list[GeneratedImage]]]:
        options = MapOptions(on_ambiguous=on_ambiguous)
        rows = px.map_sync(["a", "b"], ImgGenJob.of, model=MODEL, ledger="job.db", options=options)
        return sorted(rows, key=lambda row: row.index)

    run()
    with sqlite3.connect(tmp_path / "job.db") as ledger:
        ledger.execute("UPDATE rows SET state = 'sent', answer = NULL WHERE position = 1")
    ledger.close()
    with pytest.raises(AmbiguousRowsError, match="1 call was under way"):
        run()
    assert ["NoneType", "AmbiguousRowError"] == [type(row.error).__name__ for row in run(OnAmbiguous.SKIP)]
    assert {"a": 1, "b": 1} == plugin.counted()


def test_a_job_has_a_stable_fingerprint(tmp_path: Path) -> None:
    job = LLMJob(prompt=LLMPrompt(user_text="a"), params=LLMJobParams(vendor_params={"b": 1, "a": (2, None)}))
    same = LLMJob(prompt=LLMPrompt(user_text="a"), params=LLMJobParams(vendor_params={"a": [2, None], "b": 1}))
    assert "a0ea0d9afc5a91866a47f5649c5cd1054eaf2df6338e6c57c77058403071ed19" == job.fingerprint()
    assert job.fingerprint() == same.fingerprint() != LLMJob.of("a").fingerprint()
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    picture = LLMJob(prompt=LLMPrompt(user_text="a", images=(MediaSource(path=file),)))
    before = picture.fingerprint()
    file.write_bytes(b"two")
    assert before != picture.fingerprint()
    with pytest.raises(InferenceRequestError, match="no fingerprint"):
        LLMJob(params=LLMJobParams(vendor_params={"a": object()})).fingerprint()


def test_a_changed_job_of_a_row_is_an_error_that_names_its_parts(px: Pipelex) -> None:
    def job(text: str, seed: int) -> LLMJob:
        files = (MediaSource(url="https://example.org/a?signature=1"),)
        return LLMJob(prompt=LLMPrompt(user_text=text, images=files), params=LLMJobParams(seed=seed))

    def run(make_job: Callable[[str], LLMJob]) -> None:
        list(px.map_sync(["a"], make_job, model=MODEL, ledger="job.db"))

    run(lambda text: job(f"Is it good: {text}", 1))
    with pytest.raises(JobChangedError) as raised:
        run(lambda text: job(f"Is it bad: {text}", 2))
    before_and_now = [("row 1, params.seed", "1", "2"), ("row 1, prompt.user_text", "Is it good: a", "Is it bad: a")]
    assert tuple(before_and_now) == raised.value.differences
    assert b"signature" not in Path("job.db").read_bytes()


@pytest.mark.parametrize(
    ("rows", "key", "message"),
    [("rows.csv", None, "RowSource"), (["a"], "id", "key is 'id': expected a function of the row")],
)
def test_what_a_type_checker_does_not_see_is_named(px: Pipelex, rows: Any, key: Any, message: str) -> None:
    with pytest.raises(MapUsageError, match=message):
        list(px.map_sync(rows, str, model=MODEL, key=key))


def test_an_answer_that_was_cut_off_comes_back_from_the_ledger_with_its_error(px: Pipelex) -> None:
    for row in (*texts(px, ["cut"]), *texts(px, ["cut"])):
        assert isinstance(row.error, InferenceTruncatedError)
        assert row.error.answer is not None
        assert ("echo: cut", FinishReason.LENGTH) == (row.error.answer.text, row.error.answer.finish_reason)
