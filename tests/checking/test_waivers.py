"""A waiver takes one finding away, needs a reason, and may not outlive what it was written for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.checking.check import check
from pipelex.checking.examples import helper, plugin
from tests.checking.written import write_example

if TYPE_CHECKING:
    from pathlib import Path

IMPORT = "from pipelex.hub import get_hub"


@pytest.mark.parametrize(
    ("files", "rules"),
    [
        (helper(f"{IMPORT}  # pipelex: allow[PX201] a reason\n"), []),
        (helper(f"# pipelex: allow[PX201] a reason\n# and a word more\n{IMPORT}\n"), []),
        (helper("from pipelex.hub import (\n    get_hub,  # pipelex: allow[PX201] a reason\n)\n"), []),
        (helper(f"{IMPORT}  # pipelex: allow[PX201]\n"), ["PX201", "PX902"]),
        (helper(f"{IMPORT}  # pipelex: allow[] a reason\n"), ["PX201", "PX902"]),
        (helper(f"{IMPORT}  # pipelex: allow[PX202] a reason\n"), ["PX201", "PX901"]),
        (helper(f"{IMPORT}  # pipelex: allow[PX201, PX202] a reason\n"), ["PX901"]),
        (helper(f"{IMPORT}  # pipelex: allow[PX999] a reason\n"), ["PX201", "PX902"]),
        (helper(f"{IMPORT}  # pipelex: allow[outside-spi] a reason\n"), ["PX201", "PX901", "PX902"]),
        (helper("X = 1  # pipelex: allow[PX901] a reason\n"), ["PX901", "PX902"]),
        (helper('X = "# pipelex: allow[PX201] a string is no waiver"\n'), []),
        (helper("X: int = 'a'  # pipelex: allow[PX100] a reason\n"), []),
        (plugin("    name =", "    # pipelex: allow[PX403] the old name\n    name ="), ["PX901"]),
    ],
)
def test_what_a_waiver_does(files: dict[str, str], rules: list[str], tmp_path: Path) -> None:
    write_example(tmp_path, files)
    (checked,) = check([str(tmp_path)]).checked
    assert rules == sorted({finding.rule for finding in checked.findings})
