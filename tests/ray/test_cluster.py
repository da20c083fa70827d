"""Runs on a cluster of several processes: what is promised of one process holds there, too, and no key is passed on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.bulk.exceptions import (
    ClusterDiffersError,
    ClusterNodeError,
    ClusterPlanError,
    DuplicateRowKeyError,
    MapLimitError,
)
from pipelex.bulk.ledger import open_ledger
from pipelex.bulk.options import MapOptions
from pipelex.bulk.ray.engine import Ray
from pipelex.bulk.report import MapReport
from tests.bulk.counting import MODEL
from tests.ray.conftest import SECRET, WindowServer, install_plugin, wait_for

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable

    from pipelex.boot import Pipelex
    from pipelex.bulk.options import MapRow
    from tests.ray.conftest import Cluster

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]

CONCURRENCY = 8


def run(
    px: Pipelex,
    rows: Iterable[str],
    *,
    engine: Ray | None = None,
    after: Callable[[MapRow[str]], None] = lambda _row: None,
    **options: object,
) -> dict[int, str]:
    """Run rows on the cluster; returns the answer, or the name of the error, of each."""
    chosen = MapOptions(**{"concurrency": CONCURRENCY, **options})  # type: ignore[arg-type]  # those of the test
    outcomes = {}
    for row in px.map_sync(rows, str, model=MODEL, ledger="job.db", options=chosen, engine=engine or Ray()):
        after(row)
        outcomes[row.index] = row.value or type(row.error).__name__
    return outcomes


def texts(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{index}" for index in range(count)]


def echoes(prefix: str, count: int) -> dict[int, str]:
    return {index: f"echo: {text}" for index, text in enumerate(texts(prefix, count))}


def assert_few_repeats(counted: Counter[str], count: int, kills: int = 1) -> None:
    """Check that no row is lost, and that no more calls were repeated than were under way."""
    assert len(counted) == count
    assert counted.total() - count <= kills * CONCURRENCY


def test_rows_are_run_once_and_their_ledger_is_that_of_any_run(px: Pipelex, cluster: Cluster) -> None:
    assert echoes("once", 200) == run(px, texts("once", 200))
    assert {1} == set(cluster.counted("once").values())
    assert ["job.db"] == os.listdir()
    ledger = open_ledger(Path("job.db"))
    assert list(range(200)) == [entry.position for entry in ledger.entries()]
    assert 200 == MapReport.of(ledger).ok
    ledger.close()
    assert echoes("once", 200) == run(px, texts("once", 200))  # from the ledger
    assert 200 == cluster.counted("once").total()


def test_a_worker_that_is_killed_loses_no_row_and_repeats_few(px: Pipelex, cluster: Cluster) -> None:
    def kill_one(row: MapRow[str]) -> None:
        if not killed:
            killed.append(cluster.workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    killed: list[int] = []
    assert echoes("worker", 200) == run(px, texts("worker", 200), engine=Ray(actors=2), after=kill_one)
    assert killed
    assert_few_repeats(cluster.counted("worker"), 200)


def test_a_node_that_is_removed_loses_no_row_and_repeats_few(px: Pipelex, cluster: Cluster) -> None:
    def remove(row: MapRow[str]) -> None:
        if not removed:
            removed.append(row.index)
            node.kill()

    removed: list[int] = []
    with cluster.node(cpus=2) as node:
        assert echoes("node", 200) == run(px, texts("node", 200), engine=Ray(actors=4), after=remove)
    assert removed
    assert_few_repeats(cluster.counted("node"), 200)


def test_a_row_that_kills_its_process_is_set_aside_after_two_deaths(px: Pipelex, cluster: Cluster) -> None:
    rows = texts("poison", 60)
    rows[7] = "poison-die"
    outcomes = run(px, rows, engine=Ray(actors=2))
    assert "RowKilledProcessError" == outcomes.pop(7)
    expected = echoes("poison", 60)
    del expected[7]
    assert expected == outcomes
    assert 2 == cluster.counted("poison")["poison-die"]


@pytest.mark.parametrize("key", [(), ("--key",)], ids=["rows by number", "rows by key"])
def test_a_driver_that_is_killed_is_resumed_and_few_calls_are_repeated(
    px: Pipelex, cluster: Cluster, key: tuple[str, ...], tmp_path: Path
) -> None:
    prefix = f"driver{len(key)}"
    arguments = (str(tmp_path / "job.db"), prefix, "200", "--actors", "2", *key)
    driver = cluster.driver(*arguments)
    wait_for(lambda: cluster.counted(prefix).total() > 70)
    driver.kill()
    again = cluster.driver(*arguments)
    code, written = again.ended()
    assert (0, sorted(f"{index} {text}" for index, text in echoes(prefix, 200).items())) == (
        code,
        sorted(written.splitlines()),
    )
    assert_few_repeats(cluster.counted(prefix), 200)
    ledger = open_ledger(tmp_path / "job.db")
    assert list(range(200)) == [entry.position for entry in ledger.entries()]
    ledger.close()


def test_a_node_with_another_version_of_a_plugin_is_named_before_the_first_call(
    px: Pipelex, cluster: Cluster, tmp_path: Path
) -> None:
    with cluster.node(site=install_plugin(tmp_path / "other", "2.0")), pytest.raises(ClusterDiffersError) as caught:
        run(px, texts("version", 10))
    [(_, name, here, there)] = caught.value.differences
    assert "plugin counting" == name
    assert here.startswith("counting-plugin 1.0, sha256 ")
    assert there.startswith("counting-plugin 2.0, sha256 ")
    assert not cluster.counted("version")
    assert ["other"] == os.listdir()  # the plugin: no ledger is left


def test_a_node_without_the_key_is_named_before_the_first_call(px: Pipelex, cluster: Cluster) -> None:
    with cluster.node(key=None), pytest.raises(ClusterNodeError, match="COUNTING_API_KEY"):
        run(px, texts("keyless", 40), engine=Ray(actors=1))
    assert not cluster.counted("keyless")
    assert [] == os.listdir()


def test_no_more_calls_are_sent_than_a_limit_leases(px: Pipelex, cluster: Cluster) -> None:
    began = time.monotonic()
    assert echoes("rate", 40) == run(px, texts("rate", 40), engine=Ray(actors=2), requests_per_minute=600)
    assert time.monotonic() - began >= 39 * 0.1


def test_failures_of_all_processes_count_together(px: Pipelex, cluster: Cluster) -> None:
    rows = [f"failing-fail-{index}" for index in range(4_000)]
    with pytest.raises(MapLimitError, match="max_failures"):
        run(px, rows, engine=Ray(actors=2, rows_per_shard=2_000), max_failures=5)
    assert cluster.counted("failing").total() < 2_000
    assert run(px, rows[:2], limit=2).values()


def test_two_rows_with_one_key_are_refused(px: Pipelex, cluster: Cluster) -> None:
    with pytest.raises(DuplicateRowKeyError):
        list(px.map_sync(["key-1", "key-2"], str, model=MODEL, key=lambda _row: "same", engine=Ray()))


def test_a_job_that_cannot_be_sent_is_a_named_error(px: Pipelex, cluster: Cluster) -> None:
    from dataclasses import dataclass
    from threading import Lock

    @dataclass
    class Answer:
        text: str
        lock = Lock()

    with pytest.raises(ClusterPlanError, match="cannot be sent"):
        list(px.map_sync(["unsent-1"], str, model=MODEL, schema=Answer, engine=Ray()))


def test_answers_may_be_of_a_type_that_only_the_driver_defines(px: Pipelex, cluster: Cluster) -> None:
    from dataclasses import dataclass

    @dataclass
    class Answer:
        text: str
        length: int = 0

    found = list(px.map_sync(["typed-1"], str, model=MODEL, schema=Answer, engine=Ray(actors=1)))
    assert [Answer("echo: typed-1", 13)] == [row.value for row in found]


def test_leaving_the_loop_loses_no_row_and_leaves_no_shard(px: Pipelex, cluster: Cluster) -> None:
    options = MapOptions(concurrency=CONCURRENCY)
    for _ in px.map_sync(texts("left", 100), str, model=MODEL, ledger="job.db", options=options, engine=Ray(actors=2)):
        break
    assert ["job.db"] == os.listdir()
    assert echoes("left", 100) == run(px, texts("left", 100))
    assert_few_repeats(cluster.counted("left"), 100)


def test_datasets_go_in_and_come_out(px: Pipelex, cluster: Cluster) -> None:
    import ray.data

    from pipelex.bulk.ray.datasets import dataset_of

    rows = ray.data.from_items([{"text": text} for text in texts("dataset", 40)])
    found = list(px.map_sync(rows, lambda row: str(row["text"]), model=MODEL, ledger="job.db", engine=Ray()))
    assert echoes("dataset", 40) == {row.index: row.value for row in found}
    out = dataset_of("job.db").take_all()
    assert [(index, text) for index, text in echoes("dataset", 40).items()] == [
        (row["index"], row["answer"]) for row in out
    ]
    assert '{"input_tokens": 3, "output_tokens": 2}' == out[0]["usage"]
    open_ledger(Path("empty.db")).close()
    for name in ("job.db", "empty.db"):  # no row of either has an error or a cost
        schema = dataset_of(name).schema()
        assert ["index", "key", "answer", "error", "usage", "cost_usd"] == schema.names
        assert ["int64", "string", "string", "string", "string", "double"] == list(map(str, schema.types))


def test_no_key_is_sent_or_in_the_folder_of_the_session_or_in_a_ledger(
    px: Pipelex, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import cloudpickle

    from pipelex.bulk.ray import cluster as calls

    def recorded(remote: object, *args: object, **kwargs: object) -> object:
        sent.append(cloudpickle.dumps((args, kwargs)))
        return send(remote, *args, **kwargs)

    sent: list[bytes] = []
    send = calls._send
    monkeypatch.setattr(calls, "_send", recorded)
    monkeypatch.setenv("COUNTING_API_KEY", SECRET)  # this driver has a key
    run(px, texts("canary", 20))
    assert cluster.counted("canary")
    assert any(b"canary-19" in data for data in sent)
    files = [file for folder in (cluster.temporary, tmp_path) for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 10
    assert [] == [data for data in (*sent, *(file.read_bytes() for file in files)) if SECRET.encode() in data]


def command(prefix: str, count: int, *options: str, model: str = MODEL) -> int:
    """Run rows by the command; returns its exit code."""
    from pipelex.cli.main import main

    Path("rows.csv").write_text("text\n" + "".join(f"{text}\n" for text in texts(prefix, count)), encoding="utf-8")
    settings = ("-m", model, "-o", "out.jsonl", "--on", "ray", "--concurrency", str(CONCURRENCY))
    return main(["map", "rows.csv", "--prompt", "{text}", *settings, *options])


def test_the_command_runs_on_a_cluster(px: Pipelex, cluster: Cluster) -> None:
    assert 0 == command("command", 20)
    written = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert list(echoes("command", 20).values()) == [row["answer"] for row in written]


def test_what_all_processes_spend_ends_the_run_at_its_limit_of_cost(
    px: Pipelex, cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    from pipelex.cli.main import main

    assert 0 == command("cost", 1, "--actors", "2", model="priced")
    assert 0 == main(["map", "--report", "out.jsonl", "--json"])
    price = json.loads(capfd.readouterr().out)["cost_usd"]
    limit = str(60 * price)
    called = []
    for _ in range(2):  # the second run makes no call
        assert 1 == command("cost", 200, "--max-cost", limit, "--actors", "2", model="priced")
        assert f"of ${float(limit):g} are spent. What was answered is kept" in capfd.readouterr().err
        called.append(cluster.counted("cost").total())
    assert called[0] == called[1]
    assert 60 <= called[0] <= 60 + 3 * CONCURRENCY
    assert 0 == main(["map", "--report", "out.jsonl", "--json"])
    assert called[0] * price == pytest.approx(json.loads(capfd.readouterr().out)["cost_usd"])
    assert 0 == command("cost", 200, "--max-cost", str(1_000 * price), model="priced")
    assert {1} == set(cluster.counted("cost").values())


def test_a_limit_of_cost_ends_the_run_where_the_cost_is_unknown(px: Pipelex, cluster: Cluster) -> None:
    with pytest.raises(MapLimitError, match="the cost of this model's calls is unknown"):
        run(px, texts("unpriced", 200), engine=Ray(actors=2), max_cost_usd=1.0)
    assert cluster.counted("unpriced").total() <= 4 * CONCURRENCY


def test_a_refusal_of_one_process_holds_the_calls_of_all(px: Pipelex, cluster: Cluster) -> None:
    with closing(WindowServer(allowed=40)) as server:
        rows = [f"{text}@{server.port}" for text in texts("refused", 120)]
        outcomes = run(px, rows, engine=Ray(actors=2), concurrency=32)
    assert [f"echo: {text}" for text in rows] == [outcomes[index] for index in range(120)]
    assert {1} == set(cluster.counted("refused").values())
    assert 1 <= server.refused <= 64  # 32 calls that wait each for themselves are refused some 100 times


def test_a_cluster_that_a_run_starts_is_closed_to_other_machines(cluster: Cluster) -> None:
    script = "; ".join(
        (
            "from pipelex.bulk.ray.cluster import Cluster",
            "from pipelex.bulk.ray.engine import Ray",
            "made = Cluster.connect(Ray())",
            "import ray",
            "print([node['NodeManagerAddress'] for node in ray.nodes()])",
            "made.close()",
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=cluster.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "['127.0.0.1']\n" == done.stdout, done.stderr
