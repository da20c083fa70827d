"""What commands and drivers write passes ``pipelex.terminal``: no other way to a standard stream is taken."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import SRC, copy_of_src, plant

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = ("pipelex/cli", "pipelex/providers")
WAYS_PAST = ("print", "click.echo", "click.secho", "click.echo_via_pager", "rich.print")
STREAM_WRITES = ("write", "writelines")


def ways_past(src: Path) -> list[str]:
    """Return each call that writes to a standard stream by itself."""
    found = []
    for file in sorted(path for folder in FOLDERS for path in (src / folder).rglob("*.py")):
        name = file.relative_to(src).as_posix()
        found += [f"{name}: {called}" for called in _writes_in(file.read_text(encoding="utf-8"))]
    return found


@cache  # most modules of a copy with a planted fault are those of the tree
def _writes_in(text: str) -> list[str]:
    called = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    streams = ("sys.std", "sys.__std", "stdout()")
    return [name for name in called if name in WAYS_PAST or (name.startswith(streams) and name.endswith(STREAM_WRITES))]


def test_commands_and_drivers_write_through_one_function() -> None:
    assert [] == ways_past(SRC)


@pytest.mark.parametrize(
    "line",
    [
        "print(1)",
        "click.echo(1)",
        "sys.stdout.write('1')",
        "sys.stderr.buffer.write(b'1')",
        "sys.__stdout__.write('1')",
        "stdout().write('1')",
    ],
)
@pytest.mark.parametrize("file", ["pipelex/cli/show.py", "pipelex/providers/local/install.py"])
def test_another_way_is_found(tmp_path: Path, file: str, line: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, file, f"def planted() -> None:\n    {line}")
    assert [f"{file}: {line.rpartition('(')[0]}"] == ways_past(src)
