"""Runs the command line, or ``map_sync``, with the counting plugin in a process of its own, which tests may kill.

Arguments: the file of the counted calls, the latency in seconds, then ``cli`` and the command line, ``map`` with the
ledger, the number of rows, and the texts that replace rows, as ``INDEX=TEXT``, ``served`` with the same, which calls
the server of the configuration, or ``scale`` with the first two of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bulk.counting import MODEL, CountingPlugin, install


def run_map(ledger: str, count: str, *changed: str, model: str = MODEL) -> int:
    from pipelex.boot import Pipelex
    from pipelex.bulk.options import MapOptions

    texts = {int(index): text for index, _, text in (change.partition("=") for change in changed)}
    with Pipelex.setup() as px:
        rows = px.map_sync(
            range(int(count)),
            lambda index: texts.get(index, str(index)),
            model=model,
            ledger=ledger,
            options=MapOptions(concurrency=16),
        )
        for row in rows:
            print(row.index, row.value or type(row.error).__name__)
    return 0


def run_scale(ledger: str, count: str) -> int:
    """Run rows without printing them; print the CPU seconds a row and the most memory, in MB."""
    import resource
    import time

    from pipelex.boot import Pipelex

    with Pipelex.setup() as px:
        began = time.process_time()
        rows = sum(row.error is None for row in px.map_sync(range(int(count)), str, model=MODEL, ledger=ledger))
        cpu_s = (time.process_time() - began) / rows
    print(rows, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return 0


def main() -> int:
    calls, latency_s, what, *arguments = sys.argv[1:]
    if what == "served":  # by the server of the configuration, through a driver of ours
        return run_map(*arguments, model="served/m")
    install(CountingPlugin(Path(calls), float(latency_s)))
    if what == "map":
        return run_map(*arguments)
    if what == "scale":
        return run_scale(*arguments)
    from pipelex.cli.main import main as command_line

    return command_line(arguments)


if __name__ == "__main__":
    sys.exit(main())
