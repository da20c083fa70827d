"""``rows_memory.py N``: the most memory of a process that runs N rows with a ledger; kept for the rounds after."""

import asyncio
import json
import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rows_worker import MODEL

from pipelex.boot import Pipelex


async def main(number):
    kept = Path(f"memory-{number}.json")
    if kept.exists():
        print(kept.read_text(encoding="utf-8"))
        return
    with Pipelex.setup() as px, TemporaryDirectory() as folder:
        count = 0
        async for row in px.map(range(number), str, model=MODEL, ledger=Path(folder, "ledger")):
            count += row.error is None
    assert count == number
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    kept.write_text(json.dumps({"memory": memory}), encoding="utf-8")
    print(json.dumps({"memory": memory}))


asyncio.run(main(int(sys.argv[1])))
