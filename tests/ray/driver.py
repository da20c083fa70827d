"""Runs ``map_sync`` on Ray in a process of its own, which tests may kill. Arguments: those of ``main``."""

from __future__ import annotations

import argparse
import sys


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("ledger")
    parser.add_argument("prefix")
    parser.add_argument("count", type=int)
    parser.add_argument("--row", action="append", default=[], help="INDEX=TEXT, which replaces a row")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--rpm", type=int)
    parser.add_argument("--max-failures", type=int)
    parser.add_argument("--actors", type=int)
    parser.add_argument("--rows-per-shard", type=int)
    parser.add_argument("--key", action="store_true")
    asked = parser.parse_args()

    from pipelex.boot import Pipelex
    from pipelex.bulk.options import MapOptions
    from pipelex.bulk.ray.engine import Ray
    from pipelex.exceptions import PipelexError
    from tests.bulk.counting import MODEL

    texts = {int(index): text for index, _, text in (change.partition("=") for change in asked.row)}
    rows = [f"{asked.prefix}-{texts.get(index, index)}" for index in range(asked.count)]
    options = MapOptions(concurrency=asked.concurrency, requests_per_minute=asked.rpm, max_failures=asked.max_failures)
    engine = Ray(actors=asked.actors, rows_per_shard=asked.rows_per_shard)
    key = str if asked.key else None
    try:
        with Pipelex.setup() as px:
            for row in px.map_sync(
                rows, str, model=MODEL, ledger=asked.ledger, options=options, engine=engine, key=key
            ):
                print(row.index, row.value or type(row.error).__name__, flush=True)
    except PipelexError as exc:
        print(type(exc).__name__, exc, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
