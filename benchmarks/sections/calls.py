"""Calls through four drivers, beside the same calls on their SDKs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures import Row
from benchmarks.measure import PROGRAMS
from benchmarks.section import Section
from benchmarks.sections.boot import project_folder

if TYPE_CHECKING:
    from benchmarks.section import Bench

VENDORS = ("openai", "anthropic", "google", "mistral")
_OPERATIONS = (
    ("`gen_text`, one at a time", "text 1", 1.03),
    ("`gen_text`, 64 at once", "text 64", 1.03),
    ("`gen_object`", "object", 1.05),
    ("streaming, a piece of text", "stream", 1.05),
)
_FIRST_TEXT = """\
CPU time of a whole process: Python starts, the first answer has come, the client is closed. Ours reads its
configuration and looks the model up besides. The server is not counted."""
_TEXT = """\
CPU time a call, in processes that let both take turns, a batch each: the smallest batch, and the median of all. Both
have the same HTTP client and no retries. They send the same request and return the same text or object, which is
checked before the clock runs. The base of `gen_object` is the SDK's own structured call. The rows of noise hold the
base against itself: what is closer to 1 than they are is as good as 1."""


def first(bench: Bench) -> Section:
    """Make the topic of the first call."""
    topic = Section(bench, "first", passes=3)
    project = project_folder(topic.folder / "project", bench.url)
    topic.program("raw", "drivers", str(PROGRAMS / "first_raw.py"), bench.url, cwd=project, counts=True)
    topic.program("again", "drivers", str(PROGRAMS / "first_raw.py"), bench.url, cwd=project)
    topic.program("ours", "drivers", str(PROGRAMS / "first_ours.py"), cwd=project, counts=True)
    base = "openai SDK alone"
    rows = [
        Row("first answer, openai SDK alone", "raw"),
        Row("first answer, openai driver", "ours", "raw", base_title=base, limit=1.05),
        Row("noise: the base against itself", "again", "raw", base_title=base),
        Row("wall: first answer, openai driver", "ours", "raw", "wall", base_title=base),
        Row("modules: openai SDK alone", "raw", quantity="modules", unit="modules"),
        Row("modules: openai driver", "ours", quantity="modules", unit="modules"),
        Row("peak memory: openai driver", "ours", "raw", "memory", base_title=base, unit="bytes"),
    ]
    topic.table("First call", _FIRST_TEXT, rows)
    return topic


def section(vendor: str, bench: Bench) -> Section:
    """Make the topic of a driver's calls when all is warm.

    Args:
        vendor: Whose driver.
        bench: What it is measured with.
    """
    topic = Section(bench, f"calls-{vendor}")
    project = project_folder(topic.folder / "project", bench.url)
    topic.program("calls", "drivers", str(PROGRAMS / "driver_calls.py"), vendor, bench.url, cwd=project, warms_up=False)

    def row(title: str, operation: str, contender: str, limit: float | None = None) -> Row:
        quantities = f"{operation} {contender}", f"{operation} base"
        return Row(title, "calls", "calls", *quantities, base_title=f"{vendor}'s SDK alone", limit=limit)

    rows = [row(f"{vendor}: {title}", operation, "ours", limit) for title, operation, limit in _OPERATIONS]
    noise = [row(f"noise: {title}", operation, "again") for title, operation, _ in _OPERATIONS]
    topic.table(f"Calls through the driver for {vendor}", _TEXT, [*rows, *noise])
    return topic
