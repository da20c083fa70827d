"""Calls that fail in every way, again and again: sockets, threads, tasks and memory do not grow with them."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cogt.exceptions import InferenceError
from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import Ending, HttpReply, LoopbackVendor
from tests.providers.faults.drivers import DRIVERS, PATIENT, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.testing.loopback import HttpRequest
    from pipelex.testing.stage import Stage
    from tests.providers.faults.drivers import AnyDriver

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),  # of Hugging Face's own call
    pytest.mark.usefixtures("pauses"),
]

AT_ONCE = 32
SETTLED = 3  # rounds after which pools, caches and imports are as large as they get
OPEN_FILES = Path("/proc/self/fd")  # of Linux; elsewhere files are not counted


class Held(NamedTuple):
    """What the process holds between two rounds; connections, with their two files and the server's thread, apart."""

    files: int
    threads: int
    connections: int
    tasks: int
    memory: int


MARGIN = Held(files=8, threads=4, connections=AT_ONCE, tasks=0, memory=5_000)
"""How much more may be held: a pool keeps a connection for each call at once; memory in blocks, some 4 a call."""


def grown(rounds: list[Held]) -> list[str]:
    """Name what is held in larger numbers after the last round than after the first that counts."""
    first, last = rounds[SETTLED - 1], rounds[-1]
    rows = zip(Held._fields, first, last, MARGIN, strict=True)
    return [f"{name}: {before} -> {after}" for name, before, after, margin in rows if after > before + margin]


def faulty(vendor: LoopbackVendor[Any]) -> None:
    """Answer every fifth call; the replies to others are an error, no JSON, cut short, or end with a reset."""
    serve = vendor.server.serve

    def reply_to(request: HttpRequest) -> HttpReply:
        reply = serve(request)
        match int(vendor.token_of(request).rpartition("-")[2], 16) % 5:
            case 1:
                return HttpReply.json({"error": {"message": "down"}}, status=500)
            case 2:
                return HttpReply(body=b"<html>no JSON", headers={"Content-Type": "application/json"})
            case 3:
                return replace(reply, ending=Ending.CUT)
            case 4:
                return replace(reply, ending=Ending.RESET)
        return reply

    vendor.server.serve = reply_to


def held_after_rounds(
    driver: AnyDriver, *, rounds: int, calls: int, beside: Callable[[], object] = lambda: None
) -> list[Held]:
    """Make rounds of calls at once, and return what is held after each.

    Args:
        driver: The driver.
        rounds: How many rounds.
        calls: How many calls a round has.
        beside: Called with each call.
    """
    policy = replace(PATIENT, max_concurrency=AT_ONCE, max_outage_s=0.0)
    with driver.vendor() as vendor:
        assert isinstance(vendor, LoopbackVendor)
        faulty(vendor)

        async def call(worker: Any) -> bool:
            beside()
            try:
                await driver._call(worker, new_token(), None)
            except InferenceError:
                return False
            return True

        async def scene(stage: Stage[Any, Any], worker: Any) -> list[Held]:
            held = []
            for _ in range(rounds):
                outcomes = await asyncio.gather(*(call(worker) for _ in range(calls)))
                assert {True, False} == set(outcomes)
                vendor.server.requests.clear()  # what the test itself keeps
                stage.log.records.clear()
                gc.collect()
                kept = len(vendor.server.connections)
                files = len(os.listdir(OPEN_FILES)) - 2 * kept if OPEN_FILES.is_dir() else 0
                threads, tasks = threading.active_count() - kept, len(asyncio.all_tasks())
                held.append(Held(files, threads, kept, tasks, sys.getallocatedblocks()))
            return held

        return play(driver, scene, vendor=vendor, worker=policy, client=policy)


@pytest.mark.heavy
@pytest.mark.parametrize("name", DRIVERS)
def test_ten_rounds_of_faulty_calls_leave_nothing_behind(name: str) -> None:
    held = held_after_rounds(DRIVERS[name], rounds=10, calls=200)
    assert [] == grown(held), held


def test_a_few_rounds_of_faulty_calls_leave_nothing_behind() -> None:
    held = held_after_rounds(DRIVERS["openai"], rounds=5, calls=AT_ONCE)
    assert [] == grown(held), held


def test_what_each_call_leaves_open_turns_the_test_red() -> None:
    kept: list[tuple[tuple[int, int], list[object]]] = []
    held = held_after_rounds(
        DRIVERS["openai"],
        rounds=5,
        calls=AT_ONCE,
        beside=lambda: kept.append((os.pipe(), [object() for _ in range(200)])),
    )
    for ends, _ in kept:
        for end in ends:
            os.close(end)
    assert ["files", "memory"] == [line.partition(":")[0] for line in grown(held)]
