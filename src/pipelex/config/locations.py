"""Where configuration files lie: the project's folder before the user's."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = ".pipelex"
HOME_VARIABLE = "PIPELEX_HOME"
"""The environment variable that names another folder in place of ``~/.pipelex``."""


def config_files(start: Path | None = None, name: str = "pipelex.toml") -> list[Path]:
    """Return the configuration files of a name that exist, strongest first.

    Args:
        start: Where the search for the project's ``.pipelex`` begins; the current directory if not given.
        name: The file's name.

    Returns:
        The project's file, then the user's; whichever of them exist.
    """
    here = start or _current_folder()
    folders = (_project_folder(here) if here is not None else None, user_folder())
    return [folder / name for folder in folders if folder is not None and (folder / name).is_file()]


def user_folder() -> Path | None:
    """Return the user's own configuration folder, whether it exists or not; ``None`` where there is no home."""
    replaced = os.environ.get(HOME_VARIABLE)
    return Path(replaced).expanduser() if replaced else _home_folder()


def _home_folder() -> Path | None:
    try:
        return Path.home() / FOLDER
    except RuntimeError:  # no HOME and no entry in the user database
        return None


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed: there is no project then
        return None


def _project_folder(start: Path) -> Path | None:
    """Return the nearest ``.pipelex`` at or above a directory that is not the user's own."""
    here = start.resolve()
    taken = {folder.resolve() for folder in (user_folder(), _home_folder()) if folder is not None}
    candidates = (directory / FOLDER for directory in (here, *here.parents))
    return next((folder for folder in candidates if folder.is_dir() and folder not in taken), None)
