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
    from benchmarks.figures import Curve

PLOTS = ROOT / "benchmarks" / "plots"


def draw(environments: Environments, curves: Sequence[Curve]) -> None:
    """Draw each curve that was measured, as an SVG file below ``benchmarks/plots``.

    Args:
        environments: Where the plotting library is.
        curves: The curves.
    """
    say("drawing the plots")
    PLOTS.mkdir(exist_ok=True)
    data = CACHE / "curves.json"
    data.write_text(json.dumps([asdict(curve) for curve in curves if curve.missing is None]), encoding="utf-8")
    run([environments.get("plots").python, str(PROGRAMS / "plots.py"), str(data), str(PLOTS)])
