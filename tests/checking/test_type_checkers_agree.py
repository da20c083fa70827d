"""mypy, pyright and ty come to the same verdict on the examples of every rule, but for the differences listed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.checking.examples import SAMPLE
from pipelex.checking.rules.catalogue import RULES
from pipelex.checking.spi_tree import spi_tree
from pipelex.checking.targets import resolve
from pipelex.checking.type_check import type_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

DIFFERENCES = {
    "px104_positive": "neither pyright in its standard mode nor ty asks for annotations",
}
"""The examples on which pyright and ty differ from mypy, and why; docs/editor-setup.md tells of each."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes every example as a package of its own, all under one roof, so that each checker runs once."""
    folder = tmp_path_factory.mktemp("examples")
    for rule in RULES:
        for kind, files in (("positive", rule.positive), ("near_miss", rule.near_miss)):
            package = f"{rule.id.lower()}_{kind}"
            for name, text in {**SAMPLE, **files}.items():
                if name.endswith(".py"):
                    path = folder / "src" / package / Path(name).name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text.replace("my_pkg", package), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def by_mypy(examples: Path) -> set[str]:
    errors = type_errors(resolve(str(examples / "src")), spi_tree())
    return {_package(Path(error.file), examples) for error in errors}


def _package(path: Path, examples: Path) -> str:
    return path.relative_to(examples / "src").parts[0]


def _run(*command: str, cwd: Path, most: int = 1) -> str:
    """Run a type checker, whose exit code is 1 where it found errors, and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode in range(most + 1), f"{done.stdout}{done.stderr}"
    return done.stdout


def _of_pyright(examples: Path) -> Iterator[str]:
    settings = {"include": ["src"], "extraPaths": ["src"], "stubPath": str(spi_tree().folder)}
    (examples / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    report = json.loads(_run(str(BIN / "pyright"), "--outputjson", cwd=examples))
    assert report["summary"]["filesAnalyzed"] > len(RULES)
    for found in report["generalDiagnostics"]:
        is_vendors = found.get("rule") == "reportMissingImports" and '"pipelex.' not in found["message"]
        if found["severity"] == "error" and not is_vendors:
            yield _package(Path(found["file"]), examples)


def _of_ty(examples: Path) -> Iterator[str]:
    stubs = str(spi_tree().folder)
    options = ["--output-format", "concise", "--extra-search-path", stubs, "--extra-search-path", "src"]
    for line in _run(str(BIN / "ty"), "check", *options, "src", cwd=examples).splitlines():
        is_vendors = "import-not-found" in line and "`pipelex." not in line
        if ": error[" in line and not is_vendors:
            yield _package((examples / line.partition(":")[0]), examples)


@pytest.mark.parametrize("verdict", [_of_pyright, _of_ty], ids=["pyright", "ty"])
def test_the_verdict_is_that_of_mypy(verdict: object, examples: Path, by_mypy: set[str]) -> None:
    assert callable(verdict)
    assert by_mypy
    assert set(DIFFERENCES) == by_mypy ^ set(verdict(examples))


@pytest.mark.heavy
@pytest.mark.parametrize("command", [["pyright"], ["ty", "check"]], ids=["pyright", "ty"])
def test_public_calls_have_the_exact_types_that_mypy_finds(command: list[str]) -> None:
    _run(str(BIN / command[0]), *command[1:], "tests/typing/public_calls.py", cwd=ROOT, most=0)


def test_the_docs_tell_of_each_difference() -> None:
    text = (ROOT / "docs" / "editor-setup.md").read_text(encoding="utf-8")
    for example in DIFFERENCES:
        assert example.partition("_")[0].upper() in text
