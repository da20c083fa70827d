"""Has the curves drawn, by a program in an environment of its own that holds the plotting library."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from benchmarks.environments import CACHE, ROOT, run, say
from benchmarks.measure import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.environments import Environments
    from benchmarks.figures import Curve, Table

PLOTS = ROOT / "benchmarks" / "plots"


def draw(environments: Environments, tables: Sequence[Table], curves: Sequence[Curve]) -> None:
    """Draw what was measured as SVG files below ``benchmarks/plots``: each curve, and the tables that are panels.

    Args:
        environments: Where the plotting library is.
        tables: The tables.
        curves: The curves.
    """
    say("drawing the plots")
    PLOTS.mkdir(exist_ok=True)
    data = CACHE / "plots.json"
    bars = {
        table.panel: {figure.title: 0.0 if figure.missing else figure.ratio or 1.0 for figure in table.figures}
        for table in tables
        if table.panel is not None
    }
    drawn = [asdict(curve) for curve in curves if curve.missing is None]
    data.write_text(json.dumps({"bars": bars, "curves": drawn}), encoding="utf-8")
    run([environments.get("plots").python, str(PROGRAMS / "plots.py"), str(data), str(PLOTS)])
