"""Type-checks the modules of targets against the stubs of one API version.

Every third-party package is ``Any``, installed or not, so the verdict is the same on every machine. A published name
that is missing is an error, not ``Any``.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from pipelex.checking.cache import cache_folder
from pipelex.checking.findings import CheckError
from pipelex.exceptions import MissingDependencyError
from pipelex.spi import type_check
from pipelex.spi.type_check import SourceFile, UndecidedError, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target
    from pipelex.spi.type_check import Diagnostic, TypeCheckResult


@cache
def mypy_version() -> str:
    """Return the version of mypy.

    Raises:
        MissingDependencyError: It is not installed.
    """
    version = type_check.mypy_version()
    if version is None:
        msg = "'pipelex plugins check' decides with mypy."
        raise MissingDependencyError("mypy", "check", msg)
    return version


def type_errors(targets: Sequence[Target], spi: SpiTree) -> list[Diagnostic]:
    """Type-check targets whose module names do not clash, all in one run.

    Args:
        targets: The targets.
        spi: The API version to check against.

    Raises:
        MissingDependencyError: mypy is not installed.
        CheckError: mypy reached no verdict.
    """
    label = ", ".join(target.label for target in targets)
    modules = {name: module for target in targets for name, module in {**target.modules, **target.context}.items()}
    files = {name: SourceFile(str(module.path)) for name, module in modules.items()}
    errors = check_types(label, files, world_of(spi)).diagnostics
    stubs = str(spi.folder) + os.sep
    for error in errors:
        if error.file.startswith(stubs):
            reason = f"the stubs of this installation are at fault ({error.file}:{error.line}: {error.message})"
            raise CheckError(target=label, reason=reason, fix="Install pipelex again")
    return errors


def world_of(spi: SpiTree, *, keep_types: bool = False) -> World:
    """Return what exists for a plugin: the stubs of one API version; every other package is ``Any``.

    Args:
        spi: The API version.
        keep_types: Whether the result keeps the type of every expression; it has a cache of its own.
    """
    folder = cache_folder()
    name = f"mypy-{mypy_version()}-api{spi.api_version}-{spi.digest}{'-types' if keep_types else ''}"
    return World(
        stubs=spi.folder,
        cache=folder / name if folder is not None else None,
        others_are_any=True,
        keep_types=keep_types,
    )


def check_types(label: str, files: Mapping[str, SourceFile], world: World) -> TypeCheckResult:
    """Type-check modules.

    Args:
        label: What they belong to.
        files: The modules by dotted name.
        world: What they may import.

    Raises:
        CheckError: mypy reached no verdict.
    """
    try:
        return type_check.type_check(files, world)
    except UndecidedError as exc:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        fix = f"Correct what it names, or try another version of mypy (this is {mypy_version()} on Python {python})"
        raise CheckError(target=label, reason=str(exc), fix=fix) from exc
