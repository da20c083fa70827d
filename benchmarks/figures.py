"""What a run comes to: figures in tables, and curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from benchmarks.environments import NotMeasuredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Samples

Unit = Literal["s", "bytes", "modules"]


@dataclass(frozen=True)
class Figure:
    """A row of a table.

    Attributes:
        title: What is measured.
        base: What it is held against; ``None`` where the row is a base itself.
        unit: What its values are in.
        least: The smallest value of all rounds.
        middle: The median.
        ratio: ``least`` against the base's.
        ratio_of_middles: The median against the base's.
        limit: The largest ratio, or number of modules, that it is meant to have.
        missing: Why it could not be measured.
    """

    title: str
    base: str | None
    unit: Unit
    least: float = 0.0
    middle: float = 0.0
    ratio: float | None = None
    ratio_of_middles: float | None = None
    limit: float | None = None
    missing: str | None = None

    @property
    def verdict(self) -> str:
        """Whether the limit is kept, in words."""
        if self.missing is not None:
            return f"not measured: {self.missing}"
        judged = self.least if self.unit == "modules" else self.ratio
        if self.limit is None or judged is None:
            return ""
        if judged <= self.limit:
            return "met"
        return f"over by {judged - self.limit:.0f}" if self.unit == "modules" else _over(judged / self.limit)


def _over(times: float) -> str:
    return f"over by {times - 1:.1%}" if times < 2 else f"{times:.1f} times the limit"


@dataclass(frozen=True)
class Row:
    """How a figure is made of the samples.

    Attributes:
        title: What is measured.
        program: The program whose samples it is made of.
        base: The program that it is held against.
        quantity: Which of its quantities.
        base_quantity: Which of the base's, where that is another one.
        base_title: What the base is called in the table.
        limit: The largest ratio, or number of modules, that it is meant to have.
        unit: What its values are in.
    """

    title: str
    program: str
    base: str | None = None
    quantity: str = "cpu"
    base_quantity: str | None = None
    base_title: str = ""
    limit: float | None = None
    unit: Unit = "s"

    def figure(self, samples: Samples) -> Figure:
        """Make the figure; one that cannot be made says why."""
        base = self.base_title or self.base
        try:
            own = samples.get(self.program, self.quantity)
            if self.base is None:
                return Figure(self.title, None, self.unit, own.least, own.middle, limit=self.limit)
            against = samples.get(self.base, self.base_quantity or self.quantity)
        except NotMeasuredError as exc:
            return Figure(self.title, base, self.unit, limit=self.limit, missing=str(exc))
        ratios = own.least / against.least, own.middle / against.middle
        return Figure(self.title, base, self.unit, own.least, own.middle, *ratios, limit=self.limit)


@dataclass(frozen=True)
class Table:
    """Figures that belong together.

    Attributes:
        title: Its heading.
        text: What has to be known to read it.
        figures: Its rows.
        panel: What it is called in the plot of bars, where it stands in one.
    """

    title: str
    text: str
    figures: Sequence[Figure]
    panel: str | None = None


@dataclass(frozen=True)
class Curve:
    """How something grows.

    Attributes:
        name: The name of its plot's file.
        title: What grows.
        across: What it grows with.
        down: What the values are.
        lines: Values by number, for each line of the plot.
        missing: Why it could not be measured.
    """

    name: str
    title: str
    across: str
    down: str
    lines: dict[str, dict[int, float]] = field(default_factory=dict)
    missing: str | None = None
