"""Generated modules, type-checked: which lines of them mypy refuses.

The answers are cached under a digest of all that they follow from. mypy's own cache does not hold modules that it is
given as text: those it checks again at each run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.spi import type_check as runner
from pipelex.spi.files import replace_file
from pipelex.spi.type_check import Diagnostic, SourceFile, World, mypy_version, type_check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEPT = 100


def check(modules: Mapping[str, str], cache: Path | None = None) -> dict[str, list[Diagnostic]]:
    """Type-check modules strictly, with nothing to import but each other and the standard library.

    Args:
        modules: The text of each module by its dotted name; a name that others lie under is a package. A stub's name
            ends in ``.pyi``.
        cache: Where the answers are cached, and mypy keeps what it knows of the standard library; nowhere by default.

    Returns:
        The errors by module; a module without errors is not in it.

    Raises:
        UndecidedError: mypy reached no verdict.
    """
    entry = cache / "answers" / f"{_digest(modules)}.json" if cache is not None else None
    errors = _cached(entry) if entry is not None else None
    if errors is None:
        errors = _errors(modules, cache)
        if entry is not None:
            _store(entry, errors)
    found: dict[str, list[Diagnostic]] = defaultdict(list)
    for error in errors:
        found[error.module].append(error)
    return found


def _errors(modules: Mapping[str, str], cache: Path | None) -> list[Diagnostic]:
    with tempfile.TemporaryDirectory(prefix="spi-diff-") as scratch:
        files = dict(_files(modules, (cache or Path(scratch)) / "modules"))
        return type_check(files, World(cache=cache and cache / "mypy")).diagnostics


def _digest(modules: Mapping[str, str]) -> str:
    """Return the digest of what the answers follow from: the modules, mypy and Python, and how mypy is run."""
    whole = sha256(f"{mypy_version()} {sys.version}".encode())
    whole.update(Path(runner.__file__).read_bytes())
    whole.update(json.dumps(dict(modules), sort_keys=True).encode())
    return whole.hexdigest()


def _cached(entry: Path) -> list[Diagnostic] | None:
    """Return the cached answers; ``None`` where there are none, or where they are damaged."""
    try:
        return [Diagnostic(**one) for one in json.loads(entry.read_text(encoding="utf-8"))]
    except (OSError, TypeError, ValueError):
        return None


def _store(entry: Path, errors: list[Diagnostic]) -> None:
    """Cache answers, and drop the oldest; a folder that cannot be written costs time, and never a verdict."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        replace_file(entry, json.dumps([error._asdict() for error in errors]).encode())
        for old in sorted(entry.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        pass


def _files(modules: Mapping[str, str], folder: Path) -> Iterator[tuple[str, SourceFile]]:
    """Give each module a path, which need not exist: mypy distinguishes stubs from modules by its ending."""
    names = [key.removesuffix(".pyi") for key in modules]
    packages = {name[:place] for name in names for place, sign in enumerate(name) if sign == "."}
    for (key, text), name in zip(modules.items(), names, strict=True):
        suffix = ".pyi" if key.endswith(".pyi") else ".py"
        stem = name.replace(".", "/") + ("/__init__" if name in packages and f"{name}.pyi" in modules else "")
        yield name, SourceFile(str(folder / f"{stem}{suffix}"), text)
