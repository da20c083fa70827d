"""The cache of the check. Without a folder that is the user's alone to write to, everything is worked out again."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelex.spi.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def cache_folder() -> Path | None:
    """Return the folder of the check below ``PIPELEX_CACHE_DIR`` or the user's cache folder.

    Returns:
        The folder; ``None`` where it cannot be written, or where another user could write to it: whoever can, decides
        what the check reports.
    """
    try:
        folder = _base() / "check"
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        is_usable = os.access(folder, os.W_OK) and _is_of_user_alone(folder)
    except (OSError, RuntimeError):  # no home, or a read-only one
        return None
    return folder if is_usable else None


def _is_of_user_alone(folder: Path) -> bool:
    """Return whether the user owns a folder and is alone to write to it; on Windows its owner is not looked at."""
    if sys.platform == "win32":
        return True
    found = folder.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _base() -> Path:
    ours = os.environ.get("PIPELEX_CACHE_DIR")
    if ours:
        return Path(os.path.expanduser(ours))
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "pipelex"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pipelex"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipelex"


def digest(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts, in their order.

    Args:
        texts: The texts.
    """
    from hashlib import sha256

    whole = "".join(f"{len(text)}:{text}" for text in texts)
    return sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()


def digest_of(path: str | Path) -> str:
    """Return the SHA-256 of a file; empty where it is none that can be read.

    Args:
        path: The file.
    """
    from hashlib import sha256

    file = Path(path)
    try:
        return sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
    except OSError:
        return ""


def read_verdict(key: str) -> dict[str, Any] | None:
    """Return what was stored under a digest of all that it depends on; ``None`` where nothing that still holds was.

    Args:
        key: The digest.
    """
    import json

    folder = cache_folder()
    if folder is None:
        return None
    try:
        stored = json.loads((folder / "verdicts" / f"{key}.json").read_text(encoding="utf-8"))
        still_holds = all(digest_of(path) == digest for path, digest in stored["read"].items())
    except (AttributeError, KeyError, OSError, TypeError, ValueError):  # damaged, or of another make
        return None
    return stored if still_holds else None


def write_verdict(key: str, verdict: dict[str, Any], *, read: Mapping[str, str]) -> None:
    """Store something under a digest; a folder that cannot be written costs nothing but time.

    Args:
        key: The digest.
        verdict: What JSON can hold.
        read: The files that it depends on beyond the digest, each with its own; where one is not known, nothing is
            stored.
    """
    import json

    folder = cache_folder()
    if folder is None or not all(read.values()):
        return
    path = folder / "verdicts" / f"{key}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        replace_file(path, json.dumps({**verdict, "read": dict(read)}).encode())
        _drop_old(path.parent)
    except OSError:  # a full disk, for instance
        pass


def _drop_old(folder: Path, keep: int = 1000) -> None:
    """Keep the folder small: the oldest half goes when there are too many."""
    names = os.listdir(folder)
    if len(names) <= keep:
        return
    paths = sorted((folder / name for name in names), key=lambda path: path.stat().st_mtime)
    for path in paths[: len(paths) // 2]:
        path.unlink(missing_ok=True)
