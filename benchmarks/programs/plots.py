"""Draws curves as SVG files: ``plots.py CURVES FOLDER``. The same figures give the same bytes."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt  # after the choice of the canvas

INK, FAINT = "#24292f", "#d0d7de"
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")
mpl.rcParams.update(
    {
        "svg.hashsalt": "pipelex",  # else the ids in the file are random
        "font.size": 11,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def draw(curve, folder):
    """Draw a curve on logarithmic axes, beside a line that is linear."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for colour, (line, values) in zip(COLOURS, curve["lines"].items(), strict=False):
        points = [(int(number), value) for number, value in values.items() if int(number)]
        axes.plot(*zip(*points, strict=True), "o-", color=colour, label=line, linewidth=2, markersize=5)
        _draw_linear(axes, points, colour)
    axes.set(xscale="log", yscale="log", xlabel=curve["across"], ylabel=curve["down"])
    axes.set_title(curve["title"], loc="left", fontweight="bold")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter(_seconds)
    axes.grid(color=FAINT, linewidth=0.6, alpha=0.7)
    axes.legend(frameon=False)
    figure.savefig(folder / f"{curve['name']}.svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    plt.close(figure)


def _draw_linear(axes, points, colour):
    """Draw what linear growth from the last point downwards would be."""
    last, value = points[-1]
    line = [(number, value * number / last) for number, _ in points]
    axes.plot(
        *zip(*line, strict=True),
        ":",
        color=colour,
        linewidth=1,
        alpha=0.6,
        label="linear" if colour == COLOURS[0] else None,
    )


def _seconds(value, _position):
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            return f"{value * factor:g} {name}"
    return f"{value * 1e9:g} ns"


def main():
    """Draw them all."""
    curves, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for curve in json.loads(curves.read_text(encoding="utf-8")):
        draw(curve, folder)


if __name__ == "__main__":
    main()
