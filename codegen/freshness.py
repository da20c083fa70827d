"""The fast path of ``--check``: nothing that the last good run read or wrote has changed since.

Imported before anything else, so it imports next to nothing: hashing some sixty small files takes milliseconds,
loading libcst, jinja2 and pydantic takes a second.
"""

from __future__ import annotations

import os
from hashlib import sha256

CACHE = ".codegen-cache/last-good-run"
ABSENT = "absent"
_LISTED = ("codegen", "src/pipelex/spi", "src/pipelex/checking")
"""Folders of which every file counts, the ones that are new since the last run too."""


def is_fresh(root: str) -> bool:
    """Return whether everything is as the last good run left it.

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
    return bool(paths) and _record(root, dict.fromkeys(paths, ""), folders) == record


def remember(root: str, seen: dict[str, str], folders: list[str]) -> None:
    """Record the state of a good run. A cache that cannot be written costs time, nothing else.

    Args:
        root: The project.
        seen: The digests of what was read or written, as the run saw it: a file that someone changes while the
            generator runs is not taken for checked.
        folders: Folders that hold generated files alone.
    """
    record = _record(root, seen, [*_LISTED, *folders])
    path = os.path.join(root, CACHE)
    from pathlib import Path  # not for the fast path

    from pipelex.spi.files import replace_file

    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace_file(Path(path), record.encode())
    except OSError:
        pass


def _record(root: str, seen: dict[str, str], folders: list[str]) -> str:
    everything = dict(seen)
    for folder in folders:
        for path in _walk(root, folder):
            everything.setdefault(path, "")
    lines = [f"folder {folder}" for folder in sorted(set(folders))]
    lines += [f"{known or _digest_of(os.path.join(root, path))} {path}" for path, known in sorted(everything.items())]
    return "\n".join(lines) + "\n"


def _walk(root: str, folder: str) -> list[str]:
    found = []
    for parent, names, files in os.walk(os.path.join(root, folder)):
        names[:] = [name for name in names if name != "__pycache__"]
        relative = os.path.relpath(parent, root).replace(os.sep, "/")
        found += [f"{relative}/{file}" for file in files if file.endswith((".py", ".j2", ".pyi"))]
    return found


def digest(content: bytes) -> str:
    """Return the digest of a file's content.

    Args:
        content: The content.
    """
    return sha256(content).hexdigest()


def _digest_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return digest(file.read())
    except OSError:
        return ABSENT
