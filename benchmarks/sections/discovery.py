"""Finding the plugins among all that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures import Row
from benchmarks.measure import PROGRAMS
from benchmarks.section import Section
from benchmarks.sites import make_site

if TYPE_CHECKING:
    from benchmarks.section import Bench

_WAYS = ("ours", "metadata", "ours_loaded", "metadata_loaded", "with_pluggy", "with_stevedore")
_TEXT = """\
12 plugins among 500 distributions, of which every third has another entry point; CPU time of the first finding in a new
process. The imports of the others come before it; what ours imports meanwhile counts. pluggy and stevedore import what
they find: they stand beside our survey, which imports and registers it. stevedore keeps a cache in the user's folder,
which is warm here; the others keep nothing."""
_WHOLE_TEXT = "The same, the whole process: with the start of Python and every import that finding needs."


def section(bench: Bench) -> Section:
    """Make the topic."""
    topic = Section(bench, "discovery", passes=6)
    site = make_site(topic.folder / "site", plugins=12, others=488)
    more = {"PYTHONPATH": str(site), "XDG_CACHE_HOME": str(topic.folder)}
    topic.program("pass", "discovery", "-c", "pass", more=more)
    for way in _WAYS:
        topic.program(way, "discovery", str(PROGRAMS / "discover.py"), way, more=more)
    for title, text, quantity in (
        ("Discovery", _TEXT, "finding"),
        ("Discovery, whole process", _WHOLE_TEXT, "cpu"),
    ):
        limit = 0.2 if quantity == "finding" else None
        found, loaded = "`entry_points(group=...)`", "`entry_points(group=...)` and `load()`"
        rows = [
            Row(found, "metadata", quantity=quantity),
            Row(f"{title.lower()}: ours", "ours", "metadata", quantity, base_title=found, limit=limit),
            Row(loaded, "metadata_loaded", quantity=quantity),
            Row("pluggy, which loads", "with_pluggy", "metadata_loaded", quantity, base_title=loaded),
            Row("stevedore, which loads", "with_stevedore", "metadata_loaded", quantity, base_title=loaded),
            Row("ours, loaded and registered", "ours_loaded", "metadata_loaded", quantity, base_title=loaded),
        ]
        topic.table(title, text, rows)
    return topic
