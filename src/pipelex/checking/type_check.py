"""mypy on the closed world: the modules of a target, the stubs of one API version, typeshed, and nothing else.

What is not in that world is ``Any``: every third-party package, installed or not. So the verdict is the same on
every machine. What is published is not replaced by ``Any`` when it is missing: that is an error.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from pipelex.checking.cache import cache_folder
from pipelex.checking.findings import CheckError
from pipelex.exceptions import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from mypy.build import BuildResult
    from mypy.modulefinder import BuildSource
    from mypy.options import Options

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target

STRICT_FLAGS = (
    "disallow_any_generics",
    "disallow_untyped_calls",
    "disallow_untyped_defs",
    "disallow_incomplete_defs",
    "check_untyped_defs",
    "warn_redundant_casts",
    "strict_equality",
    "extra_checks",
)
"""What ``mypy --strict`` switches on and stays on here.

Four of its flags depend on the vendor's SDK, which is ``Any`` here, and stay off: ``disallow_subclassing_any``,
``disallow_untyped_decorators``, ``warn_return_any`` and ``warn_unused_ignores``. An ignore that is needed only where
the SDK is installed must not fail here, nor the other way round.
"""


class MypyError(NamedTuple):
    """One error of mypy's.

    Attributes:
        file: The file.
        line: The line, from 1.
        column: The column, from 1.
        end_column: Where it ends, if on the same line; else 0.
        code: mypy's error code.
        message: What it says.
        hint: What it adds in notes.
    """

    file: str
    line: int
    column: int
    end_column: int
    code: str
    message: str
    hint: str


@cache
def mypy_version() -> str:
    """Return the version of mypy, which is not imported for it: that takes longer than all else of a warm check.

    Raises:
        MissingDependencyError: It is not installed.
    """
    from importlib.util import find_spec
    from pathlib import Path

    try:
        spec = find_spec("mypy")
    except ValueError:  # something without a __spec__ stands in its place
        spec = None
    if spec is None or spec.origin is None:
        msg = "'pipelex plugins check' decides with mypy."
        raise MissingDependencyError("mypy", "check", msg)
    file = Path(spec.origin).with_name("version.py")
    match = re.search(r'__version__ = "([^"]+)"', file.read_text(encoding="utf-8")) if file.is_file() else None
    return match[1] if match is not None else "unknown"


def type_errors(targets: Sequence[Target], spi: SpiTree) -> list[MypyError]:
    """Type-check targets whose module names do not clash, all in one run.

    Args:
        targets: The targets.
        spi: The API version to check against.

    Raises:
        MissingDependencyError: mypy is not installed.
        CheckError: mypy could not come to a verdict.
    """
    mypy_version()
    label = ", ".join(target.label for target in targets)
    modules = {name: module for target in targets for name, module in {**target.modules, **target.context}.items()}
    files = {name: (str(module.path), None) for name, module in modules.items()}
    errors = list(_read(label, run_mypy(label, files, options_for(spi), spi.folder).errors))
    stubs = str(spi.folder) + os.sep
    for error in errors:
        if error.file.startswith(stubs):
            reason = f"the stubs of this installation are at fault ({error.file}:{error.line}: {error.message})"
            raise CheckError(target=label, reason=reason, fix="Install pipelex again")
    return errors


def _sources(files: Mapping[str, tuple[str, str | None]]) -> list[BuildSource]:
    """Name every module to mypy: it looks none up, so nothing on this machine can stand in for one."""
    from mypy.modulefinder import BuildSource

    sources = {name: BuildSource(path, name, text) for name, (path, text) in files.items()}
    for name in files:
        parts = name.split(".")
        for depth in range(1, len(parts)):
            package = ".".join(parts[:depth])
            if package not in sources and package != "pipelex":  # a namespace package: its folder has no file
                sources[package] = BuildSource(None, package, "")
    return list(sources.values())


def options_for(spi: SpiTree, *, use: str = "") -> Options:
    """Return the options of the closed world.

    Args:
        spi: The stubs that are all there is of pipelex.
        use: What is done with the result, where that takes other options, and so a cache of its own.
    """
    from mypy.options import Options

    options = Options()
    for flag in STRICT_FLAGS:
        setattr(options, flag, True)
    options.implicit_reexport = False
    options.ignore_missing_imports = True
    ours: dict[str, object] = {"ignore_missing_imports": False}
    options.per_module_options = {"pipelex": ours, "pipelex.*": ours}
    options.build_per_module_cache()
    options.python_executable = None  # no site-packages
    options.namespace_packages = True
    options.output = "json"
    options.show_column_numbers = True
    options.show_error_end = True
    options.sqlite_cache = False  # files replaced one by one: several checks may run at once
    folder = cache_folder()
    options.cache_dir = os.devnull
    if folder is not None:
        options.cache_dir = str(folder / f"mypy-{mypy_version()}-api{spi.api_version}-{spi.digest}{use}")
    return options


def run_mypy(label: str, files: Mapping[str, tuple[str, str | None]], options: Options, stubs: Path) -> BuildResult:
    """Type-check modules.

    Args:
        label: What they are of.
        files: The path of each module, and its text where that is not to be read from there.
        options: The options.
        stubs: The stubs that they see.

    Raises:
        CheckError: mypy could not come to a verdict.
    """
    import contextlib
    import io

    from mypy.build import build
    from mypy.errors import CompileError

    said = io.StringIO()
    try:
        with _without_mypypath(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            # alt_lib_path takes the place of the current directory and of whatever else mypy would look through
            return build(_sources(files), options, alt_lib_path=str(stubs), stdout=said, stderr=said)
    except CompileError as exc:
        raise _no_verdict(label, "; ".join(_plain(message) for message in exc.messages)) from exc
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # an internal error of mypy's ends in SystemExit
        raise _no_verdict(label, f"mypy crashed: {said.getvalue().strip() or repr(exc)}") from exc


def _without_mypypath() -> AbstractContextManager[None]:
    """Keep the user's MYPYPATH out for a while; mypy reads it wherever it is run from."""
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


def _no_verdict(label: str, reason: str) -> CheckError:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    fix = f"Correct what it says, or try another version of mypy (this is {mypy_version()} on Python {version})"
    return CheckError(target=label, reason=reason, fix=fix)


def _plain(message: str) -> str:
    import json

    try:
        data = json.loads(message)
        return f"{data['file']}:{data['line']}: {data['message']}"
    except (ValueError, KeyError, TypeError):
        return message


def _read(label: str, messages: Iterable[str]) -> Iterator[MypyError]:
    import json

    for message in messages:
        try:
            data = json.loads(message)
        except ValueError as exc:
            raise _no_verdict(label, f"mypy said: {message}") from exc
        if data["severity"] != "error":
            continue
        line, end_line = max(int(data["line"]), 1), int(data.get("end_line") or 0)
        yield MypyError(
            file=os.path.abspath(data["file"]),
            line=line,
            column=max(int(data["column"]), 0) + 1,
            end_column=max(int(data.get("end_column") or 0), 0) + 1 if end_line == line else 0,
            code=str(data["code"] or "misc"),
            message=str(data["message"]),
            hint=str(data.get("hint") or ""),
        )
