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
        """The configuration files in it that exist."""
        return tuple(file for name in FILE_NAMES if (file := self.path / name).is_file())


class SkippedFolder(NamedTuple):
    """A ``.pipelex`` folder that is not read, for somebody else can change it.

    Attributes:
        path: The folder.
        reason: What is wrong with it.
    """

    path: Path
    reason: str

    @property
    def fix(self) -> str:
        """How to have it read all the same."""
        return f"Take it over, or name its project in {TRUST_VARIABLE}: {self.path.parent}"


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
    """Return the nearest folder of a project, even one that is not read because somebody else can change it."""
    found = next(_project_candidates(start), None)
    return ConfigFolder(found.path, is_trusted=False) if isinstance(found, SkippedFolder) else found


def user_config_folders() -> list[ConfigFolder]:
    """Return the user's own folder, if it holds files."""
    own = user_folder()
    folder = ConfigFolder(own, is_trusted=True) if own is not None else None
    return [folder] if folder is not None and folder.files else []


def skipped_folders(start: Path | None = None) -> list[SkippedFolder]:
    """Return the folders that the search for the project's passes over, for somebody else can change them."""
    skipped: list[SkippedFolder] = []
    for candidate in _project_candidates(start):
        if not isinstance(candidate, SkippedFolder):
            break
        skipped.append(candidate)
    return skipped


def config_files(start: Path | None = None, name: str = "pipelex.toml") -> list[Path]:
    """Return the configuration files of a name that exist, strongest first; ``start`` as for ``config_folders``."""
    return [path for folder in config_folders(start) for path in folder.files if path.name == name]


def user_folder() -> Path | None:
    """Return the user's own configuration folder, whether it exists or not; ``None`` where there is no home."""
    replaced = os.environ.get(HOME_VARIABLE)
    home = _home()
    return Path(replaced).expanduser() if replaced else home / FOLDER if home is not None else None


def unsafe_reason(folder: ConfigFolder) -> str | None:
    """Return why a folder is not read at all: another user owns or can change it. Known on POSIX systems alone."""
    if os.name != "posix":
        return None
    for path in (folder.path, *folder.files):
        status = path.stat()
        if status.st_uid != os.geteuid():
            return f"{path} belongs to another user (uid {status.st_uid})"
        if status.st_mode & stat.S_IWOTH:
            return f"{path} can be written by every user"
    return None


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no HOME and no entry in the user database
        return None


def _project_candidates(start: Path | None) -> Iterator[ConfigFolder | SkippedFolder]:
    """Yield each ``.pipelex`` with files at or above a directory, up to the repository's root or the home folder."""
    try:
        here, home = (start or Path.cwd()).resolve(), _home()
    except FileNotFoundError:  # the working directory was removed: there is no project then
        return
    own = {folder.resolve() for folder in (user_folder(), home and home / FOLDER) if folder is not None}
    for directory in (here, *here.parents):
        path = directory / FOLDER
        if path.is_dir() and path.resolve() not in own:
            named = (start is not None and directory == here) or _is_named_by_variable(path)
            folder = ConfigFolder(path, is_trusted=named)
            reason = None if named or not folder.files else unsafe_reason(folder)
            if reason is not None:
                yield SkippedFolder(path, reason)
            elif folder.files:
                yield folder
        if directory == home or any((directory / mark).exists() for mark in _REPOSITORY_MARKS):
            return


def _is_named_by_variable(folder: Path) -> bool:
    """Tell whether ``PIPELEX_TRUST`` names a ``.pipelex`` folder, or the project that it is in."""
    named = (Path(text.strip()).expanduser() for text in os.environ.get(TRUST_VARIABLE, "").split(os.pathsep))
    resolved = {path.resolve() for path in named if path.is_absolute()}  # a relative path would trust every folder
    return not resolved.isdisjoint({folder.resolve(), folder.parent.resolve()})


@cache
def _warn(message: str) -> None:
    """Log a warning, once a process."""
    import logging

    logging.getLogger("pipelex.config").warning(message)
