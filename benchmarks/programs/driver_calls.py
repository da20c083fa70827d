"""``driver_calls.py VENDOR URL``: what a driver's calls cost beside the same calls on the vendor's SDK, in one process.

The raw SDK, the raw SDK once more (so that the noise shows) and our driver take turns, a batch of calls each. Before,
both are held to the same request and the same answer.
"""

import asyncio
import json
import sys
from importlib import import_module
from time import perf_counter, process_time
from urllib.request import urlopen

from question import MODEL, TEXT, Order

from pipelex.boot import Pipelex

CONTENDERS = ("base", "again", "ours")
PIECES = 300  # of text, in the stream of the server
BATCHES = {"text 1": 60, "text 64": 8, "object": 30, "stream": 12}


class Ours:
    """The calls of our driver."""

    def __init__(self, worker):
        self.worker = worker

    async def text(self):
        return await self.worker.gen_text(TEXT)

    async def object(self):
        return await self.worker.gen_object(TEXT, Order)

    def pieces(self):
        return self.worker.stream_text(TEXT)


async def one_by_one(call, count):
    for _ in range(count):
        await call()


async def drained(client):
    return "".join([piece async for piece in client.pieces()])


def batch(client, operation):
    """Return a batch of calls, and by how many it is divided."""
    if operation == "text 1":
        return one_by_one(client.text, 4), 4
    if operation == "text 64":
        return gathered(client.text, 64), 64
    if operation == "object":
        return one_by_one(client.object, 3), 3
    return drained(client), PIECES


async def gathered(call, count):
    await asyncio.gather(*[call() for _ in range(count)])


async def measured(clients, operation):
    """Return the CPU and wall time of a call, for each contender and batch."""
    times = {}
    names = list(clients)
    for number in range(BATCHES[operation] + 1):
        for name in names:
            work, count = batch(clients[name], operation)
            wall, cpu = perf_counter(), process_time()
            await work
            cpu, wall = process_time() - cpu, perf_counter() - wall
            if number:  # the first batch warms up
                for quantity, seconds in ((f"{operation} {name}", cpu), (f"{operation} {name} wall", wall)):
                    times.setdefault(quantity, []).append(seconds / count)
        names.append(names.pop(0))  # nobody always comes after the same one
    return times


async def hold_against_each_other(url, raw, ours):
    """Make sure that both send the same and understand the same."""

    async def told(call):
        answer = await call
        with await asyncio.to_thread(urlopen, f"{url}/last") as last:
            return answer, json.loads(last.read())

    for same in (lambda client: client.text(), drained):
        theirs, mine = await told(same(raw)), await told(same(ours))
        assert theirs == mine, (theirs, mine)
    theirs, mine = await raw.object(), await ours.object()
    assert isinstance(mine, Order), mine
    assert theirs == mine, (theirs, mine)


async def main(vendor, url):
    raw = import_module(f"vendors.{vendor}").Raw(url)
    async with Pipelex.setup() as px:
        ours = Ours(px.llm(f"{vendor}/{MODEL}"))
        await hold_against_each_other(url, raw, ours)
        clients = dict(zip(CONTENDERS, (raw, raw, ours), strict=True))
        figures = {}
        for operation in BATCHES:
            figures |= await measured(clients, operation)
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
