"""Files that a command writes: whole or not at all, and over nobody else's."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.exceptions import OutputFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDINGS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif", "image/tiff": ".tif"}


class StagedFiles:
    """Files on their way into a folder: they are put in place together, when all of them are whole.

    Args:
        folder: Where they end up.
        staging: Where they lie until then.
        overwrite: Whether files of the same names may be replaced.
    """

    def __init__(self, folder: Path, staging: Path, *, overwrite: bool) -> None:
        self._folder = folder
        self._staging = staging
        self._overwrite = overwrite
        self._names: list[str] = []

    def add(self, name: str) -> Path:
        """Return the path at which to write a file for now.

        Raises:
            OutputFileError: There is a file of this name in the folder, and it may not be replaced.
        """
        self._refuse_existing(name)
        self._names.append(name)
        return self._staging / name

    def place(self) -> list[Path]:
        """Move all files into the folder and return where they are."""
        for name in self._names:
            self._refuse_existing(name)
        return [(self._staging / name).replace(self._folder / name) for name in self._names]

    def _refuse_existing(self, name: str) -> None:
        target = self._folder / name
        if target.is_dir() or (target.exists() and not self._overwrite):
            raise OutputFileError(file=str(target), reason="it exists already. Move it away, or pass --force")


@contextmanager
def staged_files(folder: Path, *, overwrite: bool) -> Iterator[StagedFiles]:
    """Make a folder, where it is missing, and stage files beside what is in it; leftovers are removed in any case.

    Raises:
        OutputFileError: The folder cannot be made or written to.
    """
    from shutil import rmtree
    from tempfile import mkdtemp

    staging: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(mkdtemp(prefix=".pipelex-", dir=folder))
        yield StagedFiles(folder, staging, overwrite=overwrite)
    except BrokenPipeError:  # not ours: whoever read stdout or stderr has left
        raise
    except OSError as exc:
        reason = f"the folder cannot be written to: {os.strerror(exc.errno) if exc.errno else exc}"
        raise OutputFileError(file=str(folder), reason=reason) from exc
    finally:
        if staging is not None:
            rmtree(staging, ignore_errors=True)


def is_image_name(name: str) -> bool:
    """Tell whether a file's name ends like that of an image."""
    return Path(name).suffix.lower() in {*_ENDINGS.values(), ".jpeg", ".tiff"}


def ending_of(mime_type: str) -> str:
    """Return the file name ending of an image's media type."""
    return _ENDINGS.get(mime_type, ".bin")
