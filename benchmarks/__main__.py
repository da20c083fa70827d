"""``python -m benchmarks``: what everything costs, beside others that do the same, as ratios in one run.

Each topic's programs run in virtual environments of their own, all in turn, for several rounds. A whole run writes
benchmarks/RESULTS.md and its plots; a run with --only prints its tables and writes nothing. Nothing fails on a time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.environments import ROOT, Environments, NotMeasuredError, say
from benchmarks.plotting import draw
from benchmarks.report import page
from benchmarks.section import Bench, Section
from benchmarks.sections import boot, calls, checks, discovery, extract, growth, lookups, peers, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.figures import Curve, Table

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
SECTIONS: dict[str, Callable[[Bench], Section]] = {
    "boot": boot.section,
    "first": calls.first,
    **{f"calls-{vendor}": partial(calls.section, vendor) for vendor in calls.VENDORS},
    "lookups": lookups.section,
    "discovery": discovery.section,
    "extract": extract.section,
    "checks": checks.section,
    "rows": rows.section,
    "rows-memory": rows.memory,
    "rows-ray": rows.ray,
    "peers": peers.section,
    "growth-plugins": growth.plugins,
    "growth-catalogue": growth.catalogue,
    "growth-concurrency": growth.concurrency,
    "growth-symbols": growth.symbols,
}
MEASURED, NOT_ALL_MEASURED = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print, and write page and plots where all topics were measured.

    Returns:
        0: everything was measured; 1: something could not be, and its row says why.
    """
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(SECTIONS))
        return MEASURED
    wanted = options.only or list(SECTIONS)
    environments = Environments()
    with TemporaryDirectory() as folder, _server() as url:
        bench = Bench(environments, Path(folder), url)
        sections = [SECTIONS[name](bench) for name in wanted]
        for section in sections:
            section.warm_up()
        for number in range(1, options.rounds + 1):
            for section in sections:
                section.run(number, options.rounds)
    tables = [table for section in sections for table in section.tables()]
    curves = [curve for section in sections for curve in section.curves()]
    text = page(tables, curves, rounds=options.rounds)
    print(text)
    if not options.only:
        RESULTS.write_text(text, encoding="utf-8")
        try:
            draw(environments, tables, curves)
        except NotMeasuredError as exc:
            say(f"no plots: {exc}")
            return NOT_ALL_MEASURED
    return MEASURED if _all_measured(tables, curves) else NOT_ALL_MEASURED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="TOPIC", help="these topics, and write nothing")
    parser.add_argument("--list", action="store_true", help="list the topics")
    return parser


@contextmanager
def _server() -> Iterator[str]:
    """Run the loopback server in a process of its own; it ends when its input does."""
    command = [sys.executable, str(ROOT / "benchmarks" / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def _all_measured(tables: Sequence[Table], curves: Sequence[Curve]) -> bool:
    missing = [figure.title for table in tables for figure in table.figures if figure.missing is not None]
    missing += [curve.title for curve in curves if curve.missing is not None]
    for title in missing:
        say(f"not measured: {title}")
    return not missing


if __name__ == "__main__":
    raise SystemExit(main())
