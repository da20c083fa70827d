"""The guide for authors of plugins, held to what it says: its smallest plugin is taken out of the page and run."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.acme.environment import ROOT, Environment, strict_mypy, write_distribution

if TYPE_CHECKING:
    from pathlib import Path

GUIDE = ROOT / "docs" / "write-a-plugin.md"
_FENCED_FILE = re.compile(r"^```\w+\n# (?P<name>[\w./]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The files that the guide shows under their names; of two with one name the first."""
    found: dict[str, str] = {}
    for match in _FENCED_FILE.finditer(GUIDE.read_text()):
        found.setdefault(match["name"], match["text"])
    return found


@pytest.fixture
def with_shout(full: Environment, tmp_path: Path, files: dict[str, str]) -> Environment:
    """The guide's plugin, on the path as its ``pyproject.toml`` would install it."""
    project = tomllib.loads(files["pyproject.toml"])["project"]
    entries = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["pipelex.plugins"].items())
    site = tmp_path / "site"
    entry_points = f"[pipelex.plugins]\n{entries}"
    write_distribution(site, name=project["name"], entry_points=entry_points, shout=files["shout.py"])
    (tmp_path / ".pipelex").mkdir()
    (tmp_path / ".pipelex" / "pipelex.toml").write_text(files[".pipelex/pipelex.toml"])
    return full.with_variables(PYTHONPATH=str(site))


def test_the_smallest_plugin_is_the_one_of_the_readme(files: dict[str, str]) -> None:
    assert f"```python\n{files['shout.py']}```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_smallest_plugin_answers(with_shout: Environment, tmp_path: Path) -> None:
    done = with_shout.pipelex("llm", "hello", "--model", "shout/any", cwd=tmp_path)
    assert (0, "HELLO\n", "") == (done.returncode, done.stdout, done.stderr)


def test_the_smallest_plugin_is_strictly_typed(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "shout.py").write_text(files["shout.py"])
    assert (0, "") == strict_mypy(tmp_path, tmp_path / "cache", "-m", "shout")


def test_the_line_of_the_misspelt_keyword_is_the_one_that_is_quoted(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "shout.py").write_text(files["shout.py"].replace("    sdk_clients:", "    sdk_client:"))
    _, output = strict_mypy(tmp_path, tmp_path / "cache", "-m", "shout")
    [quoted] = re.findall(r'^shout\.py:\d+: error: Argument "make_worker".*$', GUIDE.read_text(), re.MULTILINE)
    assert output.startswith(quoted), output
