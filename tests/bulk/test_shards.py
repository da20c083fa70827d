"""What needs no cluster of a run on a cluster: shards, leases, proofs, shares."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from pipelex.bulk.exceptions import (
    ClusterDiffersError,
    ClusterFolderError,
    ClusterNodeError,
    ClusterPlanError,
    ClusterUnreachableError,
    LedgerError,
    LedgerInUseError,
)
from pipelex.bulk.ledger import Entry, Ledger, open_ledger, read_ledger, shard_folder
from pipelex.bulk.options import MapOptions
from pipelex.bulk.ray import proof
from pipelex.bulk.ray.address import check_reachable
from pipelex.bulk.ray.cluster import Node, check_answers
from pipelex.bulk.ray.engine import Ray
from pipelex.bulk.ray.leases import LeasedRate, Leases, RunLimiter, RunState, Totals
from pipelex.bulk.ray.orders import NodeAnswer
from pipelex.bulk.ray.progress import ReportedProgress
from pipelex.bulk.ray.run import shares_of
from pipelex.bulk.run import MapProgress
from pipelex.cogt.exceptions import InferenceRateLimitError
from pipelex.cogt.inference.limiter import Limiter
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.bulk.counting import MODEL

if TYPE_CHECKING:
    from pipelex.boot import Pipelex
    from tests.bulk.counting import CountingPlugin

SPEC = InferenceModelSpec(name="m", family=InferenceFamily.LLM, backend_name="acme", sdk="acme", model_id="m")


def left_shard(ledger: Path, number: int, *entries: Entry) -> Path:
    """Leave the ledger of a shard behind, as a run whose process died does."""
    shard_folder(ledger).mkdir(exist_ok=True)
    path = shard_folder(ledger) / f"{number:08}.ledger"
    shard = open_ledger(path)
    shard.mark_sent(entries)
    for entry in entries:
        if entry.state != "sent":
            shard.save(entry)
    shard.close()
    return path


def row(key: str | int, position: int, state: str = "ok", fingerprint: str = "job") -> Entry:
    return Entry(key, position, fingerprint, state, answer='"a"' if state == "ok" else None)


def test_shards_that_were_left_are_taken_up_by_whoever_opens_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "job.db"
    left_shard(path, 1, row(64, 0), row(65, 1, "sent"))
    left_shard(path, 2, row("by key", 0))
    ledger = open_ledger(path)
    taken_up = {entry.key: (entry.position, entry.state) for entry in ledger.entries()}
    assert {64: (64, "ok"), 65: (65, "sent"), "by key": (-1, "ok")} == taken_up
    ledger.close()
    assert [path] == list(tmp_path.iterdir())


def test_a_new_run_drops_the_shards_that_were_left(tmp_path: Path) -> None:
    left_shard(tmp_path / "job.db", 1, row(0, 0))
    ledger = open_ledger(tmp_path / "job.db", new=True)
    assert [] == list(ledger.entries())
    ledger.close()


def test_a_shard_that_a_process_still_has_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelex.bulk.ledger._SHARDS_IN_USE_S", 0.0)
    path = left_shard(tmp_path / "job.db", 1, row(0, 0))
    shard = open_ledger(path)
    with pytest.raises(LedgerInUseError, match="00000001"):
        open_ledger(tmp_path / "job.db")
    shard.close()
    open_ledger(tmp_path / "job.db").close()


def test_a_shard_is_kept_until_its_rows_are_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = left_shard(tmp_path / "job.db", 1, row(0, 0))
    monkeypatch.setattr(Ledger, "commit", lambda _self: (_ for _ in ()).throw(LedgerError(file="f", reason="r")))
    with pytest.raises(LedgerError):
        open_ledger(tmp_path / "job.db")
    assert path.exists()


def test_rows_of_shards_are_resumed_without_a_cluster(px: Pipelex, plugin: CountingPlugin, tmp_path: Path) -> None:
    list(px.map_sync(["a", "b"], str, model=MODEL, ledger="first.db"))
    first = open_ledger(Path("first.db"))
    answered, job = list(first.entries()), first.job()
    first.close()
    ledger = open_ledger(tmp_path / "job.db")
    ledger.check_job(job)
    ledger.close()
    left_shard(tmp_path / "job.db", 1, *answered)
    rows = list(px.map_sync(["a", "b", "c"], str, model=MODEL, ledger="job.db"))
    assert [(0, True), (1, True), (2, False)] == sorted((row.index, row.is_from_ledger) for row in rows)
    assert {"a": 1, "b": 1, "c": 1} == plugin.counted()


def test_leases_of_several_processes_never_add_up_to_more_than_the_limit() -> None:
    limiter = RunLimiter(requests_per_minute=60, tokens_per_minute=600, max_failures=None, max_cost_usd=None)
    begins = [limiter.lease(2, 10) for _ in range(3)]
    assert [0.0, 2.0, 4.0] == pytest.approx([requests for requests, _ in begins], abs=0.05)
    assert [0.0, 1.0, 2.0] == pytest.approx([tokens for _, tokens in begins], abs=0.05)


def test_a_lease_is_spent_evenly_in_its_time_and_lost_afterwards() -> None:
    asked: list[bool] = []
    rate = LeasedRate(60, processes=1, ask=lambda: asked.append(True))
    assert rate.delay(0.0) > 0
    assert [True] == asked
    rate.add(2, begins_at=10.0)
    assert 10.0 == rate.delay(0.0)
    assert 0.0 == rate.delay(10.0)
    rate.take(1, 10.0)
    assert 1.0 == rate.delay(10.0)
    assert rate.delay(12.5) > 0
    assert 1 == rate.wanted(waiting=5)
    assert 2 == len(asked)


def test_what_was_used_beyond_a_lease_is_in_the_next_one() -> None:
    rate = LeasedRate(600, processes=2, ask=lambda: None)
    rate.add(5, begins_at=0.0)
    rate.take(25, 0.0)
    assert 25 == rate.wanted(waiting=3)  # 20 beyond the lease, and half of a second's worth
    assert 21 == rate.wanted(waiting=0)
    rate.add(25, begins_at=0.5)
    assert 2.5 == pytest.approx(rate.delay(0.0))


def test_calls_of_two_processes_share_the_requests_of_a_minute() -> None:
    class Direct:
        def __init__(self, limiter: RunLimiter) -> None:
            self.limiter = limiter
            self.leased = 0

        async def lease(self, requests: int, tokens: int) -> tuple[float, float]:
            self.leased += requests
            return self.limiter.lease(requests, tokens)

        async def add(self, totals: Totals, *, process: int, under_way: int, refused_for_s: float) -> RunState:
            return self.limiter.add(totals, process, under_way, refused_for_s)

    async def calls() -> int:
        limiter = Direct(
            RunLimiter(requests_per_minute=60_000, tokens_per_minute=None, max_failures=None, max_cost_usd=None)
        )
        spec = replace(SPEC, policy=replace(SPEC.policy, requests_per_minute=60_000))
        pools = [Limiter().pool(spec) for _ in range(2)]
        leases = [Leases(pool, limiter, processes=2) for pool in pools]
        keeping = [asyncio.create_task(lease.keep()) for lease in leases]
        until = asyncio.get_running_loop().time() + 60
        for pool in pools * 10:
            (await pool.wait(tokens=0, goes_first=False, until=until)).release()
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        return limiter.leased

    assert asyncio.run(calls()) >= 20


def test_the_limiter_ends_a_run_at_a_limit() -> None:
    limiter = RunLimiter(requests_per_minute=None, tokens_per_minute=None, max_failures=1, max_cost_usd=1.0)
    assert not limiter.add(Totals(done=2, failed=1, cost_usd=0.5), 0, 3).is_over
    assert limiter.add(Totals(done=1, failed=1), 1, 4).is_over
    assert 7 == limiter.totals().under_way
    costly = RunLimiter(requests_per_minute=None, tokens_per_minute=None, max_failures=None, max_cost_usd=1.0)
    assert costly.add(Totals(done=1, cost_usd=1.0), 0, 0).is_over
    assert costly.add(Totals(done=1, unpriced=1), 0, 0).is_over


def test_a_refusal_of_one_process_holds_the_calls_of_all_until_its_end() -> None:
    limiter = RunLimiter(requests_per_minute=None, tokens_per_minute=None, max_failures=None, max_cost_usd=None)
    refused, other = (Limiter().pool(SPEC) for _ in range(2))
    slot = refused.take()
    assert slot is not None
    slot.note_failure(InferenceRateLimitError("slow down", retry_after=20.0))
    slot.release()
    limiter.add(Totals(), 0, 1, refused.gate.refused_for_s())
    learned = limiter.add(Totals(), 1, 1, other.gate.refused_for_s()).refused_for_s
    assert 20.0 == pytest.approx(learned, abs=1.0)
    assert other.take() is not None
    other.gate.hold(learned, SPEC.policy)
    assert other.take() is None
    assert 20.0 == pytest.approx(other.gate.delay(monotonic()), abs=1.0)
    assert 0.0 == other.gate.refused_for_s()  # it is not its own: else two processes would hold each other for ever
    other.gate.hold(0.0, SPEC.policy)
    assert other.take() is None  # a gate that is closed stays as it is


def test_progress_counts_each_row_once_whether_it_is_reported_or_taken_up_first() -> None:
    progress = MapProgress(done=10)
    reported = ReportedProgress(progress)
    failed = row(0, 0, "failed")._replace(cost_usd=0.5)

    def take_up() -> None:
        reported.take_up(failed)
        progress.done += 1  # as the run does
        progress.failed += 1
        progress.cost_usd += 0.5

    reported.report(Totals(done=2, failed=2, cost_usd=1.0, under_way=3))
    assert MapProgress(done=12, failed=2, cost_usd=1.0, under_way=3) == progress
    for _ in range(3):  # the third one before it is reported
        take_up()
    assert (13, 3, 1.5) == (progress.done, progress.failed, progress.cost_usd)
    reported.report(Totals(done=4, failed=4, cost_usd=2.0))
    assert (14, 4, 2.0) == (progress.done, progress.failed, progress.cost_usd)
    reported.end()  # the fourth was run again elsewhere
    assert (13, 3, 1.5) == (progress.done, progress.failed, progress.cost_usd)


def test_a_plugin_is_known_by_the_digest_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, metadata = tmp_path / "proved_plugin", tmp_path / "proved-1.0.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text("ANSWER = 1\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: proved\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pipelex.plugins]\nproved = proved_plugin:make\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = proof.facts_of_installation()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    (package / ".mypy_cache").mkdir()
    (package / ".mypy_cache" / "CACHEDIR.TAG").write_text("a cache")
    assert before == proof.facts_of_installation()
    (package / "__init__.py").write_text("ANSWER = 2\n")
    assert ["plugin proved"] == list(proof.differences(before, proof.facts_of_installation()))


def test_facts_of_a_model_hold_no_header_and_no_body() -> None:
    secret = "a value that may be secret"
    spec = replace(SPEC, extra_headers={"x": secret}, extra_body={"y": secret}, endpoint=secret)
    facts = proof.facts_of_model(spec)
    assert secret not in str(facts)
    assert proof.differences(facts, proof.facts_of_model(replace(spec, extra_body={"y": "another"})))
    assert not proof.differences(facts, proof.facts_of_model(replace(spec, endpoint="another")))


def test_what_a_node_cannot_do_is_an_error_that_names_it() -> None:
    facts = {"plugin acme": "acme 1.0"}
    check_answers(NodeAnswer(node="n1", facts=facts), facts=facts, folder="f")
    with pytest.raises(ClusterDiffersError, match=r"n1: plugin acme: acme 1\.0 here, nothing there"):
        check_answers(NodeAnswer(node="n1", facts={}), facts=facts, folder="f")
    with pytest.raises(ClusterNodeError, match="On node n1: no key"):
        check_answers(NodeAnswer(node="n1", facts={}, error="no key"), facts=facts, folder="f")
    with pytest.raises(ClusterFolderError, match="n1"):
        check_answers(NodeAnswer(node="n1", facts=facts, folder_fault="it is not there"), facts=facts, folder="f")


@pytest.mark.parametrize(
    ("engine", "calls", "cpus", "shares"),
    [
        (Ray(), 8, (4.0,), [8]),
        (Ray(), 20, (4.0,), [7, 7, 6]),
        (Ray(), 8, (4.0, 4.0, 4.0), [3, 3, 2]),
        (Ray(), 64, (2.0,), [32, 32]),
        (Ray(actors=4), 2, (2.0,), [1, 1]),
        (Ray(cpus_per_actor=0), 16, (1.0,), [8, 8]),
    ],
)
def test_the_calls_at_once_are_shared_out(engine: Ray, calls: int, cpus: tuple[float, ...], shares: list[int]) -> None:
    nodes = [Node(str(number), str(number), count) for number, count in enumerate(cpus)]
    assert shares == shares_of(calls, nodes, engine)
    assert calls == sum(shares)


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ClusterPlanError, match="actors is 0"):
        Ray(actors=0)
    with pytest.raises(ClusterPlanError, match="ray job submit"):
        Ray(address="ray://head:10001")


def answering(listening: socket.socket, answer: bytes, *, until: Event | None = None) -> str:
    """Answer one connection, and keep it open for a while; returns the address."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1_000)
            connection.sendall(answer)
            if until is not None:
                until.wait(10)

    Thread(target=serve).start()
    return "{}:{}".format(*listening.getsockname())


