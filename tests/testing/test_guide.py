"""docs/conformance-kit.md: its example runs as it stands there, and it lists every check and every hook."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelex.testing.checks import CHECKS, Check
from pipelex.testing.conformance import HOOKS
from pipelex.testing.vendor import Fault, Trait
from tests.testing.kit_runs import ROOT, run_kit

GUIDE = (ROOT / "docs" / "conformance-kit.md").read_text(encoding="utf-8")
ACME = ROOT / "docs" / "examples" / "acme"
PATHS = (ACME / "sdk" / "src", ACME / "plugin" / "src")


def example() -> str:
    [source] = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return str(source)


def test_the_example_is_the_file_of_the_acme_plugin() -> None:
    assert (ACME / "plugin" / "tests" / "test_conformance.py").read_text(encoding="utf-8") == example()


@pytest.mark.heavy
def test_the_example_runs_and_passes(tmp_path: Path) -> None:
    (tmp_path / "test_conformance.py").write_text(example(), encoding="utf-8")
    run = run_kit(tmp_path, "test_conformance.py", search_path=PATHS)
    assert 0 == run.code, run.output
    assert {"passed"} == set(run.outcomes.values())


def test_the_example_type_checks_under_strict(tmp_path: Path) -> None:
    (tmp_path / "test_conformance.py").write_text(example(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=.mypy", "test_conformance.py"],
        cwd=tmp_path,
        env={"MYPYPATH": ":".join(str(path) for path in (ROOT / "src", *PATHS)), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("entry", CHECKS.values(), ids=lambda entry: f"{entry.owner.rpartition('.')[2]}.{entry.name}")
def test_the_guide_says_what_each_check_asserts(entry: Check) -> None:
    sentence = " ".join(str(entry.function.__doc__).split())
    assert f"| `{entry.name}` | {entry.version}.{entry.revision} | {sentence} |" in GUIDE


def test_the_guide_names_every_hook_and_every_waiver() -> None:
    assert [] == [hook for hook in sorted(HOOKS) if f"`{hook}" not in GUIDE]
    assert [] == [waived.name for waived in (*Fault, *Trait) if f"`{waived.name}`" not in GUIDE]
