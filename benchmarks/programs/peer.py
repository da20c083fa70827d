"""``peer.py NAME MODE URL``: a library that calls models, in one of three ways.

``import`` imports what a call needs; ``first`` makes one call as well; ``calls`` makes many and prints what each cost.
"""

import asyncio
import json
import sys
from time import perf_counter, process_time

PEERS = __import__(f"peers.{sys.argv[1]}")
BATCHES, CALLS = 40, 4


async def main(mode, url):
    ask = getattr(PEERS, sys.argv[1]).make(url)
    answer = await ask()
    assert answer == "Because air scatters blue light more than red.", answer
    if mode == "first":
        return
    times = {"call": [], "call wall": []}
    for number in range(BATCHES + 2):
        wall, cpu = perf_counter(), process_time()
        for _ in range(CALLS):
            await ask()
        cpu, wall = process_time() - cpu, perf_counter() - wall
        if number >= 2:  # the first ones warm up
            times["call"].append(cpu / CALLS)
            times["call wall"].append(wall / CALLS)
    print(json.dumps(times))


if __name__ == "__main__" and sys.argv[2] != "import":
    asyncio.run(main(*sys.argv[2:]))
