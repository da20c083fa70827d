"""Where configuration files are: the project's folder before the user's."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = ".pipelex"
FILE_NAMES = ("pipelex.toml", "models.toml")
DEFAULTS = Path(__file__).parent / "defaults"
HOME_VARIABLE = "PIPELEX_HOME"
"""The environment variable that names another folder in place of ``~/.pipelex``."""
TRUST_VARIABLE = "PIPELEX_TRUST"
"""The environment variable that names project folders to trust, by absolute paths, separated as in ``PATH``."""
_REPOSITORY_MARKS = (".git", ".hg", ".jj")


class ConfigFolder(NamedTuple):
    """A folder with configuration files.

    Attributes:
        path: The folder.
        is_trusted: Whether it is trusted whatever its files hold: it is the user's own, or was named by the program
            or by ``PIPELEX_TRUST``.
    """

    path: Path
    is_trusted: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """The configuration files in it that exist; none where it cannot be looked into."""
        return tuple(file for name in FILE_NAMES if os.path.isfile(file := self.path / name))


class SkippedFolder(NamedTuple):
    """A ``.pipelex`` folder that is not read: another user can change it, or it cannot be looked into.

    Attributes:
        path: The folder.
        reason: What is wrong with it.
        fix: How to have it read all the same.
    """

    path: Path
    reason: str
    fix: str


def config_folders(start: Path | None = None) -> list[ConfigFolder]:
    """Return the folders whose files configure a run, strongest first.

    Args:
        start: Where the search for the project's ``.pipelex`` begins; the one in this very folder is trusted. The
            current directory if not given, which trusts nothing.

    Returns:
        The project's folder, then the user's; whichever of them hold files.
    """
    for skipped in skipped_folders(start):
        _warn(f"The configuration in {skipped.path} is left out: {skipped.reason}. {skipped.fix}")
    found = next((found for found in _project_candidates(start) if isinstance(found, ConfigFolder)), None)
    return [*([found] if found is not None else []), *user_config_folders()]


def project_folder(start: Path | None = None) -> ConfigFolder | None:
    """Return the nearest folder of a project, even one that is not read."""
    found = next(_project_candidates(start), None)
    return ConfigFolder(found.path, is_trusted=False) if isinstance(found, SkippedFolder) else found


def user_config_folders() -> list[ConfigFolder]:
    """Return the user's own folder, if it holds files."""
    own = user_folder()
    folder = ConfigFolder(own, is_trusted=True) if own is not None else None
    return [folder] if folder is not None and folder.files else []


def skipped_folders(start: Path | None = None) -> list[SkippedFolder]:
    """Return the folders that are not read: those that the search for the project's passes over, and the user's."""
    skipped: list[SkippedFolder] = []
    for candidate in _project_candidates(start):
        if not isinstance(candidate, SkippedFolder):
            break
        skipped.append(candidate)
    own = user_folder()
    reason = _closed_reason(own) if own is not None else None
    if own is not None and reason is not None:
        skipped.append(SkippedFolder(own, reason, f"Set HOME, or name a folder of yours in {HOME_VARIABLE}"))
    return skipped


def config_files(start: Path | None = None, name: str = "pipelex.toml") -> list[Path]:
    """Return the configuration files of a name that exist, strongest first; ``start`` as for ``config_folders``."""
    return [path for folder in config_folders(start) for path in folder.files if path.name == name]


def user_folder() -> Path | None:
    """Return the user's own configuration folder, whether it exists or not; ``None`` where there is no home."""
    folder = os.path.expanduser(os.environ.get(HOME_VARIABLE) or f"~/{FOLDER}")
    return None if folder.startswith("~") else Path(folder)  # no HOME, and no entry in the user database


def resolved(path: Path) -> Path:
    """Return a path without ``~`` and symbolic links, as far as that is known: it need not exist or be readable."""
    return Path(os.path.realpath(os.path.expanduser(path)))


def unsafe_reason(folder: ConfigFolder) -> str | None:
    """Return why a folder is not read at all; ``None`` where it is.

    Another user owns or can change it (known on POSIX systems alone), or it cannot be opened.
    """
    for path in (folder.path, *folder.files) if os.name == "posix" else ():
        status = path.stat()
        for owner in (status.st_uid, path.lstat().st_uid):  # of a symbolic link: whoever made it can change it
            if owner != os.geteuid():
                return f"{path} belongs to another user (uid {owner})"
        if status.st_mode & stat.S_IWOTH:
            return f"{path} can be written by every user"
    return _closed_reason(folder.path)


def _closed_reason(folder: Path) -> str | None:
    try:
        (folder / FILE_NAMES[0]).stat()
    except PermissionError as exc:
        return f"{folder} cannot be opened ({exc.strerror})"
    except OSError:
        return None
    return None


def _project_candidates(start: Path | None) -> Iterator[ConfigFolder | SkippedFolder]:
    """Yield each ``.pipelex`` with files at or above a directory, up to the repository's root or the home folder."""
    try:
        here = resolved(start or Path.cwd())
    except FileNotFoundError:  # the working directory was removed: there is no project then
        return
    home = resolved(Path("~"))
    own = {resolved(folder) for folder in (user_folder(), home / FOLDER) if folder is not None}
    for directory in (here, *here.parents):
        path = directory / FOLDER
        if os.path.isdir(path) and resolved(path) not in own:
            named = (start is not None and directory == here) or _is_named_by_variable(path)
            folder, closed = ConfigFolder(path, is_trusted=named), _closed_reason(path)
            reason = closed if named or not folder.files else unsafe_reason(folder)
            if reason is not None:
                fix = f"Take it over, or name its project in {TRUST_VARIABLE}: {directory}"
                yield SkippedFolder(path, reason, fix)
            elif folder.files:
                yield folder
        if directory == home or any(os.path.exists(directory / mark) for mark in _REPOSITORY_MARKS):
            return


def _is_named_by_variable(folder: Path) -> bool:
    """Return whether ``PIPELEX_TRUST`` names a ``.pipelex`` folder, or the project that it is in."""
    texts = (os.path.expanduser(text.strip()) for text in os.environ.get(TRUST_VARIABLE, "").split(os.pathsep))
    named = {resolved(Path(text)) for text in texts if os.path.isabs(text)}  # a relative path would trust every folder
    return not named.isdisjoint({resolved(folder), resolved(folder.parent)})


@cache
def _warn(message: str) -> None:
    """Log a warning, once a process; a path may hold control characters."""
    import logging

    from pipelex.terminal import escaped

    logging.getLogger("pipelex.config").warning(escaped(message))
