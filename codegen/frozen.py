"""Frozen versions: the stubs and the lock of a version as they were, held to a digest, never rendered again.

Of the current version that is ``src/pipelex/spi/frozen/vN``: what a change is compared with. Of the versions before it
that is ``src/pipelex/spi/vN``, which the package carries.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from codegen.digest import meaning
from codegen.errors import FrozenError, Problem
from codegen.project import SPEC_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.project import Project
    from codegen.spec import Spec, Version

SPI = "src/pipelex/spi"
LOCK = "spi.lock"


def folder_of(number: int, spec: Spec) -> str:
    """Return the folder of a frozen version.

    Args:
        number: The version.
        spec: The spec, which knows the current one.
    """
    return f"{SPI}/frozen/v{number}" if number == spec.api_version else f"{SPI}/v{number}"


def digest_of(files: Mapping[str, str]) -> str:
    """Return the digest of a frozen version: every byte of it counts, the names of its files too.

    Args:
        files: Its texts, by their paths in its folder.
    """
    whole = sha256()
    for path in sorted(files):
        whole.update(f"{path}\0{files[path]}\0".encode())
    return whole.hexdigest()[:16]


def standing(spec: Spec) -> list[Version]:
    """Return the frozen versions on the disk: the last revision of each."""
    return list({row.number: row for row in spec.version}.values())


def read_frozen(project: Project, folder: str) -> dict[str, str]:
    """Read a frozen version.

    Args:
        project: The project.
        folder: Its folder.

    Returns:
        Its texts, by their paths in the folder.

    Raises:
        CodegenError: A file cannot be read.
    """
    root = project.root / folder
    paths = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        name: project.read(f"{folder}/{name}") for name in sorted(path.relative_to(root).as_posix() for path in paths)
    }


def check_frozen(project: Project, spec: Spec) -> list[str]:
    """Hold every frozen version to its digest.

    Args:
        project: The project.
        spec: What was frozen, and the digests.

    Returns:
        The folders that were looked at.

    Raises:
        FrozenError: One was edited.
    """
    problems = []
    for row in standing(spec):
        folder = folder_of(row.number, spec)
        if digest_of(read_frozen(project, folder)) != row.digest:
            problems.append(Problem(folder, 0, f"version {row.number}.{row.revision}", _edited(folder, row)))
    if problems:
        raise FrozenError(*problems)
    return [folder_of(row.number, spec) for row in standing(spec)]


def outdated(project: Project, spec: Spec, texts: Mapping[str, str]) -> list[str]:
    """Return the frozen stubs that document the current version otherwise than its stubs do today.

    What a released version said stays as it was. Of a stub that states something else, too, ``diff`` and ``bump`` judge
    the change.

    Args:
        project: The project.
        spec: What was frozen.
        texts: The generated files, by path.
    """
    folder = folder_of(spec.api_version, spec)
    found: list[str] = []
    if not any(row.number == spec.api_version and not row.released for row in standing(spec)):
        return found
    for name, text in read_frozen(project, folder).items():
        path = f"{SPI}/v{spec.api_version}/{name}"
        today = texts.get(path, text)
        if today != text and meaning(path, today) == meaning(path, text):
            found.append(f"{folder}/{name}")
    return found


def _edited(folder: str, row: Version) -> str:
    text = (
        f"is frozen and is not what was frozen (digest {row.digest} in {SPEC_FILE}). Restore it: git checkout {folder}"
    )
    return text if row.released else f"{text}. It is not released: 'python -m codegen freeze' freezes it anew"
