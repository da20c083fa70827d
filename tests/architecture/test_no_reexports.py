"""One place per object: package files are empty, and every import names the module that defines the object."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

from tests.architecture.tree import ROOT, SRC, copy_of_src, imports_below, module_file, plant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMPORTERS = ("src", "codegen", "tests", "demo", "benchmarks")
NAMES_ITS_PYTEST_PLUGIN = {"src/pipelex/testing/__init__.py"}
"""The one package file with a line in it: pytest reads ``pytest_plugins`` there and nowhere else."""


@cache
def defined_names(path: Path) -> set[str]:
    """Return the names that a module itself binds at its top level; an import binds nothing here."""
    return set(_bound(ast.parse(path.read_text(encoding="utf-8")).body))


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If() | ast.Try():
                for field in ("body", "orelse", "finalbody"):
                    yield from _bound(getattr(node, field, []))
                for handler in getattr(node, "handlers", []):
                    yield from _bound(handler.body)


def second_hand_imports(folder: Path, src: Path) -> list[str]:
    """Return each import that takes a name from a module which does not define it."""
    found = []
    for imported in imports_below(folder):
        if imported.name is None or imported.module.split(".")[0] != "pipelex":
            continue
        if (
            module_file(f"{imported.module}.{imported.name}", src)
            or src.joinpath(*imported.module.split("."), imported.name).is_dir()
        ):
            continue
        path = module_file(imported.module, src)
        if path is None or imported.name not in defined_names(path):
            found.append(str(imported))
    return found


def test_every_package_file_is_empty() -> None:
    package_files = [path for folder in IMPORTERS for path in (ROOT / folder).rglob("__init__.py")]
    assert package_files
    full = {path.relative_to(ROOT).as_posix() for path in package_files if path.read_bytes()}
    assert set() == full - NAMES_ITS_PYTEST_PLUGIN


def test_every_import_names_the_module_that_defines_the_object() -> None:
    assert [] == [found for folder in IMPORTERS for found in second_hand_imports(ROOT / folder, SRC)]


def test_a_second_hand_import_is_found(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/hub.py", "from pipelex.boot import push_hub")  # boot imports it, hub defines it
    assert "pipelex/hub.py:4: from pipelex.boot import push_hub" in second_hand_imports(src, src)
