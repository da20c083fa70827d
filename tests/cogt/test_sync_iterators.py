"""Iterators of synchronous code that are left without being read to their end."""

from __future__ import annotations

import subprocess
import sys

LIMIT_S = 60

COLLECTED = """
import asyncio, gc
from pipelex.cogt.inference.sync_calls import iterate_sync, run_coroutine

gc.disable()

async def items():
    try:
        while True:
            yield 1
    finally:
        print("closed")

cycle = [iterate_sync("items", items())]
next(cycle[0])
cycle.append(cycle)
del cycle

async def collect():
    gc.collect()
    await asyncio.sleep(0.01)

run_coroutine(collect)
print("ended")
"""


def test_an_iterator_that_is_collected_on_the_thread_of_the_loop_does_not_block_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTED], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert ["closed", "ended"] == done.stdout.splitlines(), done.stderr
