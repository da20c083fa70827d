"""A configured home, a counting plugin, and processes that run with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.boot import Pipelex
from tests.bulk.counting import CONFIGURATION, CountingPlugin

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountingPlugin:
    """The plugin, as the only one; its backend is configured."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "pipelex.toml").write_text(CONFIGURATION, encoding="utf-8")
    monkeypatch.setenv("PIPELEX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    made = CountingPlugin(tmp_path / "calls.txt")
    monkeypatch.setattr("pipelex.generated.builtins.BUILTIN_PLUGINS", (made,))
    monkeypatch.setattr("pipelex.plugins.discovery.installed_plugins", list)
    return made


@pytest.fixture
def px(plugin: CountingPlugin) -> Iterator[Pipelex]:
    with Pipelex.setup() as made:
        yield made


class Processes:
    """Starts processes of ``tests.bulk.process``."""

    def __init__(self, plugin: CountingPlugin) -> None:
        self._plugin = plugin

    def start(self, *arguments: str, latency_s: float = 0.0, kind: str = "") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.bulk.process", str(self._plugin.calls), str(latency_s)]
        command += [kind, *arguments] if kind else arguments
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)

    def run(self, *arguments: str, latency_s: float = 0.0, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, latency_s=latency_s)
        out, err = process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def processes(plugin: CountingPlugin) -> Processes:
    return Processes(plugin)
