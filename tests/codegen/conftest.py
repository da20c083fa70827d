"""A small project with one of everything, to run the generator on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from codegen.cli import run
from codegen.outputs import render
from codegen.project import Project
from tests.codegen.small_files import write_small_project

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class SmallProject:
    """A copy of the small project that a test may change.

    Attributes:
        root: Its folder.
    """

    root: Path

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that occurs in a file."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        """Write a file, in a folder that need not be there."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> int:
        """Run the generator on it and return the exit code."""
        return run([*arguments, "--root", str(self.root)], default_root="nowhere")

    def render(self) -> dict[str, str]:
        """Return what the generator would write."""
        return render(Project(self.root)).texts

    def line_of(self, path: str, text: str) -> int:
        """Return the first line of a file that contains a text."""
        lines = (self.root / path).read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(lines, start=1) if text in line)

    def snapshot(self) -> dict[str, bytes]:
        """Return every file with its content."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def small(tmp_path: Path) -> SmallProject:
    """The small project, as it is committed, with nothing generated yet."""
    write_small_project(tmp_path)
    return SmallProject(tmp_path)
