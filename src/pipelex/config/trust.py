"""Which project folders the user trusts: by path and content, recorded in the user's own folder."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from pipelex.config.locations import FOLDER, HOME_VARIABLE, ConfigFolder, resolved, user_folder
from pipelex.exceptions import OutputFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipelex.config.toml_file import TomlFile


class TrustRecord(NamedTuple):
    """A folder that the user trusts.

    Attributes:
        path: The ``.pipelex`` folder.
        files: The sha256 of each of its files, by name.
    """

    path: str
    files: dict[str, str]


def is_trusted(folder: ConfigFolder, files: Iterable[TomlFile]) -> bool:
    """Return whether the user trusts a folder with its present content.

    Args:
        folder: The folder.
        files: Those of its files that were read: the bytes that were parsed count.
    """
    return folder.is_trusted or record_of(folder, files) in trust_records(folder.path)


def record_of(folder: ConfigFolder, files: Iterable[TomlFile] = ()) -> TrustRecord:
    """Return the record that would make a folder trusted; of the files that were read, by the bytes parsed."""
    digests = {file.path.name: _sha256(file.content) for file in files}
    others = (path for path in folder.files if path.name not in digests)
    return TrustRecord(str(resolved(folder.path)), digests | {path.name: _sha256(path.read_bytes()) for path in others})


def trust_records(folder: Path | None = None) -> Iterator[TrustRecord]:
    """Yield what is recorded, by path: of one folder, or of all. A record that cannot be read counts as none."""
    store = _store()
    if store is None or not os.path.isdir(store):
        return
    found = []
    for path in sorted(store.glob("*.json")) if folder is None else [_file_of(folder, store)]:
        try:
            data = json.loads(path.read_bytes())
            found.append(TrustRecord(str(data["path"]), dict(data["files"])))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    yield from sorted(found)


def record_trust(record: TrustRecord, folder: Path) -> None:
    """Record that the user trusts a folder, in place of what was recorded of it.

    Raises:
        OutputFileError: The record cannot be written, or there is no home folder to keep it in.
    """
    from pipelex.spi.files import WriteError, write_files

    store = _store()
    if store is None:
        raise OutputFileError(file=f"~/{FOLDER}", reason=f"there is no home folder. Set HOME or {HOME_VARIABLE}")
    try:
        for private in (store.parent, store):
            private.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_files(store, {_file_of(folder, store): f"{json.dumps(record._asdict(), indent=2)}\n".encode()})
    except (OSError, WriteError) as exc:
        reason = exc.reason if isinstance(exc, WriteError) else exc.strerror
        raise OutputFileError(file=str(store), reason=f"it cannot be written: {reason}") from exc


def trust_written(folder: Path) -> None:
    """Record a folder that was just written for the user, unless it is the user's own, which needs no record.

    Whatever the umask, others cannot write to it then: a folder that they can write to is not read.

    Raises:
        OutputFileError: As for :func:`record_trust`.
    """
    written = ConfigFolder(folder, is_trusted=False)
    for path in (folder, *written.files):
        mode = path.stat().st_mode
        if mode & stat.S_IWOTH:
            path.chmod(stat.S_IMODE(mode) & ~stat.S_IWOTH)
    own = user_folder()
    if own is None or resolved(own) != resolved(folder):
        record_trust(record_of(written), folder)


def forget_trust(folder: Path) -> bool:
    """Remove the record of a folder, which need not exist any more, and return whether there was one."""
    store = _store()
    path = _file_of(folder, store) if store is not None else None
    if path is None or not os.path.isfile(path):
        return False
    path.unlink()
    return True


def _file_of(folder: Path, store: Path) -> Path:
    return store / f"{_sha256(str(resolved(folder)).encode(errors='surrogateescape'))[:32]}.json"


def _sha256(content: bytes) -> str:
    from hashlib import sha256

    return sha256(content).hexdigest()


def _store() -> Path | None:
    own = user_folder()
    return own / "trusted" if own is not None else None
