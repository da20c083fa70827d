"""``rows_wall.py URL``: how long a row takes where the server takes its time: the raw SDK, and ``px.map``, in turns."""

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from question import TEXT
from vendors.openai import Raw

from pipelex.boot import Pipelex
from pipelex.bulk.options import MapOptions

ROWS, TASKS, BATCHES = 1_000, 64, 3


async def bare(url):
    client, rows = Raw(url), iter(range(ROWS))

    async def work():
        for _ in rows:
            await client.text()

    await asyncio.gather(*(work() for _ in range(TASKS)))


async def mapped(px, ledger):
    options = MapOptions(concurrency=TASKS)
    run = px.map(range(ROWS), lambda _: TEXT, model="openai/bench", ledger=ledger, options=options)
    errors = [row.error async for row in run if row.error is not None]
    assert not errors, errors[0]


async def main(url):
    times = {}
    async with Pipelex.setup() as px:
        with TemporaryDirectory() as folder:
            for batch in range(BATCHES + 1):
                calls = {"bare": bare(url), "map": mapped(px, Path(folder, f"{batch}.db"))}
                for name, call in calls.items():
                    start = perf_counter()
                    await call
                    if batch:  # the first one warms up
                        times.setdefault(name, []).append((perf_counter() - start) / ROWS)
    print(json.dumps(times))


asyncio.run(main(*sys.argv[1:]))
