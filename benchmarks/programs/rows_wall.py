"""``rows_wall.py URL``: how long a row takes where the server takes its time: the raw SDK, and ``px.map``, in turns."""

import asyncio
import json
import sys
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from question import TEXT
from vendors.openai import Raw

from pipelex.boot import Pipelex
from pipelex.bulk.options import MapOptions

ROWS, TASKS, BATCHES = 500, (8, 64), 3


async def bare(url, tasks):
    client, rows = Raw(url), iter(range(ROWS))

    async def work():
        for _ in rows:
            await client.text()

    await asyncio.gather(*(work() for _ in range(tasks)))
    await client.client.close()  # connections that are collected while they are open disturb those of the next batch


async def mapped(px, ledger, tasks):
    options = MapOptions(concurrency=tasks)
    run = px.map(range(ROWS), lambda _: TEXT, model="openai/bench", ledger=ledger, options=options)
    errors = [row.error async for row in run if row.error is not None]
    assert not errors, errors[0]


async def main(url):
    times = {}
    async with Pipelex.setup() as px:
        with TemporaryDirectory() as folder:
            for batch, tasks in product(range(BATCHES + 1), TASKS):
                ledger = Path(folder, f"{batch}-{tasks}.db")
                calls = {f"bare-{tasks}": bare(url, tasks), f"map-{tasks}": mapped(px, ledger, tasks)}
                for name, call in calls.items():
                    start = perf_counter()
                    await call
                    if batch:  # the first one warms up
                        times.setdefault(name, []).append((perf_counter() - start) / ROWS)
    print(json.dumps(times))


asyncio.run(main(*sys.argv[1:]))
