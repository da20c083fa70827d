"""The README's listing is a plugin: it type-checks on the stubs alone, and it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acme.environment import write_distribution
from tests.architecture.tree import ROOT, SRC

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [match[1] for match in re.finditer(r"^```\w+\n(.*?)^```", README, re.DOTALL | re.MULTILINE)]
[PLUGIN] = [block for block in BLOCKS if "class ShoutPlugin" in block]
[ENTRY_POINT] = [block for block in BLOCKS if "entry-points" in block]
[BACKEND] = [block for block in BLOCKS if block.startswith("[backends.")]


def mypy(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Check a plugin's source as the README says."""
    folder.mkdir()  # one for each source: mypy tells two of the same length and second apart by nothing else
    (folder / "shout.py").write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-site-packages", "shout.py"],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(SRC / "pipelex" / "spi" / "v1")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_twenty_lines() -> None:
    assert 20 == len([line for line in PLUGIN.splitlines() if line.strip()])


def test_it_type_checks_on_the_stubs_alone_and_a_misspelt_keyword_does_not(tmp_path: Path) -> None:
    passed = mypy(tmp_path / "right", PLUGIN)
    assert 0 == passed.returncode, passed.stdout + passed.stderr
    misspelt = re.sub(r"inference_model(?=: )", "inference_modle", PLUGIN).replace(
        "=inference_model,", "=inference_modle,"
    )
    failed = mypy(tmp_path / "wrong", misspelt)
    assert 1 == failed.returncode
    assert re.search(r'shout\.py:\d+: error: .* expected "MakeWorkerFn"  \[arg-type\]', failed.stdout), failed.stdout


def test_it_answers_as_the_readme_says(tmp_path: Path) -> None:
    entry_points = ENTRY_POINT.replace('project.entry-points."pipelex.plugins"', "pipelex.plugins").replace('"', "")
    write_distribution(tmp_path / "installed", name="shout", entry_points=entry_points, shout=PLUGIN)
    (tmp_path / ".pipelex").mkdir()
    (tmp_path / ".pipelex" / "pipelex.toml").write_text(BACKEND, encoding="utf-8")
    answered = subprocess.run(
        [Path(sys.executable).parent / "pipelex", "llm", "hello", "--model", "shout/loud"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "PIPELEX_HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "HELLO\n", "") == (answered.returncode, answered.stdout, answered.stderr)
    assert '$ pipelex llm "hello" --model shout/loud\nHELLO\n' in README


@pytest.mark.parametrize("line", re.findall(r"pip3? install [^\n`)]*", README))
def test_no_line_installs_the_other_project_of_our_name(line: str) -> None:
    assert not re.search(r"install (?:'|\")?pipelex\b", line)