def frame(kind: int, flags: int = 0, payload: bytes = b"") -> bytes:
    return bytes((0, 0, len(payload), kind, flags, 0, 0, 0, 1)) + payload


SETTINGS = frame(4)
GRPC = b"\x88@\x0ccontent-type\x10application/grpc"


@pytest.mark.parametrize(
    "answer",
    [
        SETTINGS + frame(1, 4, GRPC) + frame(0, 0, b"\0\0\0\0\x0c\n\0\x12\x062.60.0 \x01"),
        SETTINGS + frame(1, 5, GRPC + b"\0\x0bgrpc-status\x0216"),  # it asks for a token
    ],
)
def test_an_address_at_which_a_cluster_listens_is_used(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_reachable(answering(server, answer))
    check_reachable("auto")


def test_an_address_at_which_nothing_listens_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = "{}:{}".format(*server.getsockname())
    with pytest.raises(ClusterUnreachableError, match=address):
        check_reachable(address)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        SETTINGS,  # and the end
        SETTINGS + frame(1, 5, GRPC + b"@\x0bgrpc-status\x0212"),  # gRPC without this service
        SETTINGS + frame(1, 4, b"\x8d") + frame(0, 1, b"<html>"),
    ],
)
def test_an_address_at_which_something_else_listens_is_an_error_at_once(answer: bytes) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ClusterUnreachableError, match="no Ray cluster"),
    ):
        check_reachable(answering(server, answer))


