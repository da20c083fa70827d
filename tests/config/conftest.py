"""A home and a project of their own for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Folders:
    """A home and a project in it, with files written where they belong."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.project = self.home / "work" / "project"
        self.project.mkdir(parents=True)

    def user(self, text: str, name: str = "pipelex.toml") -> Path:
        return _write(self.home / ".pipelex" / name, text)

    def of_project(self, text: str, name: str = "pipelex.toml") -> Path:
        return _write(self.project / ".pipelex" / name, text)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    made = Folders(tmp_path)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.delenv("PIPELEX_HOME", raising=False)
    monkeypatch.setenv("PIPELEX_TRUST", str(made.project))
    monkeypatch.chdir(made.project)
    return made
