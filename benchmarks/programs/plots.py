"""Draws curves and bars as SVG files: ``plots.py DATA FOLDER``. The same figures give the same bytes."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt  # after the choice of the canvas

INK, FAINT = "#24292f", "#d0d7de"
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")
OURS = "pipelex"
mpl.rcParams.update(
    {
        "svg.hashsalt": "pipelex",  # else the ids in the file are random
        "font.size": 11,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.axisbelow": True,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": FAINT,
        "grid.linewidth": 0.6,
        "legend.frameon": False,
    }
)


def draw_curve(curve, file):
    """Draw a curve on logarithmic axes, the first line beside one that is linear."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    lines = {
        line: [(int(n), value) for n, value in values.items() if int(n)] for line, values in curve["lines"].items()
    }
    for colour, (line, points) in zip(COLOURS, lines.items(), strict=False):
        axes.plot(*zip(*points, strict=True), "o-", color=colour, label=line, linewidth=2, markersize=5)
    axes.set(xscale="log", yscale="log", xlabel=curve["across"], ylabel=curve["down"], title=curve["title"])
    axes.set_ylim(axes.get_ylim())  # the linear line does not widen it
    points = next(iter(lines.values()))
    last, value = points[-1]
    linear = [(number, value * number / last) for number, _ in points]
    axes.plot(*zip(*linear, strict=True), ":", color=COLOURS[0], linewidth=1, label="linear")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter(_seconds)
    axes.grid()
    axes.legend()
    _save(figure, file)


def draw_bars(panels, file):
    """Draw a panel of bars for each title: the values by name, the smaller the better."""
    figure, all_axes = plt.subplots(1, len(panels), figsize=(12, 3.6), layout="constrained", sharey=True)
    for axes, (title, values) in zip(all_axes, panels.items(), strict=True):
        names = list(values)
        bars = axes.barh(names, list(values.values()), color=[COLOURS[0] if n == OURS else "#afb8c1" for n in names])
        axes.bar_label(
            bars,
            labels=[f"{value:.3g} x" if value else "not measured" for value in values.values()],
            padding=3,
            fontsize=9,
        )
        axes.margins(x=0.2)
        axes.set(title=title)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(left=False)
    all_axes[0].invert_yaxis()
    _save(figure, file)


def _save(figure, file):
    figure.savefig(file, metadata={"Date": None, "Creator": None}, facecolor="white")
    plt.close(figure)


def _seconds(value, _position):
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            return f"{value * factor:g} {name}"
    return f"{value * 1e9:g} ns"


def main(data, folder):
    """Draw them all."""
    given = json.loads(Path(data).read_text(encoding="utf-8"))
    for curve in given["curves"]:
        draw_curve(curve, Path(folder, f"{curve['name']}.svg"))
    if given["bars"]:
        draw_bars(given["bars"], Path(folder, "peers.svg"))


if __name__ == "__main__":
    main(*sys.argv[1:])
