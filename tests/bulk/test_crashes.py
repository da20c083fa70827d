from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.bulk.server import CountingServer

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from tests.bulk.conftest import Processes
    from tests.bulk.counting import CountingPlugin

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are killed")

ROWS = 200
CONCURRENCY = 16


def run_with_kills(processes: Processes, counted: Callable[[], Counter[str]], kills: int, *, how: str = "map") -> None:
    """Kill a run again and again, each time after a random share of the calls that are left, then let it end."""
    rng = random.Random(kills)
    for _ in range(kills):
        before = counted().total()
        process = processes.start(how, "job.db", str(ROWS), latency_s=0.02)
        enough = before + rng.randint(1, 2 * ROWS // kills)
        while counted().total() < enough and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.communicate()
    done = processes.run(how, "job.db", str(ROWS))
    assert (0, "") == (done.returncode, done.stderr)
    answers = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert {str(index): f"echo: {index}" for index in range(ROWS)} == answers
    assert counted().total() - ROWS <= kills * CONCURRENCY
    assert len(counted()) == ROWS


def test_after_kills_at_random_moments_no_row_is_lost_and_only_calls_under_way_are_repeated(
    processes: Processes, plugin: CountingPlugin
) -> None:
    run_with_kills(processes, plugin.counted, 5)


@pytest.mark.heavy
def test_after_fifty_kills_no_row_is_lost_and_only_calls_under_way_are_repeated_as_the_server_counts(
    processes: Processes, tmp_path: Path
) -> None:
    with CountingServer(latency_s=0.02) as server:
        table = f'[backends.served]\nendpoint = "{server.url}"\n[backends.served.llm]\nsdk = "openai"\n'
        (tmp_path / "home" / "pipelex.toml").write_text(table, encoding="utf-8")
        run_with_kills(processes, server.counted, 50, how="served")


def test_a_row_that_kills_its_process_is_set_aside_after_two_deaths(
    processes: Processes, plugin: CountingPlugin
) -> None:
    first = processes.run("map", "job.db", "40", "7=die")
    assert 9 == first.returncode
    second = processes.run("map", "job.db", "40", "7=die")
    assert (0, "") == (second.returncode, second.stderr)
    outcomes = dict(line.split(" ", 1) for line in second.stdout.splitlines())
    assert "RowKilledProcessError" == outcomes.pop("7")
    assert {str(index): f"echo: {index}" for index in range(40) if index != 7} == outcomes
    assert 2 == plugin.counted()["die"]


def test_a_row_that_runs_by_itself_waits_for_no_lock_that_a_thread_held_when_its_process_was_made(
    processes: Processes, plugin: CountingPlugin
) -> None:
    texts = [f"{index}=locked {index}" for index in range(60)]
    process = processes.start("map", "job.db", "60", *texts, latency_s=0.05)
    while plugin.counted().total() < 20 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    done = processes.run("map", "job.db", "60", *texts)
    assert (0, "") == (done.returncode, done.stderr)
    assert 60 == len(done.stdout.splitlines())


def test_a_process_that_runs_a_row_by_itself_ends_with_the_process_that_made_it(
    processes: Processes, plugin: CountingPlugin
) -> None:
    for calls in (1, 2):
        process = processes.start("map", "job.db", "1", latency_s=3600)
        while plugin.counted().total() < calls and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=60)  # until the child has closed what it got of its parent
    assert {"0": 2} == plugin.counted()
