"""Writes what a run came to as a page."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from benchmarks.growth_order import growth_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.figures import Curve, Figure, Table, Unit

_HEAD = """\
# What it costs

Written by `make bench`; how to read it and what each figure is made of: [docs/performance.md](../docs/performance.md).
Every program ran {rounds} times or a multiple of it, all of them in turn. A value is the smallest of all (its median in
brackets). A ratio is that of the smallest values of this one run, in brackets that of the medians. Absolute times are
of one machine: trust the ratios.

This run: Python {python}, {system} on {machine}, {cores} cores.
"""


def page(tables: Sequence[Table], curves: Sequence[Curve], *, rounds: int) -> str:
    """Return the whole page.

    Args:
        tables: The tables.
        curves: The curves; their plots lie in ``plots/`` beside the page.
        rounds: How many rounds there were.
    """
    head = _HEAD.format(
        rounds=rounds,
        python=platform.python_version(),
        system=platform.system(),
        machine=platform.machine(),
        cores=os.cpu_count(),
    )
    parts = [head, _summary(tables), *_bars(tables), *(_table(table) for table in tables)]
    if curves:
        parts += ["## Growth\n", *(_curve(curve) for curve in curves)]
    return "\n".join(parts)


def _summary(tables: Sequence[Table]) -> str:
    """Say which limits are met; the rows stand once more in their own tables."""
    judged = [figure for table in tables for figure in table.figures if figure.limit is not None]
    met = sum(figure.verdict == "met" for figure in judged)
    lines = ["## Limits\n", f"{met} of {len(judged)} are met.\n"]
    lines += _grid(["figure", "base", "ratio", "limit", ""], (_judged(figure) for figure in judged))
    return "\n".join([*lines, ""])


def _judged(figure: Figure) -> list[str]:
    return [figure.title, figure.base or "", _ratio(figure), _limit(figure), figure.verdict]


def _table(table: Table) -> str:
    rows = ([figure.title, _value(figure), *_judged(figure)[1:]] for figure in table.figures)
    lines = _grid(["figure", "value (median)", "base", "ratio (of medians)", "limit", ""], rows)
    return "\n".join([f"## {table.title}\n", f"{table.text}\n", *lines, ""])


def _bars(tables: Sequence[Table]) -> list[str]:
    """Show the plot of bars, where there is one."""
    panels = [table.panel for table in tables if table.panel is not None]
    what = "Peers, as ratios to the openai SDK alone: " + ", ".join(panels)
    return [f"## Peers\n\n![{what}](plots/peers.svg)\n"] if panels else []


def _curve(curve: Curve) -> str:
    if curve.missing is not None:
        return f"### {curve.title}\n\nnot measured: {curve.missing}\n"
    numbers = sorted({number for values in curve.lines.values() for number in values})
    rows = [
        [line, *(_scaled(values[number], "s") if number in values else "" for number in numbers), growth_order(values)]
        for line, values in curve.lines.items()
    ]
    lines = _grid([curve.across, *map("{:,}".format, numbers), "order"], rows)
    return "\n".join([f"### {curve.title}\n", f"![{curve.title}](plots/{curve.name}.svg)\n", *lines, ""])


def _grid(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _value(figure: Figure) -> str:
    if figure.missing is not None:
        return "-"
    if figure.unit == "modules":
        return f"{figure.least:.0f}"
    return f"{_scaled(figure.least, figure.unit)} ({_scaled(figure.middle, figure.unit)})"


def _ratio(figure: Figure) -> str:
    if figure.unit == "modules" and figure.missing is None:
        return f"{figure.least:.0f} modules"
    if figure.ratio is None or figure.ratio_of_middles is None:
        return ""
    digits = 3 if figure.ratio < 2 else 2 if figure.ratio < 100 else 0
    return f"{figure.ratio:.{digits}f} x ({figure.ratio_of_middles:.{digits}f})"


def _limit(figure: Figure) -> str:
    if figure.limit is None:
        return ""
    return f"{figure.limit:g} modules" if figure.unit == "modules" else f"{figure.limit:g} x"


def _scaled(value: float, unit: Unit) -> str:
    if unit == "bytes":
        return f"{value / 2**20:.1f} MB"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {name}"
    return f"{value * 1e9:.3g} ns"
