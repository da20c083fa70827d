"""Rules that have one place: who runs mypy, and who decides whether a condition is a TYPE_CHECKING guard."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import ROOT, SRC, copy_of_src, imports_below, plant, python_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNNER = "pipelex/spi/type_check.py"
GUARDS = "pipelex/spi/imports.py"


def mypy_runs(folder: Path) -> set[str]:
    """Return the modules below a folder that import what runs mypy."""
    runners = {"mypy.api", "mypy.build", "mypy.main", "mypy.options"}
    return {one.file for one in imports_below(folder) if one.module in runners and not one.type_only}


def guard_tests(folder: Path) -> set[str]:
    """Return the modules below a folder that look for ``TYPE_CHECKING`` by its spelling."""
    return {
        path.relative_to(folder).as_posix()
        for path in python_files(folder)
        if _spells_guard(path.read_text(encoding="utf-8"))
    }


@cache  # most modules of a copy with a planted fault are those of the tree
def _spells_guard(text: str) -> bool:
    return any(isinstance(node, ast.Constant) and node.value == "TYPE_CHECKING" for node in ast.walk(ast.parse(text)))


@pytest.mark.parametrize(("found", "place"), [(mypy_runs, RUNNER), (guard_tests, GUARDS)], ids=["mypy", "guards"])
def test_a_rule_has_one_place(found: Callable[[Path], set[str]], place: str) -> None:
    assert {place} == found(SRC)
    assert not found(ROOT / "codegen") - {"emit/accessors.py"}  # it writes the import into what it emits


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (mypy_runs, "def _late() -> object:\n    from mypy.build import build\n    return build"),
        (guard_tests, 'def _guard(name: str) -> bool:\n    return name == "TYPE_CHECKING"'),
    ],
    ids=["mypy", "guards"],
)
def test_a_second_place_is_found(tmp_path: Path, found: Callable[[Path], set[str]], line: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/hub.py", line)
    assert "pipelex/hub.py" in found(src)
