"""The fast path of ``--check``: quick, light, and never wrong about a file that counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codegen import freshness
from codegen.project import Project
from tests.codegen.conftest import ROOT, SmallProject

HEAVY = ("argparse", "jinja2", "libcst", "pydantic", "tomli", "json", "pathlib")


@pytest.fixture
def remembered(small: SmallProject) -> SmallProject:
    """The small project after a good run."""
    assert small.run() == 0
    assert freshness.is_fresh(str(small.root))
    return small


def test_no_run_no_answer(small: SmallProject) -> None:
    assert not freshness.is_fresh(str(small.root))


@pytest.mark.parametrize(
    "path",
    [
        "spi.toml",
        "pyproject.toml",
        "src/pipelex/cogt/llm/job.py",
        "src/pipelex/plugins/exceptions.py",
        "src/pipelex/providers/acme/client.py",
        "src/pipelex/config/defaults/pipelex.toml",
        "tests/counterparts.toml",
        "tests/acme/wire.py",
        "src/pipelex/generated/builtins.py",
        "src/pipelex/spi/v3/pipelex/cogt/llm/job.pyi",
        "docs/spi.md",
    ],
)
def test_a_changed_input_or_output_is_noticed(remembered: SmallProject, path: str) -> None:
    file = remembered.root / path
    file.write_bytes(file.read_bytes() + b"\n")
    assert not freshness.is_fresh(str(remembered.root))


@pytest.mark.parametrize("path", ["docs/spi.md", "src/pipelex/providers/acme/client.py"])
def test_a_removed_file_is_noticed(remembered: SmallProject, path: str) -> None:
    (remembered.root / path).unlink()
    assert not freshness.is_fresh(str(remembered.root))


@pytest.mark.parametrize("path", ["src/pipelex/spi/v3/pipelex/stray.pyi", "codegen/emit/new.py"])
def test_a_new_stub_or_a_new_part_of_the_generator_is_noticed(remembered: SmallProject, path: str) -> None:
    (remembered.root / path).parent.mkdir(exist_ok=True)
    (remembered.root / path).write_text("", encoding="utf-8")
    assert not freshness.is_fresh(str(remembered.root))


def test_a_file_that_does_not_count_is_not_looked_at(remembered: SmallProject) -> None:
    (remembered.root / "src/pipelex/hub.py").write_text("x = 1\n", encoding="utf-8")
    assert freshness.is_fresh(str(remembered.root))


def test_a_file_that_changes_during_the_run_is_not_taken_for_checked(small: SmallProject) -> None:
    project = Project(small.root)
    assert "revision" in project.read("spi.toml")
    small.edit("spi.toml", "revision = 1", "revision = 0")
    freshness.remember(str(small.root), project.seen, [])
    assert not freshness.is_fresh(str(small.root))


def test_a_spoilt_cache_is_no_answer(remembered: SmallProject) -> None:
    (remembered.root / freshness.CACHE).write_bytes(b"\xff\xfe")
    assert not freshness.is_fresh(str(remembered.root))


def test_a_red_check_is_not_remembered(remembered: SmallProject) -> None:
    remembered.edit("docs/spi.md", "API", "API API")
    assert remembered.run("--check") == 1
    assert not freshness.is_fresh(str(remembered.root))


def test_the_fast_path_imports_nothing_slow() -> None:
    """It runs on the real tree, which this test has checked in full before."""
    assert _run("-m", "codegen", "--check").returncode == 0
    script = (
        "import sys\nfrom codegen.__main__ import main\ncode = main(['--check'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\nsys.exit(code)\n"
    )
    done = _run("-c", script)
    assert (0, "[]") == (done.returncode, done.stdout.splitlines()[-1])


def test_continuous_integration_trusts_no_earlier_run() -> None:
    done = _run("-m", "codegen", "--check", CI="true")
    assert "files agree with spi.toml and src/" in done.stdout


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=ROOT,
        env={**variables, **environment},
        capture_output=True,
        text=True,
    )


def test_the_cache_is_untracked() -> None:
    ignored = Path(ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert ".codegen-cache/" in ignored
