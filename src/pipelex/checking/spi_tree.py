"""The published contract: the stub tree of an API version, read as text, and the lock."""

from __future__ import annotations

import ast
import functools
import re
from functools import cached_property
from pathlib import Path

from pipelex.checking import cache
from pipelex.checking.findings import CheckError
from pipelex.spi.lock import SpiLock, read_spi_lock
from pipelex.spi.stub_tree import (
    Attribute,
    ClassKind,
    ClassShape,
    Method,
    StubError,
    TreeShape,
    module_of,
    read_stub_tree,
    stub_files,
)

SPI_FOLDER = Path(__file__).resolve().parents[1] / "spi"
PACKAGE = "pipelex"


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
    def files(self) -> dict[str, str]:
        """The text of each stub, by its path below the folder.

        Raises:
            CheckError: A stub cannot be read.
        """
        try:
            return stub_files(self.folder)
        except (OSError, UnicodeDecodeError) as exc:
            raise _damaged(str(self.folder), str(exc)) from exc

    @cached_property
    def tree(self) -> TreeShape:
        """The stubs as records; they are parsed when a rule first asks.

        Raises:
            CheckError: A stub cannot be read.
        """
        try:
            return read_stub_tree(self.files, f"version {self.api_version}")
        except StubError as exc:
            raise _damaged(f"{self.folder / exc.path}:{exc.line}", exc.problem) from exc

    @cached_property
    def published(self) -> dict[str, frozenset[str]]:
        """The published names by module; packages, which publish nothing, are left out."""
        return {
            name: module.published or frozenset()
            for name, module in self.tree.modules.items()
            if name not in self.packages
        }

    @cached_property
    def packages(self) -> frozenset[str]:
        """The packages above the SPI modules."""
        return frozenset(module_of(path) for path in self.files if path.endswith("/__init__.pyi"))

    @cached_property
    def home(self) -> dict[str, str]:
        """The module of each published name: its only canonical one."""
        return {name: module for module, names in self.published.items() for name in names}

    @cached_property
    def menu_methods(self) -> frozenset[str]:
        """The methods that ``register`` may call on its parameter."""
        registrar = self.tree.shapes[f"{self.home['PluginRegistrar']}:PluginRegistrar"]
        members = registrar.members if isinstance(registrar, ClassShape) else {}
        return frozenset(
            name for name, member in members.items() if isinstance(member, Method) and not name.startswith("_")
        )

    def call_shape(self, protocol: str) -> dict[str, str]:
        """Return the keywords of a published call shape, each with its annotation; none has a default.

        Args:
            protocol: The Protocol that states it.
        """
        signature = self.tree.signature(f"{self.home[protocol]}:{protocol}")
        params = signature.params if signature is not None else ()
        return {param.name: ast.unparse(param.type.node) for param in params if param.type is not None}

    def enum_members(self, name: str) -> tuple[str, ...]:
        """Return the members of a published enum; none where the name is no published enum's.

        Args:
            name: The name of the enum.
        """
        shape = self.tree.shapes.get(f"{self.home.get(name)}:{name}")
        if not isinstance(shape, ClassShape) or shape.kind is not ClassKind.ENUM:
            return ()
        return tuple(name for name, member in shape.members.items() if isinstance(member, Attribute))

    @cached_property
    def families(self) -> dict[str, str]:
        """The class of the family's workers by the member of ``InferenceFamily``."""
        return {name: worker.rpartition(":")[2] for name, (_, worker) in lock().families.items()}

    @cached_property
    def digest(self) -> str:
        """A digest of the whole tree: the same on every machine."""
        return cache.digest(text for item in sorted(self.files.items()) for text in item)


def _damaged(stub: str, problem: str) -> CheckError:
    return CheckError(
        target=stub, reason=f"this stub of the installation is damaged ({problem})", fix="Install pipelex again"
    )


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
    """Return what ``spi.lock`` states.

    Raises:
        CheckError: It cannot be read.
    """
    try:
        return read_spi_lock()
    except (OSError, ValueError, KeyError) as exc:
        fix = "Install pipelex again; in a clone, run: python -m codegen"
        raise CheckError(target="spi.lock", reason=f"it cannot be read ({exc!r})", fix=fix) from exc
