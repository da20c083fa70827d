"""Where the check keeps what it need not work out twice; without a folder to write to, it works it out again."""

from __future__ import annotations

import os
import sys
from importlib.util import source_hash  # 64 bits, as for compiled modules; hashlib takes longer to load
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelex.spi.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def cache_folder() -> Path | None:
    """Return the folder of the check below ``PIPELEX_CACHE_DIR`` or the user's cache folder, if it can be written."""
    try:
        folder = _base() / "check"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or a read-only one
        return None
    return folder if os.access(folder, os.W_OK) else None


def _base() -> Path:
    ours = os.environ.get("PIPELEX_CACHE_DIR")
    if ours:
        return Path(ours).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "pipelex"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pipelex"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipelex"


def digest(texts: Iterable[str]) -> str:
    """Return a digest of texts, in their order.

    Args:
        texts: The texts.
    """
    whole = "".join(f"{len(text)}:{text}" for text in texts)
    return source_hash(whole.encode("utf-8", "surrogateescape")).hex()


def digest_of(path: str | Path) -> str:
    """Return a digest of a file; empty where it is none that can be read.

    Args:
        path: The file.
    """
    file = Path(path)
    try:
        return source_hash(file.read_bytes()).hex() if file.is_file() else ""
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
        read: The files that it depends on beyond the digest, each with its own; where one cannot be told, nothing is
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
    except OSError:
        pass


def _drop_old(folder: Path, keep: int = 1000) -> None:
    """Keep the folder small: the oldest half goes when there are too many."""
    names = os.listdir(folder)
    if len(names) <= keep:
        return
    paths = sorted((folder / name for name in names), key=lambda path: path.stat().st_mtime)
    for path in paths[: len(paths) // 2]:
        path.unlink(missing_ok=True)
