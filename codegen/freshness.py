"""The fast path of ``--check``: nothing that the last good run read or wrote has changed since.

Imported before anything else, so it imports next to nothing: hashing some sixty small files takes milliseconds,
loading libcst, jinja2 and pydantic takes a second.
"""

from __future__ import annotations

import os
from hashlib import sha256

CACHE = ".codegen-cache/last-good-run"
_LISTED = ("codegen",)
"""Folders of which every file counts, the ones that are new since the last run too."""


def is_fresh(root: str) -> bool:
    """Tell whether everything is as the last good run left it.

    Args:
        root: The project.
    """
    try:
        with open(os.path.join(root, CACHE), encoding="utf-8") as file:
            record = file.read()
    except (OSError, ValueError):
        return False
    lines = record.splitlines()
    folders = [line[len("folder ") :] for line in lines if line.startswith("folder ")]
    paths = [line.split(" ", 1)[1] for line in lines if not line.startswith("folder ")]
    return bool(paths) and _record(root, paths, folders) == record


def remember(root: str, paths: set[str], folders: list[str]) -> None:
    """Record the state of a good run. A cache that cannot be written costs time, nothing else.

    Args:
        root: The project.
        paths: The files that were read or written, relative to the project; absent ones count as such.
        folders: Folders that hold generated files alone.
    """
    record = _record(root, list(paths), [*_LISTED, *folders])
    path = os.path.join(root, CACHE)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.part", "w", encoding="utf-8", newline="\n") as file:
            file.write(record)
        os.replace(f"{path}.part", path)
    except OSError:
        pass


def _record(root: str, paths: list[str], folders: list[str]) -> str:
    everything = set(paths)
    for folder in folders:
        everything.update(_walk(root, folder))
    lines = [f"folder {folder}" for folder in sorted(set(folders))]
    lines += [f"{_digest(os.path.join(root, path))} {path}" for path in sorted(everything)]
    return "\n".join(lines) + "\n"


def _walk(root: str, folder: str) -> list[str]:
    found = []
    for parent, names, files in os.walk(os.path.join(root, folder)):
        names[:] = [name for name in names if name != "__pycache__"]
        relative = os.path.relpath(parent, root).replace(os.sep, "/")
        found += [f"{relative}/{file}" for file in files if file.endswith((".py", ".j2", ".pyi"))]
    return found


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError:
        return "absent"
