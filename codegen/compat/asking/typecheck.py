"""Generated modules, type-checked: which lines of them mypy refuses."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.spi.type_check import SourceFile, World, type_check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipelex.spi.type_check import Diagnostic


def check(modules: Mapping[str, str], cache: Path | None = None) -> dict[str, list[Diagnostic]]:
    """Type-check modules strictly, with nothing to import but each other and the standard library.

    Args:
        modules: The text of each module by its dotted name; a name that others lie under is a package. A stub's name
            ends in ``.pyi``.
        cache: Where mypy keeps what it knows; nowhere by default.

    Returns:
        The errors by module; a module without errors is not in it.

    Raises:
        UndecidedError: mypy reached no verdict.
    """
    found: dict[str, list[Diagnostic]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="spi-diff-") as scratch:
        files = dict(_files(modules, (cache or Path(scratch)) / "modules"))
        for error in type_check(files, World(cache=cache and cache / "mypy")).diagnostics:
            found[error.module].append(error)
    return found


def _files(modules: Mapping[str, str], folder: Path) -> Iterator[tuple[str, SourceFile]]:
    """Give each module a path, which need not exist: mypy distinguishes stubs from modules by its ending."""
    names = [key.removesuffix(".pyi") for key in modules]
    packages = {name[:place] for name in names for place, sign in enumerate(name) if sign == "."}
    for (key, text), name in zip(modules.items(), names, strict=True):
        suffix = ".pyi" if key.endswith(".pyi") else ".py"
        stem = name.replace(".", "/") + ("/__init__" if name in packages and f"{name}.pyi" in modules else "")
        yield name, SourceFile(str(folder / f"{stem}{suffix}"), text)
