"""The maps of the generator: no module is missing from the page that lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CODEGEN = Path(__file__).parents[2] / "codegen"


def unlisted(folder: Path) -> set[str]:
    """Return the modules of a folder that its README does not name, and the names there that are no module."""
    inner = [
        path for path in folder.iterdir() if (path / "__init__.py").is_file() and not (path / "README.md").is_file()
    ]
    maps = folder.name != CODEGEN.name  # the map of the generator lists folders as such
    modules = {path.name for one in [folder, *(inner if maps else [])] for path in one.glob("*.py")} - {"__init__.py"}
    rows = re.findall(r"^\|.*\|$", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return modules ^ {name for row in rows for name in re.findall(r"`([\w]+\.py)`", row)}


@pytest.mark.parametrize("folder", ["", "compat"])
def test_every_module_is_listed(folder: str) -> None:
    assert set() == unlisted(CODEGEN / folder)


def test_a_module_that_is_not_listed_is_found_and_so_is_a_row_without_a_module(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("| `one.py` | x |\n| `gone.py` | y |\n", encoding="utf-8")
    for name in ("one.py", "new.py", "__init__.py"):
        (tmp_path / name).touch()
    assert {"gone.py", "new.py"} == unlisted(tmp_path)
