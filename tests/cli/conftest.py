"""The command line, run in process on a fake built-in plugin, in a home and a project of its own."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cli.main import main
from tests.cli.fakes import CONFIGURATION, FakePlugin

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.plugins.installed import InstalledPlugin


class Outcome(NamedTuple):
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        loaded = json.loads(self.out)
        assert isinstance(loaded, dict)
        return loaded


class Terminal:
    """A user at a terminal: runs commands, pipes text into them, and installs plugins."""

    def __init__(self, project: Path, plugin: FakePlugin, patch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
        self.project = project
        self.plugin = plugin
        self._patch = patch
        self._capfd = capfd

    def run(self, *arguments: str | os.PathLike[str], stdin: str | None = None, typed: str = "") -> Outcome:
        """Run a command; without ``stdin`` nothing is piped in, and what is typed comes from the terminal."""
        piped = io.TextIOWrapper(io.BytesIO((typed if stdin is None else stdin).encode()), encoding="utf-8")
        self._patch.setattr(piped, "isatty", lambda: stdin is None)
        self._patch.setattr("sys.stdin", piped)
        self._capfd.readouterr()
        code = main([os.fspath(argument) for argument in arguments])
        out, err = self._capfd.readouterr()
        return Outcome(code, out, err)

    def install(self, *plugins: InstalledPlugin) -> None:
        self._patch.setattr("pipelex.plugins.discovery.installed_plugins", lambda: list(plugins))

    def configure(self, text: str, name: str = "pipelex.toml") -> Path:
        return self.write(f".pipelex/{name}", text)

    def write(self, name: str, text: str) -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Terminal:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    (home / ".pipelex").mkdir()
    (home / ".pipelex" / "pipelex.toml").write_text(CONFIGURATION)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("PIPELEX_HOME", raising=False)
    monkeypatch.setenv("PIPELEX_TRUST", str(project))
    monkeypatch.chdir(project)
    plugin = FakePlugin()
    monkeypatch.setattr("pipelex.generated.builtins.BUILTIN_PLUGINS", (plugin,))
    made = Terminal(project, plugin, monkeypatch, capfd)
    made.install()
    return made
