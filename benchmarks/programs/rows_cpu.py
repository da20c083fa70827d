"""The CPU time of a row: a bare asyncio loop over a worker in this process, and ``px.map``, taking turns."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from rows_worker import MODEL

from pipelex.boot import Pipelex
from pipelex.cogt.llm.llm_job import LLMJob

ROWS, TASKS, BATCHES = 5_000, 64, 5


async def bare(px):
    worker, rows = px.llm(MODEL), iter(range(ROWS))

    async def work():
        for row in rows:
            await worker.gen_text(LLMJob.of(str(row)))

    await asyncio.gather(*(work() for _ in range(TASKS)))


async def mapped(px, ledger=None):
    count = 0
    async for row in px.map(range(ROWS), str, model=MODEL, ledger=ledger):
        count += row.error is None
    assert count == ROWS


def mapped_sync(px, ledger):
    assert sum(row.error is None for row in px.map_sync(range(ROWS), str, model=MODEL, ledger=ledger)) == ROWS


def main():
    times = {}
    with Pipelex.setup() as px, TemporaryDirectory() as folder:
        for batch in range(BATCHES + 1):
            ledger, other = Path(folder, f"{batch}.db"), Path(folder, f"{batch}-sync.db")
            calls = {
                "bare": lambda: asyncio.run(bare(px)),
                "map": lambda: asyncio.run(mapped(px)),
                "ledger": lambda ledger=ledger: asyncio.run(mapped(px, ledger)),
                "resumed": lambda ledger=ledger: asyncio.run(mapped(px, ledger)),
                "sync": lambda other=other: mapped_sync(px, other),
                "again": lambda: asyncio.run(bare(px)),
            }
            for name, call in calls.items():
                start = process_time()
                call()
                if batch:  # the first one warms up
                    times.setdefault(name, []).append((process_time() - start) / ROWS)
    more = min(times["ledger"]) - min(times["bare"])  # of the least: what else runs here makes both larger
    print(json.dumps({**times, "more": more, "allowed": 60e-6}))


if __name__ == "__main__":
    main()
