"""Writing files so that each is whole, whatever interrupts it, and a set of them is written all or none.

A set is staged in a folder beside its targets and synced to the disk. Then a journal is written there, and from then
on the set counts as written: the renames follow, and if they are interrupted, the next run in the same folder resumes
them. What an interrupted run staged without a journal is removed by the next one.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STAGING_PREFIX = ".pipelex-staged-"
_JOURNAL = "journal"
_LOCK = "lock"


class WriteError(Exception):
    """A file or folder cannot be written.

    Args:
        file: The file or folder.
        reason: Why not.
    """

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class FileSet:
    """A set of files on their way to the disk. Made by ``file_set``.

    Args:
        base: The folder in which all targets are, at whatever depth.
        staging: The folder in which they are staged.
    """

    def __init__(self, base: Path, staging: Path) -> None:
        self._base = base
        self._staging = staging
        self._targets: dict[Path, Path] = {}
        self._removed: list[Path] = []

    def stage(self, target: Path) -> Path:
        """Return the path at which to write a file before ``commit``.

        Args:
            target: Where it will be. Of a symbolic link, the file that it points to is replaced.
        """
        staged = self._targets.setdefault(target, self._staging / f"{len(self._targets)}-{target.name}")
        staged.parent.mkdir(exist_ok=True)
        return staged

    def add(self, target: Path, content: bytes) -> None:
        """Add a file.

        Args:
            target: The file.
            content: What it will contain.

        Raises:
            WriteError: It cannot be staged.
        """
        with _named(target):
            self.stage(target).write_bytes(content)

    def add_folder(self, target: Path, files: Mapping[str, bytes]) -> None:
        """Add a whole new folder, which one rename puts in its place.

        Args:
            target: The folder; it must not exist.
            files: The content of each file by its path in the folder.

        Raises:
            WriteError: It cannot be staged.
        """
        staged = self.stage(target)
        for name, content in files.items():
            with _named(target / name):
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                (staged / name).write_bytes(content)

    def remove(self, target: Path) -> None:
        """Remove a file when the set is written, and the folders that this leaves empty.

        Args:
            target: The file.
        """
        self._removed.append(target)

    def commit(self) -> None:
        """Put all files in their places, and remove those that go.

        Raises:
            WriteError: A file cannot be written. None was replaced, unless a rename itself failed.
        """
        made = []
        try:
            for target, staged in self._targets.items():
                with _named(target):
                    made += _missing_parents(target)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if target.is_file():
                        staged.chmod(target.stat().st_mode & 0o7777)
                    _sync_tree(staged)
            with _named(self._base):
                self._write_journal()
        except WriteError:
            for folder in reversed(made):
                _remove_if_empty(folder)
            raise
        try:
            self._rename()
        except (KeyboardInterrupt, SystemExit):  # a half is worth less than the moment that the rest takes
            _resume(self._staging, self._base)
            raise

    def _rename(self) -> None:
        for target, staged in self._targets.items():
            with _named(target):
                _place(staged, target)
        for target in self._removed:
            with _named(target):
                _remove(target, self._base)

    def _write_journal(self) -> None:
        import json

        rows = [[staged.name, self._relative(target)] for target, staged in self._targets.items()]
        rows += [["", self._relative(target)] for target in self._removed]
        part = self._staging / f"{_JOURNAL}.part"
        part.write_text(json.dumps(rows), encoding="utf-8")
        _sync(part)
        part.rename(self._staging / _JOURNAL)
        _sync(self._staging)

    def _relative(self, target: Path) -> str:
        return os.path.relpath(target, self._base)


@contextmanager
def file_set(folder: Path) -> Iterator[FileSet]:
    """Stage a set of files; without ``commit`` none of them is written.

    Interrupted runs in the same folder are resumed or removed first.

    Args:
        folder: The folder in which all targets are, at whatever depth. It is made with the first of them.

    Yields:
        The set.

    Raises:
        WriteError: The folder cannot be written to.
    """
    with _named(folder):
        finish_interrupted(folder)
        base = next(place for place in (folder, *folder.parents) if place.exists())
        staging, lock = _new_staging(base)
    try:
        yield FileSet(base, staging)
    finally:
        _discard(staging, lock)


def write_files(folder: Path, files: Mapping[Path, bytes], *, remove: Iterable[Path] = ()) -> None:
    """Write a set of files: all or none.

    Args:
        folder: The folder in which all of them are, at whatever depth.
        files: The content of each file.
        remove: Files that go.

    Raises:
        WriteError: A file cannot be written. None was replaced, unless a rename itself failed.
    """
    with file_set(folder) as staged:
        for target, content in files.items():
            staged.add(target, content)
        for target in remove:
            staged.remove(target)
        staged.commit()


def replace_file(path: Path, content: bytes) -> None:
    """Replace one file whole. Nothing is synced: what is written so may be lost with the power, as a cache may.

    Args:
        path: The file; its folder must exist.
        content: What it will contain.

    Raises:
        OSError: It cannot be written; nothing is left beside it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def finish_interrupted(folder: Path) -> bool:
    """Resume what an interrupted run had decided to write, and remove what it had only staged.

    Call it before anything is read that decides what is to be written.

    Args:
        folder: The folder that the run wrote in; it may have been about to make it.

    Returns:
        Whether there was anything of the kind.
    """
    was_any = False
    for staging in (found for base in (folder.parent, folder) for found in base.glob(f"{STAGING_PREFIX}*")):
        lock = None if staging.is_symlink() or not staging.is_dir() else lock_file(staging / _LOCK)
        if lock is not None:
            was_any = True
            try:
                _resume(staging, staging.parent)
            finally:
                _discard(staging, lock)
    return was_any


