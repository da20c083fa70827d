"""mypy in process on modules given as text: which lines of them it refuses.

The runner of ``pipelex.checking`` checks the targets of an author. This one checks modules that are made up, many at
a time, and is kept free of ``pipelex``, so that a comparison works when ``src/`` does not.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy.options import Options

STRICT = (
    "disallow_any_generics",
    "disallow_untyped_calls",
    "disallow_untyped_defs",
    "disallow_incomplete_defs",
    "check_untyped_defs",
    "warn_redundant_casts",
    "strict_equality",
    "extra_checks",
    "strict_bytes",
)


class UndecidedError(Exception):
    """The type checker came to no verdict. That is never read as "compatible"."""


@dataclass(frozen=True)
class TypeCheckError:
    """One error of the type checker.

    Attributes:
        module: The module.
        line: The line, counted from 1.
        code: The checker's code.
        message: What it says.
    """

    module: str
    line: int
    code: str
    message: str


def check(modules: Mapping[str, str], cache: Path | None = None) -> dict[str, list[TypeCheckError]]:
    """Type-check modules strictly, with nothing to import but each other and the standard library.

    Args:
        modules: The text of each module by its dotted name; a name that others lie under is a package. A stub's name
            ends in ``.pyi``.
        cache: Where mypy keeps what it knows; nowhere by default.

    Returns:
        The errors by module; a module without errors is not in it.

    Raises:
        UndecidedError: mypy came to no verdict.
    """
    with tempfile.TemporaryDirectory(prefix="spi-diff-") as scratch:
        folder = cache or Path(scratch)
        messages = _build(_sources(modules, folder / "modules"), _options(None if cache is None else folder / "mypy"))
    found: dict[str, list[TypeCheckError]] = defaultdict(list)
    for error in _read(messages):
        found[error.module].append(error)
    return found


def _sources(modules: Mapping[str, str], folder: Path) -> list[tuple[str, str, str]]:
    """Name each module, its text, and a path for it: mypy tells stubs from modules by the path's ending."""
    found = []
    names = [key.removesuffix(".pyi") for key in modules]
    packages = {name[:place] for name in names for place, sign in enumerate(name) if sign == "."}
    for (key, text), name in zip(modules.items(), names, strict=True):
        suffix = ".pyi" if key.endswith(".pyi") else ".py"
        stem = name.replace(".", "/") + ("/__init__" if name in packages and f"{name}.pyi" in modules else "")
        found.append((name, str(folder / f"{stem}{suffix}"), text))
    return found


def _options(cache: Path | None) -> Options:
    from mypy.options import Options

    options = Options()
    for flag in STRICT:
        setattr(options, flag, True)
    options.implicit_reexport = False
    options.python_executable = None  # no site-packages
    options.namespace_packages = True
    options.output = "json"
    options.sqlite_cache = False  # files replaced one by one: several comparisons may run at once
    options.cache_dir = os.devnull if cache is None else str(cache)
    options.incremental = cache is not None
    return options


def _build(sources: list[tuple[str, str, str]], options: Options) -> list[str]:
    from mypy.build import build
    from mypy.errors import CompileError
    from mypy.modulefinder import BuildSource

    said = io.StringIO()
    named = [BuildSource(path, name, text) for name, path, text in sources]
    try:
        with _no_mypypath(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return list(build(named, options, stdout=said, stderr=said, alt_lib_path=os.devnull).errors)
    except CompileError as exc:
        raise UndecidedError(f"mypy came to no verdict: {'; '.join(exc.messages)}") from exc
    except SystemExit as exc:  # an internal error of mypy's ends so
        raise UndecidedError(f"mypy crashed: {said.getvalue().strip() or repr(exc)}") from exc


@contextlib.contextmanager
def _no_mypypath() -> Iterator[None]:
    saved = os.environ.pop("MYPYPATH", None)
    try:
        yield
    finally:
        if saved is not None:
            os.environ["MYPYPATH"] = saved


def _read(messages: list[str]) -> Iterator[TypeCheckError]:
    for message in messages:
        try:
            data = json.loads(message)
        except ValueError as exc:
            raise UndecidedError(f"mypy said: {message}") from exc
        if data["severity"] != "error":
            continue
        stem = data["file"].partition("modules" + os.sep)[2].rpartition(".")[0]
        name = stem.replace(os.sep, ".").removesuffix(".__init__")
        yield TypeCheckError(name, int(data["line"]), str(data["code"] or "misc"), str(data["message"]))
