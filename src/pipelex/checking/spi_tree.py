"""What is published, read as text from the stub tree of an API version and from the lock."""

from __future__ import annotations

import ast
import functools
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pipelex.checking import cache
from pipelex.checking.findings import CheckError
from pipelex.spi.lock import SpiLock, read_spi_lock

SPI_FOLDER = Path(__file__).resolve().parents[1] / "spi"
PACKAGE = "pipelex"


class Parameter(NamedTuple):
    """One parameter of a call shape, all of which are keywords without a default."""

    name: str
    annotation: str


class CallShape(NamedTuple):
    """The signature that a contributed callable has to have.

    Attributes:
        protocol: The published Protocol that states it.
        parameters: Its keywords.
        returns: Its return annotation.
        is_async: Whether it is an ``async def``.
    """

    protocol: str
    parameters: tuple[Parameter, ...]
    returns: str
    is_async: bool


class SpiTree:
    """The published names of one API version.

    Args:
        api_version: The version.
        folder: Its stub tree: a folder with ``pipelex/`` in it.
    """

    def __init__(self, api_version: int, folder: Path) -> None:
        self.api_version = api_version
        self.folder = folder

    @cached_property
    def stubs(self) -> dict[str, Path]:
        """The stub files by module, packages that publish nothing left out."""
        found = {}
        for path in sorted(self.folder.rglob("*.pyi")):
            if path.name != "__init__.pyi":
                found[".".join(path.relative_to(self.folder).with_suffix("").parts)] = path
        return found

    @cached_property
    def published(self) -> dict[str, frozenset[str]]:
        """The published names by module; kept in the store, since parsing all stubs takes as long as the rules."""
        key = f"published-{self.digest}"
        stored = cache.read_verdict(key)
        if stored is None:
            stored = {"names": {module: _exported(self._tree(module)) for module in self.stubs}}
            cache.write_verdict(key, stored, read={})
        return {str(module): frozenset(names) for module, names in stored["names"].items()}

    @cached_property
    def packages(self) -> frozenset[str]:
        """The packages above the SPI modules."""
        return frozenset(
            ".".join(parts[:depth])
            for parts in (module.split(".") for module in self.stubs)
            for depth in range(1, len(parts))
        )

    @cached_property
    def home(self) -> dict[str, str]:
        """The module of each published name: its only canonical one."""
        return {name: module for module, names in self.published.items() for name in names}

    @cached_property
    def menu_methods(self) -> frozenset[str]:
        """The methods that ``register`` may call on its parameter."""
        registrar = self._class("PluginRegistrar")
        return frozenset(
            child.name
            for child in registrar.body
            if isinstance(child, ast.FunctionDef) and not child.decorator_list and not child.name.startswith("_")
        )

    def call_shape(self, protocol: str) -> CallShape:
        """Return the signature of a published Protocol's ``__call__``.

        Args:
            protocol: Its name.
        """
        methods = (
            child for child in self._class(protocol).body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        call = next(child for child in methods if child.name == "__call__")
        parameters = tuple(
            Parameter(argument.arg, ast.unparse(argument.annotation) if argument.annotation else "")
            for argument in call.args.kwonlyargs
        )
        returns = ast.unparse(call.returns) if call.returns else ""
        return CallShape(protocol, parameters, returns, isinstance(call, ast.AsyncFunctionDef))

    @cached_property
    def families(self) -> dict[str, str]:
        """The class of the family's workers by the member of ``InferenceFamily``."""
        return {name: worker.rpartition(":")[2] for name, (_, worker) in lock().families.items()}

    @cached_property
    def digest(self) -> str:
        """A digest of the whole tree: the same on every machine."""
        return cache.digest(text for module, path in self.stubs.items() for text in (module, cache.digest_of(path)))

    def _class(self, name: str) -> ast.ClassDef:
        tree = self._tree(self.home[name])
        return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)

    def _tree(self, module: str) -> ast.Module:
        return _parsed(self.stubs[module])


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
            return [str(name) for name in names]
    return []


def shipped_versions() -> list[int]:
    """Return the API versions whose stubs this package carries."""
    names = (path.name for path in SPI_FOLDER.glob("v*") if (path / PACKAGE / "__init__.pyi").is_file())
    return sorted(int(name[1:]) for name in names if re.fullmatch(r"v[0-9]+", name))


@functools.cache
def spi_tree(api_version: int | None = None) -> SpiTree:
    """Return the published names of an API version.

    Args:
        api_version: The version; the newest if not given.

    Raises:
        CheckError: No stubs of this version are shipped.
    """
    versions = shipped_versions()
    wanted = api_version if api_version is not None else max(versions, default=0)
    if wanted not in versions:
        shipped = ", ".join(str(version) for version in versions) or "none"
        raise CheckError(
            target=f"--api {wanted}",
            reason=f"no stubs of plugin API version {wanted} are shipped (there are: {shipped})",
            fix="Name a version that is shipped, or install another version of pipelex",
        )
    return SpiTree(wanted, SPI_FOLDER / f"v{wanted}")


def lock() -> SpiLock:
    """Return what ``spi.lock`` says.

    Raises:
        CheckError: It cannot be read.
    """
    try:
        return read_spi_lock()
    except (OSError, ValueError, KeyError) as exc:
        fix = "Install pipelex again; in a clone, run: python -m codegen"
        raise CheckError(target="spi.lock", reason=f"it cannot be read ({exc!r})", fix=fix) from exc
