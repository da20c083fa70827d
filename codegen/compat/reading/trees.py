"""Stub trees as text, and where each comes from: a version, a folder, or the working tree rendered in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.compat.reading.facts import facts_of_lock
from codegen.errors import CodegenError, Problem
from codegen.frozen import LOCK
from codegen.project import SPEC_FILE
from pipelex.spi.stub_tree import PACKAGE, StubError, read_stub_tree, stub_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.compat.reading.facts import Facts
    from codegen.project import Project
    from pipelex.spi.stub_tree import TreeShape

STUBS = "src/pipelex/spi"


@dataclass(frozen=True)
class StubTree:
    """The stubs of one API version.

    Attributes:
        label: What it is called in reports: ``"version 1"``, a folder, ``"the working tree"``.
        files: The text of each stub by its path (``"pipelex/plugins/contract.pyi"``).
        facts: What of the contract no stub shows; nothing where a tree comes without a lock.
    """

    label: str
    files: Mapping[str, str]
    facts: Facts = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of its content."""
        lines = (f"{path}\0{self.files[path]}\0" for path in sorted(self.files))
        return sha256("".join(lines).encode("utf-8")).hexdigest()[:16]


def read_tree(folder: Path, label: str) -> StubTree:
    """Read a stub tree.

    Args:
        folder: The folder that holds the folder ``pipelex``, or is it.
        label: What it is called in reports.

    Raises:
        CodegenError: There is none, or it cannot be read.
    """
    root = folder.parent if folder.name == PACKAGE and (folder / "__init__.pyi").is_file() else folder
    try:
        files = stub_files(root)
    except (OSError, UnicodeDecodeError) as exc:
        raise CodegenError(Problem(str(folder), 0, "", f"cannot be read: {exc}")) from exc
    if not files:
        text = f"no stub tree; expected a folder '{PACKAGE}' with .pyi files in it"
        raise CodegenError(Problem(str(folder), 0, "", text))
    return StubTree(label, files, _locked_facts(root))


def _locked_facts(root: Path) -> Facts:
    """Read the facts from the lock of a tree: it is in the tree's folder, or, of the current version, beside it."""
    import tomli

    for lock in (root / LOCK, root.parent / LOCK):
        if lock.is_file():
            return facts_of_lock(tomli.loads(lock.read_text(encoding="utf-8")))
    return {}


def read_shapes(tree: StubTree) -> TreeShape:
    """Read what a stub tree states.

    Args:
        tree: The tree.

    Raises:
        CodegenError: A stub is not valid Python, or mentions a name that it neither defines nor imports.
    """
    try:
        return read_stub_tree(tree.files, tree.label)
    except StubError as exc:
        raise CodegenError(Problem(exc.path, exc.line, tree.label, exc.problem)) from exc


def api_version(project: Project) -> int:
    """Return the API version that ``spi.toml`` states, with the plainest reader: the spec may be mid-change.

    Args:
        project: The project.

    Raises:
        CodegenError: It states none.
    """
    version = project.read_toml(SPEC_FILE).data.get("api_version")
    if not isinstance(version, int):
        raise CodegenError(Problem(SPEC_FILE, 0, "api_version", "expected the API version, as a number"))
    return version


def baseline_folder(project: Project) -> Path:
    """Return the folder of the last frozen stub tree: what a change is compared with by default.

    Until the current version is frozen, that is the tree of it as it was last generated.

    Args:
        project: The project.
    """
    version = api_version(project)
    frozen = project.root / STUBS / "frozen" / f"v{version}"
    return frozen if frozen.is_dir() else project.root / STUBS / f"v{version}"


def baseline(project: Project) -> StubTree:
    """Return the last frozen stub tree.

    Args:
        project: The project.

    Raises:
        CodegenError: There is none.
    """
    folder = baseline_folder(project)
    number = folder.name.removeprefix("v")
    kind = "frozen" if folder.parent.name == "frozen" else "as last generated"
    return read_tree(folder, f"version {number}, {kind}")


def working_tree(project: Project) -> StubTree:
    """Return the stub tree that the generator makes of ``src/`` as it is, written or not.

    Args:
        project: The project.

    Raises:
        CodegenError: The generator cannot make it.
    """
    import os

    from codegen import freshness

    version = api_version(project)
    label = f"the working tree (version {version})"
    if not os.environ.get("CI") and freshness.is_fresh(str(project.root)):
        return read_tree(project.root / STUBS / f"v{version}", label)
    from codegen.compat.reading.facts import facts_of
    from codegen.emit import stubs
    from codegen.inputs import read_inputs

    contract = read_inputs(project).contract
    return StubTree(label, stubs.emit(contract), facts_of(contract))


def resolve(project: Project, argument: str) -> StubTree:
    """Return the stub tree that an argument of the command line means.

    Args:
        project: The project.
        argument: The number of a version, or a folder.

    Raises:
        CodegenError: There is no such tree.
    """
    number = argument.removeprefix("v")
    if not number.isdecimal():
        return read_tree(Path(argument), argument)
    for folder in (project.root / STUBS / "frozen" / f"v{number}", project.root / STUBS / f"v{number}"):
        if folder.is_dir():
            return read_tree(folder, f"version {number}")
    text = f"no stubs of version {number}; expected a version under {STUBS}, or a folder"
    raise CodegenError(Problem(STUBS, 0, argument, text))
