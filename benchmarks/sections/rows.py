"""Many rows: what ``px.map`` costs beside a bare asyncio loop, and whether its memory grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures import Row
from benchmarks.measure import PROGRAMS
from benchmarks.section import Section
from benchmarks.sections.boot import project_folder

if TYPE_CHECKING:
    from benchmarks.section import Bench

ROWS = (10_000, 100_000, 1_000_000)
_TEXT = """\
A row each, in processes that let all take turns, a batch each. CPU time: the worker is in the process and answers at
once, so that what is left is the loop. The bare loop is 64 tasks that share an iterator and call the worker; it keeps
nothing. Throughput: the loopback server answers after 50 ms; the bare loop calls the raw SDK. With 8 calls at once
the time is that of the answers; with 64 the SDK keeps a processor busy, and the ratio is one of CPU time."""

_MEMORY_TEXT = "The most memory of a process that runs so many rows with a ledger, by a worker that is in it."

_RAY_TEXT = """\
A cluster on this machine with two actors, and a worker in their processes that answers at once. CPU: that of the
driver, of Ray's own processes and of the actors together. A row: the difference between 20,000 rows and 200."""


def section(bench: Bench) -> Section:
    """Make the topic of what a row costs."""
    topic = Section(bench, "rows")
    project = project_folder(topic.folder / "project", bench.url)
    slow = project_folder(topic.folder / "slow", f"{bench.url}/slow")
    topic.program("cpu", "drivers", str(PROGRAMS / "rows_cpu.py"), cwd=project, warms_up=False)
    topic.program("wall", "drivers", str(PROGRAMS / "rows_wall.py"), f"{bench.url}/slow", cwd=slow, warms_up=False)
    bare = "the bare loop"

    def row(title: str, quantity: str, base: str = "bare", limit: float | None = None) -> Row:
        return Row(title, "cpu", "cpu", quantity, base, base_title=bare if base == "bare" else "60 µs", limit=limit)

    def wall(tasks: int, limit: float | None = None) -> Row:
        title = f"wall: `px.map` with a ledger, answers after 50 ms, {tasks} calls at once"
        base = "a bare loop over the raw SDK"
        return Row(title, "wall", "wall", f"map-{tasks}", f"bare-{tasks}", base_title=base, limit=limit)

    rows = [
        Row(bare, "cpu", quantity="bare"),
        row("`px.map`", "map"),
        row("`px.map` with a ledger", "ledger"),
        row("`px.map_sync` with a ledger", "sync"),
        row("`px.map` with a ledger that has all rows", "resumed"),
        row("what `px.map` with a ledger takes beyond the bare loop", "more", "allowed", 1.0),
        row("noise: the bare loop against itself", "again"),
        wall(8, limit=1 / 0.97),
        wall(64),
    ]
    topic.table("Many rows", _TEXT, rows)
    return topic


def memory(bench: Bench) -> Section:
    """Make the topic of memory by the number of rows; each number is run once, since a million take minutes."""
    topic = Section(bench, "rows-memory")
    project = project_folder(topic.folder / "project", bench.url)
    for number in ROWS:
        program = (str(PROGRAMS / "rows_memory.py"), str(number))
        topic.program(f"{number}", "drivers", *program, cwd=project, warms_up=False)
    first, *others = (f"{number}" for number in ROWS)
    base = f"{ROWS[0]:,} rows"
    rows = [Row(base, first, quantity="memory", unit="bytes")]
    rows += [
        Row(f"{int(name):,} rows", name, first, "memory", base_title=base, limit=1.25, unit="bytes") for name in others
    ]
    topic.table("Many rows: memory", _MEMORY_TEXT, rows)
    return topic


def ray(bench: Bench) -> Section:
    """Make the topic of what a cluster costs; each number of rows is run once, since a start takes seconds."""
    topic = Section(bench, "rows-ray")
    project = project_folder(topic.folder / "project", bench.url)
    topic.program("ray", "ray", str(PROGRAMS / "rows_ray.py"), cwd=project, warms_up=False)
    rows = [
        Row("wall: a cluster is started and its nodes are checked, up to the first row", "ray", quantity="start"),
        Row("CPU of all processes until then", "ray", quantity="start_cpu"),
        Row("CPU of all processes for each further row", "ray", quantity="row"),
    ]
    topic.table("Many rows: Ray", _RAY_TEXT, rows)
    return topic
