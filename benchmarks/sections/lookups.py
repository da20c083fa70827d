"""Finding a backend and making a worker, when all is warm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures import Row
from benchmarks.measure import PROGRAMS
from benchmarks.section import Section
from benchmarks.sections.boot import project_folder

if TYPE_CHECKING:
    from benchmarks.section import Bench

_TEXT = """\
Time a call, in one process that lets all take turns, batches of many calls. The closure is that of the openai driver,
called by hand with arguments made before; by name means that the factory finds the model's record and its backend's
besides."""


def section(bench: Bench) -> Section:
    """Make the topic."""
    topic = Section(bench, "lookups", passes=3)
    project = project_folder(topic.folder / "project", bench.url)
    topic.program("lookups", "drivers", str(PROGRAMS / "lookups.py"), cwd=project, warms_up=False)

    def row(title: str, quantity: str, base: str = "", base_title: str = "", limit: float | None = None) -> Row:
        against = "lookups" if base else None
        return Row(title, "lookups", against, quantity, base, base_title=base_title, limit=limit)

    plain, closure = "`def f(*, family, sdk): return d[family, sdk]`", "the closure called by hand"
    rows = [
        row(plain, "plain"),
        row("registry lookup", "lookup", "plain", plain, 1.2),
        row("noise: the function against itself", "plain again", "plain", plain),
        row(closure, "by_hand"),
        row("worker through the factory, by the model's name", "of_name", "by_hand", closure, 1.5),
        row("worker through the factory, by the model's record", "of_record", "by_hand", closure),
        row("noise: the closure against itself", "by_hand again", "by_hand", closure),
    ]
    topic.table("Finding a backend, making a worker", _TEXT, rows)
    return topic
