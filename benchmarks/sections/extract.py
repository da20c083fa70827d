"""The text of a short and of a long PDF document, beside pypdfium2 called by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.environments import ROOT
from benchmarks.figures import Row
from benchmarks.measure import PROGRAMS
from benchmarks.section import Section, command
from benchmarks.sections.boot import project_folder
from tests.providers.pypdfium2.pdf_files import Page, make_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figures import Unit
    from benchmarks.section import Bench

_FEW, _MANY = 100, 1000
_LINES, _WORDS = 45, 10  # of a page, of a line
_DEMO = str(ROOT / "demo" / "night-train.pdf")
_SIZE = (1000, 1100)  # of a page, so that all of them are on it
_TEXT = """\
A document of 1,000 pages with 450 words each, page by page, none kept: `stream_pages` beside a loop over pypdfium2.
Both find every word. Time from opening the document to its last page, imports and configuration before; peak memory of
the whole process. The demo document has two pages: the whole command beside a whole script that prints its text."""


def section(bench: Bench) -> Section:
    """Make the topic."""
    topic = Section(bench, "extract", passes=2)
    project = project_folder(topic.folder / "project", bench.url)
    for pages in (_FEW, _MANY):
        file = _document(topic.folder / f"{pages}.pdf", pages)
        words = str(pages * _LINES * _WORDS)
        for name, way in (("by_hand", "by_hand"), ("ours", "ours"), ("again", "by_hand")):
            program = f"{name} {pages}", "clean", str(PROGRAMS / "extract.py"), way, str(file), words
            topic.program(*program, cwd=project)
    topic.program("script", "clean", str(PROGRAMS / "extract_by_hand.py"), _DEMO, cwd=project)
    topic.program("command", "clean", "-c", command("extract", _DEMO), cwd=project)
    by_hand, few = "pypdfium2 by hand", "100 pages"
    both, same = ("ours 1000", "by_hand 1000"), ("again 1000", "by_hand 1000")

    def row(title: str, program: str, base: str, *, quantity: str, against: str, limit: float | None = None) -> Row:
        unit: Unit = "bytes" if quantity == "peak" else "s"
        return Row(title, program, base, quantity, base_title=against, limit=limit, unit=unit)

    rows = [
        Row("a script by hand, the demo document", "script"),
        Row("`pipelex extract` of the demo document", "command", "script", base_title="the script", limit=2.2),
        Row("1,000 pages by hand, wall", "by_hand 1000", quantity="reading wall"),
        row("extract of 1,000 pages, wall", *both, quantity="reading wall", against=by_hand, limit=1.05),
        row("extract of 1,000 pages, CPU", *both, quantity="reading", against=by_hand),
        row("noise: wall of the base against itself", *same, quantity="reading wall", against=by_hand),
        row("noise: CPU of the base against itself", *same, quantity="reading", against=by_hand),
        row("extract of 1,000 pages, peak memory", "ours 1000", "ours 100", quantity="peak", against=few, limit=1.05),
        row("by hand: 1,000 pages, peak memory", "by_hand 1000", "by_hand 100", quantity="peak", against=few),
        row("extract of 1,000 pages, peak memory", *both, quantity="peak", against=by_hand),
    ]
    topic.table("Extract", _TEXT, rows)
    return topic


def _document(file: Path, pages: int) -> Path:
    """Write a document in which no two lines are the same."""
    words = ("platform", "coach", "night", "river", "ticket", "window", "station")

    def line(page: int, number: int) -> str:
        return " ".join(f"{words[(page + number * place) % len(words)]}{page * number}" for place in range(_WORDS))

    file.write_bytes(
        make_pdf(*(Page(tuple(line(page, n) for n in range(_LINES)), size=_SIZE) for page in range(1, pages + 1)))
    )
    return file
