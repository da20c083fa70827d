"""No module imports itself by way of others: imports inside functions count, type-only imports do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import ROOT, SRC, copy_of_src, imports_below, module_file, module_name, plant

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {("pipelex.cogt.error_kinds", "pipelex.cogt.exceptions")}
"""The published constructors of ``InferenceError`` choose its subclass from a table, loaded with the first error."""


def cycles(folder: Path, package: str) -> set[tuple[str, ...]]:
    """Return each set of modules of a package that import each other.

    Args:
        folder: The folder that holds the package.
        package: Its name.
    """
    graph: dict[str, set[str]] = {}
    for found in imports_below(folder / package):
        importer = module_name(f"{package}/{found.file}")
        inner = f"{found.module}.{found.name}" if found.name else found.module
        imported = inner if module_file(inner, folder) is not None else found.module
        if not found.type_only and module_file(imported, folder) is not None:
            graph.setdefault(importer, set()).add(imported)
    reached = {module: _reachable(graph, module) for module in graph}
    knots = {frozenset(other for other in reached[one] if one in reached.get(other, ())) for one in graph}
    return {tuple(sorted(knot)) for knot in knots if knot}


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return every module that a module imports, by whatever way; itself only if it is in a cycle."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize(("folder", "package", "known"), [(SRC, "pipelex", KNOWN), (ROOT, "codegen", set())])
def test_no_module_imports_itself_by_way_of_others(folder: Path, package: str, known: set[tuple[str, ...]]) -> None:
    assert known == cycles(folder, package)


def test_a_cycle_through_a_function_is_found(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    line = "def _late() -> object:\n    from pipelex.cogt.inference.attempts import attempted\n    return attempted"
    plant(src, "pipelex/cogt/inference/iterators.py", line)
    [knot] = cycles(src, "pipelex") - KNOWN
    assert {"pipelex.cogt.inference.attempts", "pipelex.cogt.inference.iterators"} <= set(knot)


def test_a_cycle_of_types_alone_does_not_count(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    line = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pipelex.cogt.inference.attempts import attempted"
    )
    plant(src, "pipelex/cogt/inference/iterators.py", line)
    assert KNOWN == cycles(src, "pipelex")
