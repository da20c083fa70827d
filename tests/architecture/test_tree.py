"""The tree holds what a release needs, and nothing of the machine on which it was written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import PROJECT, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MACHINE = re.compile(
    r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|opt/wheels)/"  # folders of one machine
    r"|\.\./shared\b|\B\.library/"  # folders beside the clone
    r"|\b(?:ANCHORS|FACTS)\.md\b|\b(?:SCALE|CONVERSATION)\b"
    r"|\bcases/"
    r"|\b(?:house|safety|documents|maintainers|applications|plugin-authors|llm-drivers)\.md[ ,]+F?\d"  # a finding
    r"|\b[Ff]inding F?\d+\b|\(F\d{1,2}\)"
    r"|\b[Ii]ssue #?\d+\b",  # an issue by number
)
HERE = "tests/architecture/test_tree.py"


def files_of_the_tree(root: Path) -> Iterator[Path]:
    """Yield every file that is not git's own or ignored."""
    ignored = {".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines())}
    for path in sorted(root.iterdir()):
        if path.name in ignored or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from files_of_the_tree(path)
        elif path.is_file():
            yield path


def marks_of_a_machine(root: Path) -> list[str]:
    """Return each line that names a folder of this machine, or what stood beside the clone, as ``file:line: mark``."""
    found = []
    for path in files_of_the_tree(root):
        file = path.relative_to(root).as_posix()
        if file == HERE:
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            found += [f"{file}:{number}: {mark[0]}" for mark in MACHINE.finditer(line)]
    return found


def test_nothing_names_the_machine() -> None:
    assert [] == marks_of_a_machine(ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "/work/main/x",
        "see ../shared/NOTES",
        "as FACTS.md says",
        "fixes issue 7",
        "/root/",
        "as SCALE.md says",
        "see CONVERSATION",
        "in cases/x",
        "house.md F4",
        "finding F12",
        "(F4)",
    ],
)
def test_a_mark_of_the_machine_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(f"# Page\n{text}\n", encoding="utf-8")
    assert ["docs/page.md:2"] == [found.rpartition(":")[0] for found in marks_of_a_machine(tmp_path)]


def test_the_changelog_has_an_unreleased_section() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert "[Unreleased]" == headings[0]


def test_every_local_link_of_the_docs_leads_somewhere() -> None:
    pages = [path for path in files_of_the_tree(ROOT) if path.suffix == ".md"]
    dead = []
    for page in pages:
        text = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        targets = (target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target)
        dead += [f"{page.relative_to(ROOT)}: {target}" for target in targets if not (page.parent / target).exists()]
    assert [] == dead


def test_everything_that_the_sdist_lists_is_there() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [] == [name for name in included if not (ROOT / name.lstrip("/")).exists()]
