"""Run mypy in process on a closed world: the given modules, the stubs beside them, typeshed, and nothing else.

What is installed on the machine is never looked at, so the same input gives the same result everywhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mypy.build import BuildResult
    from mypy.modulefinder import BuildSource
    from mypy.options import Options

PACKAGE = "pipelex"

STRICT_FLAGS = (
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
"""The flags of ``mypy --strict`` that stay on here.

Four of its flags depend on the vendor's SDK, which is ``Any`` here, and stay off: ``disallow_subclassing_any``,
``disallow_untyped_decorators``, ``warn_return_any`` and ``warn_unused_ignores``. An ignore that is needed only where
the SDK is installed must not fail here, nor the other way round.
"""


class UndecidedError(Exception):
    """mypy reached no verdict. That is never read as "no errors"."""


class SourceFile(NamedTuple):
    """One module to check.

    Attributes:
        path: Its file; the ending decides whether it is a stub.
        text: Its text, where mypy is not to read it from the file.
    """

    path: str
    text: str | None = None


class Diagnostic(NamedTuple):
    """One error that mypy reports.

    Attributes:
        module: The dotted name of the module; empty where it is none of the given ones.
        line: The line, counted from 1.
        code: mypy's error code.
        message: The message.
        file: The absolute path of the file.
        column: The column, counted from 1.
        end_column: The column of its end, if on the same line; else 0.
        hint: Notes that mypy adds.
    """

    module: str
    line: int
    code: str
    message: str
    file: str = ""
    column: int = 1
    end_column: int = 0
    hint: str = ""


class World(NamedTuple):
    """The modules that exist beside those that are checked.

    Attributes:
        stubs: The folder with the stubs of ``pipelex``; ``None`` where the given modules are all there is.
        cache: The folder in which mypy keeps its cache; ``None`` for no cache.
        others_are_any: Whether an import that is not found is ``Any``. An import of ``pipelex`` never is.
        keep_types: Whether the syntax trees and the type of every expression are kept in the result.
    """

    stubs: Path | None = None
    cache: Path | None = None
    others_are_any: bool = False
    keep_types: bool = False


class TypeCheckResult(NamedTuple):
    """The result of a run of mypy.

    Attributes:
        diagnostics: The errors, in mypy's order.
        build: mypy's own record.
    """

    diagnostics: list[Diagnostic]
    build: BuildResult


def mypy_version() -> str | None:
    """Return the version of mypy, or ``None`` where it is not installed.

    It is read from mypy's files: importing mypy takes longer than all else of a check whose result is cached.
    """
    import re
    from importlib.util import find_spec
    from pathlib import Path

    try:
        spec = find_spec("mypy")
    except ValueError:  # a module without a __spec__ has taken its name
        spec = None
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).with_name("version.py")
    match = re.search(r'__version__ = "([^"]+)"', file.read_text(encoding="utf-8")) if file.is_file() else None
    return match[1] if match is not None else "unknown"


def type_check(modules: Mapping[str, SourceFile], world: World) -> TypeCheckResult:
    """Type-check modules strictly.

    Args:
        modules: The modules by dotted name.
        world: What they may import beside each other and the standard library.

    Returns:
        What mypy reports.

    Raises:
        UndecidedError: mypy reached no verdict.
        ModuleNotFoundError: mypy is not installed.
    """
    try:
        build = _build(modules, world)
    except _CrashedError as exc:
        if world.cache is None:
            raise UndecidedError(str(exc)) from exc
        # a cache that is damaged, or on a full disk, costs time and never a verdict
        return type_check(modules, world._replace(cache=None))
    names = {os.path.abspath(file.path): name for name, file in modules.items()}
    return TypeCheckResult(list(_diagnostics(build.errors, names)), build)


class _CrashedError(Exception):
    """mypy ended in an exception of its own."""


def _build(modules: Mapping[str, SourceFile], world: World) -> BuildResult:
    import contextlib
    import gc
    import io

    from mypy.build import build
    from mypy.errors import CompileError

    printed = io.StringIO()
    thresholds = gc.get_threshold()  # mypy sets those of a process that ends with it
    try:
        with _without_mypypath(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            # alt_lib_path takes the place of the current directory and of whatever else mypy would search
            stubs = os.devnull if world.stubs is None else str(world.stubs)
            return build(_sources(modules), _options(world), alt_lib_path=stubs, stdout=printed, stderr=printed)
    except CompileError as exc:
        raise UndecidedError("; ".join(_plain(message) for message in exc.messages)) from exc
    except (Exception, SystemExit) as exc:  # an internal error of mypy ends in SystemExit
        raise _CrashedError(f"mypy crashed: {printed.getvalue().strip() or repr(exc)}") from exc
    finally:
        gc.set_threshold(*thresholds)


def _sources(modules: Mapping[str, SourceFile]) -> list[BuildSource]:
    """Name every module to mypy: it searches for none, so no file of this machine can take the place of one."""
    from mypy.modulefinder import BuildSource

    sources = {name: BuildSource(file.path, name, file.text) for name, file in modules.items()}
    for name in modules:
        parts = name.split(".")
        for depth in range(1, len(parts)):
            package = ".".join(parts[:depth])
            if package not in sources and package != PACKAGE:  # a namespace package: its folder has no file
                sources[package] = BuildSource(None, package, "")
    return list(sources.values())


def _options(world: World) -> Options:
    from mypy.options import Options

    options = Options()
    for flag in STRICT_FLAGS:
        setattr(options, flag, True)
    options.implicit_reexport = False
    options.ignore_missing_imports = world.others_are_any
    ours: dict[str, object] = {"ignore_missing_imports": False}
    options.per_module_options = {PACKAGE: ours, f"{PACKAGE}.*": ours}
    options.build_per_module_cache()
    options.python_executable = None  # no site-packages
    options.namespace_packages = True
    options.output = "json"
    options.show_column_numbers = True
    options.show_error_end = True
    options.sqlite_cache = False  # files replaced one by one: several runs may share a cache
    options.cache_dir = os.devnull if world.cache is None else str(world.cache)
    options.incremental = world.cache is not None
    if world.keep_types:
        options.export_types = True
        options.preserve_asts = True
        options.native_parser = False  # its columns are those of ast: bytes
    return options


def _without_mypypath() -> AbstractContextManager[None]:
    """Hide the user's MYPYPATH for a while; mypy reads it wherever it is run from."""
    import contextlib

    @contextlib.contextmanager
    def removed() -> Iterator[None]:
        saved = os.environ.pop("MYPYPATH", None)
        try:
            yield
        finally:
            if saved is not None:
                os.environ["MYPYPATH"] = saved

    return removed()


def _plain(message: str) -> str:
    import json

    try:
        data = json.loads(message)
        return f"{data['file']}:{data['line']}: {data['message']}"
    except (ValueError, KeyError, TypeError):
        return message


def _diagnostics(messages: list[str], names: Mapping[str, str]) -> Iterator[Diagnostic]:
    import json

    for message in messages:
        try:
            data = json.loads(message)
        except ValueError as exc:
            raise UndecidedError(f"mypy printed: {message}") from exc
        if data["severity"] != "error":
            continue
        file = os.path.abspath(data["file"])
        line, end_line = max(int(data["line"]), 1), int(data.get("end_line") or 0)
        yield Diagnostic(
            module=names.get(file, ""),
            line=line,
            code=str(data["code"] or "misc"),
            message=str(data["message"]),
            file=file,
            column=max(int(data["column"]), 0) + 1,
            end_column=max(int(data.get("end_column") or 0), 0) + 1 if end_line == line else 0,
            hint=str(data.get("hint") or ""),
        )
