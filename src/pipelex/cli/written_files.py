"""Files that a command writes into a folder: all of them or none, and over no existing file without ``--force``."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.exceptions import OutputFileError
from pipelex.spi.files import WriteError, file_set

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from pipelex.spi.files import FileSet

_ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/tiff": ".tif",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "image/bmp": ".bmp",
    "image/svg+xml": ".svg",
}


class StagedFiles:
    """Files on their way into a folder.

    Args:
        folder: Where they end up.
        files: The set in which they are staged.
        overwrite: Whether files of the same names may be replaced.
    """

    def __init__(self, folder: Path, files: FileSet, *, overwrite: bool) -> None:
        self._folder = folder
        self._files = files
        self._overwrite = overwrite
        self._targets: list[Path] = []

    def add(self, name: str) -> Path:
        """Return the path at which to write a file for now.

        Raises:
            OutputFileError: There is a file of this name in the folder, and it may not be replaced.
        """
        target = self._folder / name
        self._refuse_existing(target)
        self._targets.append(target)
        return self._files.stage(target)

    def remove(self, name: str) -> None:
        """Remove a file of the folder when the others are placed."""
        self._files.remove(self._folder / name)

    def place(self) -> list[Path]:
        """Move all files into the folder and return where they are."""
        for target in self._targets:
            self._refuse_existing(target)
        self._files.commit()
        return self._targets

    def _refuse_existing(self, target: Path) -> None:
        if target.is_dir() or (target.exists() and not self._overwrite):
            raise OutputFileError(file=str(target), reason="it exists already. Move it away, or pass --force")


@contextmanager
def staged_files(folder: Path, *, overwrite: bool) -> Iterator[StagedFiles]:
    """Stage files for a folder; leftovers are removed in any case, and those of an interrupted run first.

    Raises:
        OutputFileError: The folder cannot be made or written to.
    """
    try:
        with _signals_raise(), file_set(folder) as files:
            yield StagedFiles(folder, files, overwrite=overwrite)
    except WriteError as exc:
        raise OutputFileError(file=str(exc.file), reason=f"it cannot be written: {exc.reason}") from exc
    except BrokenPipeError:  # not ours: whoever read stdout or stderr has left
        raise
    except OSError as exc:
        reason = f"the folder cannot be written to: {os.strerror(exc.errno) if exc.errno else exc}"
        raise OutputFileError(file=str(folder), reason=reason) from exc


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the program by ``SystemExit``, so that staged files are removed on the way out."""
    import signal
    import threading

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    is_main = threading.current_thread() is threading.main_thread()
    ours = [number for number in numbers if is_main and signal.getsignal(number) is signal.SIG_DFL]  # not under nohup
    for number in ours:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def is_image_name(name: str) -> bool:
    """Tell whether a file's name ends like that of an image."""
    return Path(name).suffix.lower() in {*_ENDINGS.values(), ".jpeg", ".tiff"}


def ending_of(mime_type: str) -> str:
    """Return the file name ending of an image's media type."""
    return _ENDINGS.get(mime_type, ".bin")
