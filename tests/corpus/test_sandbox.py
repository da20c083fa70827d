"""What the sandbox reports: who imports, where, and what it says when it fails by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.sandbox import run
from pipelex.sandbox.run import Order, SandboxError, run_sandbox
from tests.corpus.rows import BASE, Row, top, write_row

if TYPE_CHECKING:
    from pathlib import Path


def order(folder: Path, row: Row, entry: str = "it:Plugin", **options: bool) -> Order:
    module, _, attribute = entry.partition(":")
    source = write_row(folder, "it", row) / "src"
    return Order(entries=((module, attribute, "it"),), paths=(str(source),), own=("it",), **options)  # type: ignore[arg-type]  # blocks


def test_an_import_is_reported_with_the_line_that_imports(tmp_path: Path) -> None:
    [line] = run_sandbox(order(tmp_path, top("\nimport acme"))).of("import")
    assert ("acme", "loading", str(tmp_path / "it/src/it.py"), 2) == (
        line["name"],
        line["phase"],
        line["file"],
        line["line"],
    )


def test_what_the_standard_library_imports_is_not_the_plugins(tmp_path: Path) -> None:
    """Up to Python 3.11, ``copy`` and ``pickle`` look for a module of Jython's."""
    report = run_sandbox(order(tmp_path, top("import copy\nimport pickle\nimport dataclasses")))
    assert [] == report.of("import") + report.of("failed")


def test_to_look_for_a_module_is_not_to_import_it(tmp_path: Path) -> None:
    report = run_sandbox(
        order(tmp_path, top("import importlib.util\n\nassert importlib.util.find_spec('acme') is None"))
    )
    assert [] == report.of("import") + report.of("failed")


def test_a_module_that_is_nowhere_is_said_to_be_missing(tmp_path: Path) -> None:
    [line] = run_sandbox(order(tmp_path, top(""), entry="my-it:Plugin")).of("failed")
    assert ("import", "No module named 'my-it'") == (line["step"], line["message"])


def test_what_is_not_blocked_is_reported_all_the_same(tmp_path: Path) -> None:
    row = Row({"it.py": f"import acme\n{BASE}", "acme.py": ""})
    report = run_sandbox(order(tmp_path, row, blocks=False))
    assert ["acme"] == [line["name"] for line in report.of("import")]
    assert [] == report.of("failed")


def test_a_fault_of_the_sandbox_is_not_the_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_HOST", tmp_path)
    with pytest.raises(SandboxError, match="No module named 'pipelex"):
        run_sandbox(order(tmp_path, top("")))
