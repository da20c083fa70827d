"""Imports that were sorted stay sorted, and within the author's line length: ruff is the referee."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pipelex.upgrading.import_order import tidied
from pipelex.upgrading.rewrites.packaging import line_length
from pipelex.upgrading.source_text import SourceText

SORTED = {
    "names": ("from m import CONST, B, b\n", "from m import CONST, B, b, A, OTHER\n"),
    "natural names": ("from m import a2, a10\n", "from m import a2, a10, a3, A10\n"),
    "modules": ("import re\n\nfrom b import x\n", "import re\n\nfrom b import x\nfrom a import y\n"),
    "plain imports first": ("import b\nfrom a import x\n", "import b\nfrom a import x\nimport c\n"),
    "a comment goes along": (
        "from b import x  # b\nfrom c import y  # c\n",
        "from b import x  # b\nfrom c import y  # c\nfrom a import z\n",
    ),
    "lines with comments": (
        "from m import (\n    B,  # b\n    C,\n)\n",
        "from m import (\n    B,  # b\n    C, A,\n)\n",
    ),
    "too long": (
        "from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult\n",
        "from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult, Another\n",
    ),
    "in a block": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from b import B\n",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from b import B\n    from a import A\n",
    ),
    "no line end": ("from b import B", "from b import B\nfrom a import A"),
}


def is_sorted(text: str, folder: Path) -> bool:
    """Whether ruff finds the imports sorted."""
    path = folder / "m.py"
    path.write_text(text, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("ruff")), "check", "--isolated", "--select", "I", "-q", str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("case", SORTED)
def test_what_was_sorted_stays_sorted(case: str, tmp_path: Path) -> None:
    before, after = (text.rstrip("\n") + ("\n" * (case != "no line end")) for text in SORTED[case])
    use = "\nx = 1\n" if case != "no line end" else ""
    assert is_sorted(before + use, tmp_path)
    assert not is_sorted(after + use, tmp_path)
    done = tidied(SourceText("m", "m.py", before + use), after + use, 88)
    assert is_sorted(done, tmp_path), done
    assert sorted(after.replace("(", "").replace(")", "").replace(",", " ").split()) == sorted(
        done.removesuffix(use).replace("(", "").replace(")", "").replace(",", " ").split()
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from b import x\nfrom a import y\n", "from b import x\nfrom a import y\nfrom aa import z\n"),
        ("from m import b, a\n", "from m import b, a, aa\n"),
    ],
    ids=["modules", "names"],
)
def test_what_was_not_sorted_is_not_moved(before: str, after: str) -> None:
    assert after == tidied(SourceText("m", "m.py", before), after, 88)


def test_the_line_length_is_the_projects(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "pkg"
    folder.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    assert 88 == line_length(folder)
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n", encoding="utf-8")
    assert 100 == line_length(folder)
    (tmp_path / "ruff.toml").write_text(dedent("line-length = 79\n"), encoding="utf-8")
    assert 79 == line_length(folder)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from m import A\nfrom m import B as C\n", "from m import A\nfrom m import B as C\nfrom m import D as E\n"),
        ("from m import A, B as C\n", "from m import A, B as C, D as E\n"),
    ],
    ids=["apart", "combined"],
)
def test_a_name_under_another_one_is_imported_apart_where_the_author_does_so(before: str, after: str) -> None:
    changed = before.replace("A", "A, D as E", 1)
    assert after == tidied(SourceText("m", "m.py", before), changed, 88)