def is_interrupted(folder: Path) -> bool:
    """Return whether a run was interrupted between its renames, so that the files of its set are old and new.

    Args:
        folder: The folder that the run wrote in.
    """
    return any((staging / _JOURNAL).is_file() for staging in folder.glob(f"{STAGING_PREFIX}*"))


def _resume(staging: Path, base: Path) -> None:
    """Finish the renames of a journal. It is data from the disk: nothing outside the folder is touched on its word."""
    import json

    try:
        rows = json.loads((staging / _JOURNAL).read_text(encoding="utf-8"))
        pairs = [(str(name), base / str(target)) for name, target in rows]
    except (OSError, TypeError, ValueError):
        return
    for name, target in pairs:
        staged = staging / name
        if not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(base)):
            continue
        if not name:
            _remove(target, base)
        elif staged.parent == staging and os.path.lexists(staged) and not staged.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            _place(staged, target)


def _place(staged: Path, target: Path) -> None:
    """Rename a staged file over its target, through symbolic links, to another file system if need be."""
    import errno

    final = Path(os.path.realpath(target))
    try:
        staged.replace(final)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        from shutil import copy2

        part = final.with_name(f".{final.name}.part")
        copy2(staged, part)
        _sync(part)
        part.replace(final)
    _sync(final.parent)


def _remove(target: Path, base: Path) -> None:
    target.unlink(missing_ok=True)
    for folder in target.parents:
        if folder == base or not _remove_if_empty(folder):
            return


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _missing_parents(target: Path) -> list[Path]:
    """Return the folders above a file that are not there, the outermost first."""
    return [folder for folder in reversed(target.parents) if not folder.exists()]


def _sync_tree(staged: Path) -> None:
    if staged.is_dir():
        for path in staged.rglob("*"):
            _sync(path)
    _sync(staged)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk; Windows syncs no folders."""
    if path.is_dir() and os.name == "nt":
        return
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _new_staging(base: Path, *, attempts: int = 3) -> tuple[Path, int]:
    """Make a staging folder and lock it; another run may remove it in the moment between the two."""
    from tempfile import mkdtemp

    staging = Path(mkdtemp(prefix=STAGING_PREFIX, dir=base))
    lock = lock_file(staging / _LOCK)
    if lock is None and attempts > 1:
        _discard(staging)
        return _new_staging(base, attempts=attempts - 1)
    if lock is None:  # a file system without locks, where no run can sweep either
        lock = os.open(os.devnull, os.O_RDONLY)
    return staging, lock


def lock_file(path: Path) -> int | None:
    """Make a file and lock it; the operating system releases the lock however the process ends.

    Args:
        path: The file. It holds nothing.

    Returns:
        The descriptor of the open file; ``None`` where another process holds it, or its folder is gone or not ours.
    """
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        return None
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number


def _discard(staging: Path, lock: int | None = None) -> None:
    from shutil import rmtree

    rmtree(staging, ignore_errors=True)
    if lock is not None:
        os.close(lock)
        rmtree(staging, ignore_errors=True)  # Windows keeps a file that is open


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Name the file in an error of the operating system, which names none when a disk is full."""
    try:
        yield
    except BrokenPipeError:  # of stdout or stderr
        raise
    except OSError as exc:
        raise WriteError(file, os.strerror(exc.errno) if exc.errno else str(exc)) from exc
