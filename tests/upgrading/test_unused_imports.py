"""Imports that an upgrade leaves without a use go, with their lines; all else stays: ruff is the referee."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pipelex.upgrading.source_text import SourceText
from pipelex.upgrading.unused_imports import without_unused

GONE = {
    "a statement": ("from a import A\n\nfrom b import B\n\nx: A = B\n", "from b import B\n\nx = B\n"),
    "one of several": ("from a import A, B\n\nx: A = B\n", "from a import B\n\nx = B\n"),
    "the last one, with its comment": (
        "from a import (\n    B,  # b\n    C,  # c\n)\n\nx: C = B\n",
        "from a import (\n    B,  # b\n)\n\nx = B\n",
    ),
    "in a function": (
        "def f() -> int:\n    from a import A\n\n    x: A = 1\n    return x\n",
        "def f() -> int:\n    x = 1\n    return x\n",
    ),
    "all for a type checker": (
        """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        from b import B

        if TYPE_CHECKING:
            from a import A

        x: A = B
        """,
        "from __future__ import annotations\n\nfrom b import B\n\nx = B\n",
    ),
    "one of those": (
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from a import A

            from b import B

        x: "A"
        y: "B"
        """,
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from b import B

        x = 1
        y: "B"
        """,
    ),
    "a module": ("import a\nimport b\n\nx: a.A = b\n", "import b\n\nx = b\n"),
    "a module in a package": ("import a.c\nimport b\n\nx: a.c.A = b\n", "import b\n\nx = b\n"),
    "under another name": ("from a import A as C, B\n\nx: C = B\n", "from a import B\n\nx = B\n"),
    "all that a block has": (
        "try:\n    from a import A\nexcept ImportError:\n    A = int\n\nx: A = 1\n",
        "try:\n    pass\nexcept ImportError:\n    A = int\n\nx = 1\n",
    ),
}


def changed(before: str, after: str, wanted: tuple[str, ...] = ()) -> str:
    """Return a module whose annotations changed, without its unused imports."""
    source = SourceText("m", "m.py", before)
    return without_unused(source, after, wanted)


def without_annotations(text: str) -> str:
    """Take the annotation of ``x`` out, which is all that an upgrade did."""
    for annotation in (": A = ", ": C = ", ": a.A = ", ": a.c.A = "):
        text = text.replace(f"x{annotation}", "x = ")
    return text.replace('x: "A"', "x = 1")


@pytest.mark.parametrize("case", GONE)
def test_an_import_that_lost_its_use_goes(case: str, tmp_path: Path) -> None:
    before, after = (dedent(text).lstrip("\n") for text in GONE[case])
    done = changed(before, without_annotations(before))
    assert after == done
    (tmp_path / "m.py").write_text(done, encoding="utf-8")
    ruff = Path(sys.executable).with_name("ruff")
    command = [str(ruff), "check", "--isolated", "--select", "F401,I,E3", "--preview", "-q", str(tmp_path)]
    assert 0 == subprocess.run(command, check=False).returncode


KEPT = {
    "another use": "from a import A\n\nx: A = A\n",
    "a string": 'from typing import cast\n\nfrom a import A\n\nx: A = cast("A", 1)\n',
    "an export": 'from a import A\n\n__all__ = ["A"]\nx: A = 1\n',
    "a re-export": "from a import A as A\n\nx: A = 1\n",
    "a remark": "from a import A  # noqa: F401\n\nx: A = 1\n",
    "a comment with types": "from a import A\n\nx: A = 1\ny = None  # type: A | None\n",
    "two statements on a line": "import b; from a import A\n\nx: A = b\n",
}


@pytest.mark.parametrize("case", KEPT)
def test_an_import_that_serves_something_else_stays(case: str) -> None:
    after = without_annotations(KEPT[case])
    assert after == changed(KEPT[case], after)


def test_what_was_unused_before_and_what_other_modules_import_stays() -> None:
    before = "from a import A, B\n\nx: A = 1\n"
    after = without_annotations(before)
    assert "from a import B\n\nx = 1\n" == changed(before, after)
    assert after == changed(before, after, ("A",))
