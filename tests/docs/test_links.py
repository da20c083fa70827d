"""Every link between the pages of the project leads to a file, and to a heading in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import ROOT
from tests.docs.pages import dead_links, reachable

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = ("", "codegen/", "docs/**/", "demo/", "benchmarks/")
PAGES = sorted({path for folder in FOLDERS for path in ROOT.glob(f"{folder}*.md")})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert [] == dead_links(page)


def test_the_pages_are_all_there() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "docs/providers.md", "docs/providers/openai.md", "docs/examples/acme/README.md"} <= names


def test_every_page_is_reached_from_the_readme() -> None:
    pages = {page for page in PAGES if "examples" not in page.parts}  # those go out with their distributions
    assert set() == pages - reachable(ROOT / "README.md")


def test_a_page_that_nobody_links_is_found(tmp_path: Path) -> None:
    start, linked, lost = (tmp_path / f"{name}.md" for name in ("start", "linked", "lost"))
    start.write_text("[a](linked.md#part)\n", encoding="utf-8")
    linked.write_text("[back](start.md)\n", encoding="utf-8")
    lost.write_text("[a](start.md)\n", encoding="utf-8")
    assert {start, linked} == reachable(start)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other page\n\n## Part\n\n## Part\n```\n# no heading\n```\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n[a](other.md) [b](other.md#part-1) [c](#page) [d](https://example.org/gone)\n"
        "[e](gone.md) [f](other.md#gone) [g](#gone) [h](other.md#no-heading)\n```\n[i](in-a-block.md)\n```\n",
        encoding="utf-8",
    )
    assert ["gone.md", "other.md#gone", "#gone", "other.md#no-heading"] == dead_links(page)
