"""The plugin of docs/examples/chat_server: 120 lines, and the whole conformance kit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.testing.kit_runs import ROOT, run_kit

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / "docs" / "examples" / "chat_server"
FEW = "tools_and_a_schema or pieces_join or messy or tool_choice"


def test_it_has_at_most_120_lines() -> None:
    lines = [line for path in EXAMPLE.glob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    assert 0 < len(lines) <= 120


@pytest.mark.parametrize("checks", [FEW, pytest.param("", marks=pytest.mark.heavy)], ids=["a few", "all"])
def test_it_passes_the_kit(tmp_path: Path, checks: str) -> None:
    run = run_kit(tmp_path, "-k", checks, str(EXAMPLE / "tests" / "test_quill.py"), search_path=(EXAMPLE,))
    assert 0 == run.code, run.output
    assert "passed" == run.outcomes["TestQuill", "test_tools_and_a_schema_work_together"]
