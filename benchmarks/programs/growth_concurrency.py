"""``growth_concurrency.py URL N...``: so many calls at once, through our driver for OpenAI and on its SDK alone."""

import asyncio
import json
import sys
from time import process_time

from question import TEXT
from vendors.openai import Raw

from pipelex.boot import Pipelex

BATCHES = 5


async def main(url, *numbers):
    raw, times = Raw(url), {}
    async with Pipelex.setup() as px:
        worker = px.llm("openai/bench")
        calls = {"ours": lambda: worker.gen_text(TEXT), "base": raw.text}
        for number in map(int, numbers):
            for batch in range(BATCHES + 1):
                for name, call in calls.items():
                    start = process_time()
                    await asyncio.gather(*[call() for _ in range(number)])
                    if batch:  # the first one warms up
                        times.setdefault(f"{name} {number}", []).append(process_time() - start)
    print(json.dumps(times))


asyncio.run(main(*sys.argv[1:]))