def test_an_address_at_which_nothing_answers_is_an_error_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelex.bulk.ray.address._ANSWER_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ClusterUnreachableError, match="timed out"):
        check_reachable(f"127.0.0.1:{silent.getsockname()[1]}")


def test_an_address_that_begins_an_answer_and_does_not_end_it_is_an_error_within_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipelex.bulk.ray.address._ANSWER_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = Event()
        address = answering(server, SETTINGS, until=ended)
        with pytest.raises(ClusterUnreachableError, match="timed out"):
            check_reachable(address)
        ended.set()


def test_a_model_record_is_refused(px: Pipelex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelex.plugins.inference_backend_registry.require_sdk", lambda **_named: None)
    with pytest.raises(ClusterPlanError, match="Name a model"):
        px.map_sync(["a"], str, model=SPEC, engine=Ray())


def test_a_run_that_a_cluster_refuses_changes_no_ledger(
    px: Pipelex, plugin: CountingPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_engine: Ray) -> None:
        raise ClusterUnreachableError(address="a:1", reason="refused")

    def refused(*, new: bool = False) -> None:
        options = MapOptions(new=new)
        with pytest.raises(ClusterUnreachableError):
            list(px.map_sync(["a", "b", "c"], str, model=MODEL, ledger="job.db", engine=Ray(), options=options))

    monkeypatch.setattr("pipelex.plugins.inference_backend_registry.require_sdk", lambda **_named: None)
    monkeypatch.setattr("pipelex.bulk.ray.run.Cluster.connect", refuse)
    before = sorted(tmp_path.iterdir())
    refused()
    assert before == sorted(tmp_path.iterdir())
    list(px.map_sync(["a", "b"], str, model=MODEL, ledger="job.db"))
    refused()
    refused(new=True)
    ledger = open_ledger(Path("job.db"))
    assert [("ok", "a"), ("ok", "b")] == [(entry.state, str(entry.answer)[-2:-1]) for entry in ledger.entries()]
    ledger.close()
    assert not shard_folder(Path("job.db")).exists()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_ledger(
    px: Pipelex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelex.plugins.inference_backend_registry.require_sdk", lambda **_named: None)
    with pytest.raises(LedgerError, match=r"no-folder.job\.db"):
        list(px.map_sync(["a", "b"], str, model=MODEL, ledger="no-folder/job.db", engine=Ray()))


def test_rows_under_way_are_read_in_their_places_and_are_sent_rows_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "job.db"
    ledger = open_ledger(path)
    ledger.mark_sent([row(0, 0, "sent"), row(1, 1, "sent"), row(2, 2, "sent")])
    ledger.save(row(1, 1))
    expected = [(0, "sent"), (1, "ok"), (2, "sent")]
    assert expected == [(entry.key, entry.state) for entry in ledger.entries()]
    assert ("sent", "ok") == (ledger.find(0).state, ledger.find(1).state)  # type: ignore[union-attr]  # both are there
    reader = read_ledger(path)
    assert expected == [(entry.key, entry.state) for entry in reader.entries()]
    reader.close()
    ledger.close()
    after = open_ledger(path)
    assert expected == [(entry.key, entry.state) for entry in after.entries()]
    assert 2 == after.count_deaths()
    after.close()


def test_a_ledger_that_is_not_there_is_not_made_by_who_reads_it(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no such ledger"):
        read_ledger(tmp_path / "job.db")
    assert [] == list(tmp_path.iterdir())


def test_a_row_that_is_sent_again_loses_its_outcome_of_before(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "job.db")
    ledger.save(row(0, 0, "failed"))
    ledger.close()
    again = open_ledger(tmp_path / "job.db")
    again.mark_sent([row(0, 0, "sent")])
    again.close()
    after = open_ledger(tmp_path / "job.db")
    assert [(0, "sent")] == [(entry.key, entry.state) for entry in after.entries()]
    after.close()


def test_a_batch_whose_rows_have_all_ended_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "job.db"
    ledger = open_ledger(path)
    for number in range(4):
        ledger.mark_sent([row(2 * number, 2 * number, "sent"), row(2 * number + 1, 2 * number + 1, "sent")])
        ledger.save(row(2 * number, 2 * number))
        if number:
            ledger.save(row(2 * number - 1, 2 * number - 1))
    ledger.commit()
    with closing(sqlite3.connect(path)) as other:
        assert [(4,)] == other.execute("SELECT batch FROM sent").fetchall()
    ledger.close()
