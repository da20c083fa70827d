"""The project's pages of Markdown, taken apart: their sections, their blocks, their links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.house.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROVIDERS = sorted((ROOT / "docs" / "providers").glob("*.md"))

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


def dead_links(path: Path) -> list[str]:
    """Return the links of a page that lead to no file of the project, or to no heading of it."""
    targets = [match["target"] for match in _LINK.finditer(_BLOCK.sub("", path.read_text(encoding="utf-8")))]
    return [target for target in targets if "://" not in target and not _is_alive(path, target)]


def _is_alive(path: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = (path.parent / name) if name else path
    return file.exists() and (not anchor or anchor in anchors(file.read_text(encoding="utf-8")))
