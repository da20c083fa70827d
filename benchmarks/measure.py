"""Running the measured programs: interleaved, in rounds, each in a process of its own.

CPU time is user and system time of the process as the kernel accounts for it when the process has ended; so nothing of
the harness, of the server or of a neighbour's waiting is in it. A program may print figures of its own, one JSON object
on its last line: what is measured inside a process that does more than that (calls, after a warm-up), a number or many.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from statistics import median
from tempfile import TemporaryFile
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.environments import ROOT, NotMeasuredError, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PROGRAMS = ROOT / "benchmarks" / "programs"
COUNTED = PROGRAMS / "counted.py"


@dataclass(frozen=True)
class Program:
    """Something that is run and measured.

    Attributes:
        name: What its figures are found by.
        command: The interpreter and its arguments.
        cwd: The folder that it runs in.
        more: Environment variables beside the usual ones.
        before: What has to be done before each run, unmeasured.
        counts: Whether its modules and its peak memory are counted, in a run of their own.
        warms_up: Whether it runs once before the first round.
    """

    name: str
    command: tuple[str, ...]
    cwd: Path
    more: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None
    counts: bool = False
    warms_up: bool = True


class Series(list[float]):
    """The values of one quantity, from all rounds."""

    @property
    def least(self) -> float:
        """The smallest value."""
        return min(self)

    @property
    def middle(self) -> float:
        """The median."""
        return median(self)


class Samples:
    """What the runs came to: a series for each program and quantity, or why there is none."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self._failed: dict[str, str] = {}

    def add(self, program: str, quantity: str, values: list[float]) -> None:
        """Add values."""
        self._series.setdefault((program, quantity), Series()).extend(values)

    def give_up(self, program: str, reason: str) -> None:
        """Note that a program cannot be measured; it is not run again."""
        self._failed[program] = reason

    def has_failed(self, program: str) -> bool:
        """Tell whether a program was given up."""
        return program in self._failed

    def get(self, program: str, quantity: str) -> Series:
        """Return a series.

        Raises:
            NotMeasuredError: There is none.
        """
        if program in self._failed:
            raise NotMeasuredError(self._failed[program])
        if (program, quantity) not in self._series:
            msg = f"'{program}' was not measured in '{quantity}'"
            raise NotMeasuredError(msg)
        return self._series[program, quantity]


def run_interleaved(programs: list[Program], samples: Samples, *, passes: int) -> None:
    """Run the programs in turn, several times; one that fails is given up and the others go on.

    Args:
        programs: The programs.
        samples: Where their figures go.
        passes: How often.
    """
    for _ in range(passes):
        for program in programs:
            if samples.has_failed(program.name):
                continue
            try:
                for quantity, values in run_once(program).items():
                    samples.add(program.name, quantity, values)
            except NotMeasuredError as exc:
                samples.give_up(program.name, str(exc))


def warm_up(programs: list[Program], samples: Samples) -> None:
    """Run each program once, unmeasured: its bytecode is written, its files are in memory. Count where asked for."""
    run_interleaved([program for program in programs if program.warms_up], Samples(), passes=1)
    for program in programs:
        if program.counts and not samples.has_failed(program.name):
            python, *rest = program.command
            counted = Program(program.name, (python, str(COUNTED), *rest), program.cwd, program.more, program.before)
            try:
                figures = run_once(counted)
                samples.add(program.name, "modules", figures["modules"])
                samples.add(program.name, "memory", figures["memory"])
            except NotMeasuredError as exc:
                samples.give_up(program.name, str(exc))


def run_once(program: Program) -> dict[str, list[float]]:
    """Run a program and return its CPU and wall time, in seconds, and what it printed of its own.

    Raises:
        NotMeasuredError: It failed.
    """
    if program.before is not None:
        program.before()
    with TemporaryFile() as output, TemporaryFile() as errors:
        start = perf_counter()
        with subprocess.Popen(
            program.command,
            cwd=program.cwd,
            env=variables(PIPELEX_TRUST=str(program.cwd), **program.more),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            wall = perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise NotMeasuredError(f"it ended with {process.returncode}: {_last_line(errors.fileno())}")
        figures = {"cpu": [usage.ru_utime + usage.ru_stime], "wall": [wall]}
        return {**figures, **_own_figures(_last_line(output.fileno()))}


def _own_figures(line: str) -> dict[str, list[float]]:
    own: dict[str, float | list[float]] = json.loads(line) if line.startswith("{") else {}
    return {quantity: values if isinstance(values, list) else [values] for quantity, values in own.items()}


def _last_line(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
