"""A topic of the benchmark: its programs, and the tables and curves that are made of what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.environments import NotMeasuredError, say
from benchmarks.figures import Curve, Row, Table
from benchmarks.measure import Program, Samples, run_interleaved, warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.environments import Environments


def command(*arguments: str) -> str:
    """Return the code that does what the installed command does.

    Args:
        arguments: What stands behind the command's name.
    """
    return f"import sys\nfrom pipelex.cli.main import main\nsys.argv[1:] = {arguments!r}\nraise SystemExit(main())"


@dataclass(frozen=True)
class Bench:
    """What all topics are measured with.

    Attributes:
        environments: The virtual environments.
        folder: An empty folder that goes when the run ends.
        url: The address of the loopback server.
    """

    environments: Environments
    folder: Path
    url: str


class Section:
    """A topic.

    Args:
        bench: What it is measured with.
        name: By what ``--only`` picks it.
        passes: How often a round runs its programs, one after the other: more often the shorter they are.
    """

    def __init__(self, bench: Bench, name: str, *, passes: int = 1) -> None:
        self.name = name
        self.samples = Samples()
        self.folder = bench.folder / name
        self.folder.mkdir()
        self.url = bench.url
        self._environments = bench.environments
        self._passes = passes
        self._programs: list[Program] = []
        self._tables: list[tuple[str, str, Sequence[Row], str | None]] = []
        self._curves: list[tuple[Curve, dict[str, dict[int, tuple[str, str]]]]] = []

    def python(self, environment: str) -> str:
        """Return the interpreter of an environment.

        Raises:
            NotMeasuredError: It cannot be installed.
        """
        return self._environments.get(environment).python

    def program(
        self,
        name: str,
        environment: str,
        *arguments: str,
        cwd: Path | None = None,
        before: Callable[[], None] | None = None,
        counts: bool = False,
        warms_up: bool = True,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Add a program, Python with arguments; where its environment cannot be installed it is not measured.

        Args:
            name: What its figures are found by.
            environment: The environment that it runs in.
            arguments: What follows the interpreter.
            cwd: The folder that it runs in, where it is not the topic's own.
            before: What has to be done before each run, unmeasured.
            counts: Whether its modules and its peak memory are counted.
            warms_up: Whether it runs once before the first round; not where it warms up by itself.
            more: Environment variables beside the usual ones.
        """
        try:
            command = (self.python(environment), *arguments)
        except NotMeasuredError as exc:
            self.samples.give_up(name, str(exc))
            return
        self._programs.append(Program(name, command, cwd or self.folder, more or {}, before, counts, warms_up))

    def table(self, title: str, text: str, rows: Sequence[Row], *, panel: str | None = None) -> None:
        """Add a table; ``panel`` is what it is called in the plot of bars, where it stands in one."""
        self._tables.append((title, text, rows, panel))

    def curve(self, curve: Curve, lines: dict[str, dict[int, tuple[str, str]]]) -> None:
        """Add a curve.

        Args:
            curve: Its titles.
            lines: For each line of the plot, by number, the program and the quantity that its values come from.
        """
        self._curves.append((curve, lines))

    def warm_up(self) -> None:
        """Run everything once, unmeasured, where that is not the programs' own business."""
        say(f"warming up: {self.name}, {len(self._programs)} programs")
        warm_up(self._programs, self.samples)

    def run(self, number: int, rounds: int) -> None:
        """Run a round."""
        say(f"round {number} of {rounds}: {self.name}, {len(self._programs)} programs x {self._passes}")
        run_interleaved(self._programs, self.samples, passes=self._passes)

    def tables(self) -> list[Table]:
        """Make the tables of what was measured so far."""
        return [
            Table(title, text, [row.figure(self.samples) for row in rows], panel)
            for title, text, rows, panel in self._tables
        ]

    def curves(self) -> list[Curve]:
        """Make the curves of what was measured so far."""
        return [self._drawn(curve, lines) for curve, lines in self._curves]

    def _drawn(self, curve: Curve, lines: dict[str, dict[int, tuple[str, str]]]) -> Curve:
        try:
            values = {
                line: {number: self.samples.get(*source).least for number, source in sources.items()}
                for line, sources in lines.items()
            }
        except NotMeasuredError as exc:
            return Curve(curve.name, curve.title, curve.across, curve.down, missing=str(exc))
        return Curve(curve.name, curve.title, curve.across, curve.down, values)
