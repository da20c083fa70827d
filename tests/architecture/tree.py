"""What the tests of the house look at: the source tree and spi.toml, both read as text."""

from __future__ import annotations

import ast
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelex.spi.imports import read_imports

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
SPEC: dict[str, Any] = tomllib.loads((ROOT / "spi.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOT_COPIED = shutil.ignore_patterns("__pycache__", "stubs", "*.pyi")


class Import(NamedTuple):
    """One imported name.

    Attributes:
        file: Where it is imported, below the folder that was searched.
        line: The line of the statement.
        module: The absolute name of the module that the statement names.
        name: The name taken from it; ``None`` where the module itself is imported.
        type_only: Whether a type checker alone sees it.
    """

    file: str
    line: int
    module: str
    name: str | None
    type_only: bool

    def __str__(self) -> str:
        taken = f"from {self.module} import {self.name}" if self.name else f"import {self.module}"
        return f"{self.file}:{self.line}: {taken}"


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the modules below a folder, in a fixed order."""
    return (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)


def imports_below(folder: Path) -> Iterator[Import]:
    """Yield every import of every module below a folder, wherever in the module it stands."""
    for path in python_files(folder):
        file = path.relative_to(folder).as_posix()
        yield from _imports_of(file, path.read_text(encoding="utf-8"))


@cache  # most modules of a copy with a planted fault are those of the tree
def _imports_of(file: str, text: str) -> tuple[Import, ...]:
    found = read_imports(ast.parse(text), module_name(file), is_package=Path(file).stem == "__init__")
    return tuple(Import(file, one.node.lineno, one.module, one.name, one.type_only) for one in found)


def module_name(file: str) -> str:
    """Return the dotted name of a module from its path below ``src``."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def module_file(module: str, folder: Path) -> Path | None:
    """Return the file of a module below a folder, if it is one."""
    path = folder.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def copy_of_src(target: Path) -> Path:
    """Copy the sources to where a fault can be planted; return the folder that takes the place of ``src``."""
    shutil.copytree(SRC, target / "src", ignore=NOT_COPIED)
    return target / "src"


def plant(src: Path, file: str, line: str, *, at_end: bool = False) -> None:
    """Plant a line in a module: behind its ``from __future__`` line, or at the end."""
    path = src / file
    text = path.read_text(encoding="utf-8")
    future = "from __future__ import annotations\n"
    path.write_text(f"{text}\n{line}\n" if at_end else text.replace(future, f"{future}{line}\n", 1), encoding="utf-8")
    assert line in path.read_text(encoding="utf-8"), f"nothing was planted in {file}"
