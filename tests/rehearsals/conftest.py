"""A copy of the project that may be changed, generated, bumped and checked like the project itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsals.plugins import SHAPES

ROOT = Path(__file__).parents[2]
COPIED = (
    "codegen",
    "src",
    "docs",
    "tests",
    "spi.toml",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    ".gitattributes",
)


@dataclass(frozen=True)
class Copy:
    """The project, copied.

    Attributes:
        root: Its folder.
        cache: Where the author's check keeps what it knows.
        plugins: The example, and three plugins of other shapes.
    """

    root: Path
    cache: Path
    plugins: list[str]

    def edit(self, path: str, *pairs: tuple[str, str]) -> None:
        """Replace texts in a file."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, f"{path}: {old}"
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def declare(self, **values: str) -> None:
        """Enter a change in ``[next]``."""
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        with (self.root / "spi.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n[[next.change]]\n{lines}")

    def codegen(self, *arguments: str, expected: int = 0) -> str:
        """Run the generator, ask for an exit code, and return what it said."""
        return self._run("codegen", *arguments, expected=expected)

    def findings(self) -> list[dict[str, Any]]:
        """Return what changed since the frozen version, witnesses included."""
        done = self._process("codegen", "diff", "--format", "json")
        found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
        return found

    def pipelex(self, *arguments: str, expected: int = 0) -> str:
        """Run the command line of the copy, ask for an exit code, and return what it said."""
        return self._run("pipelex.cli", *arguments, expected=expected)

    def run(self, *arguments: str, cwd: str = ".", path: str = "src", expected: int = 0) -> str:
        """Run Python with the copy's package, ask for an exit code, and return what it wrote."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(self.root / one) for one in (path, "src"))}
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=self.root / cwd, capture_output=True, text=True, check=False
        )
        assert expected == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _run(self, module: str, *arguments: str, expected: int) -> str:
        done = self._process(module, *arguments)
        said = done.stdout + done.stderr
        assert expected == done.returncode, said
        return said

    def _process(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["-c", "import sys; from pipelex.cli.main import main; sys.exit(main())"]
        command = ["-m", module] if module == "codegen" else command
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            "PIPELEX_CACHE_DIR": str(self.cache),
            "CI": "",
        }
        return subprocess.run(
            [sys.executable, *command, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The project as it stands, its contract frozen."""
    root = tmp_path / "project"
    root.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", ".mypy_cache", "*.pyc")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, root / name)
    plugins = ["docs/examples/acme/plugin", *(f"plugins/{name}" for name in SHAPES)]
    copy = Copy(root, tmp_path_factory.getbasetemp() / "cache", plugins)
    for name, files in SHAPES.items():
        for path, text in files.items():
            copy.write(f"plugins/{name}/{path}", text)
    copy.codegen()
    if "released = true" not in (root / "spi.toml").read_text(encoding="utf-8"):
        copy.codegen("freeze")
    copy.pipelex("plugins", "check", *plugins)
    return copy
