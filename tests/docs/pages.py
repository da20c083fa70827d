"""The project's pages of Markdown, taken apart: their sections, their blocks, their links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.architecture.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

CORPUS_REPORT = "corpus"  # what the documents of the corpus came to, beside the pages of the providers
PROVIDERS = sorted(path for path in (ROOT / "docs" / "providers").glob("*.md") if path.stem != CORPUS_REPORT)

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language."""
    return [match["text"] for match in _BLOCK.finditer(page) if match["language"] == language]


def sections(page: str) -> dict[str, str]:
    """Return the text under each heading of the second level."""
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def anchors(page: str) -> set[str]:
    """Return what the headings of a page can be linked by, as GitHub makes it; a second one of a name gets a number."""
    found: set[str] = set()
    for match in _HEADING.finditer(_BLOCK.sub("", page)):
        base = anchor = re.sub(r"[^\w -]", "", match["text"]).lower().replace(" ", "-")
        number = 0
        while anchor in found:
            number += 1
            anchor = f"{base}-{number}"
        found.add(anchor)
    return found


def links(path: Path) -> list[str]:
    """Return what a page links within the project."""
    text = _BLOCK.sub("", path.read_text(encoding="utf-8"))
    return [match["target"] for match in _LINK.finditer(text) if "://" not in match["target"]]


def dead_links(path: Path) -> list[str]:
    """Return the links of a page that lead to no file of the project, or to no heading of it."""
    return [target for target in links(path) if not _is_alive(path, target)]


def reachable(start: Path) -> set[Path]:
    """Return the pages that links lead to, from page to page."""
    found, open_ends = {start}, [start]
    while open_ends:
        page = open_ends.pop()
        targets = {(page.parent / target.partition("#")[0]).resolve() for target in links(page)}
        new = {target for target in targets if target.suffix == ".md" and target.is_file()} - found
        found |= new
        open_ends += new
    return found


def _is_alive(path: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = (path.parent / name) if name else path
    return file.exists() and (not anchor or anchor in anchors(file.read_text(encoding="utf-8")))
