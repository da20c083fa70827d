"""The ledger of a run over many rows: an SQLite file with the state of each row, and how it ended.

Its schema is described in docs/many-rows.md. The version is in ``PRAGMA user_version``.

Where other processes make the calls of a run, each part of the rows (a shard) has a ledger of its own, in a folder
beside that of the run. It outlives the process that wrote it, and is taken up by whoever opens the ledger of the run.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from heapq import merge
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from pipelex.bulk.child import CAN_FORK
from pipelex.bulk.exceptions import JobChangedError, LedgerError, LedgerInUseError, LedgerVersionError
from pipelex.cogt.inference.forking import renew_after_fork
from pipelex.spi.files import lock_file

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_APPLICATION_ID = 0x7069706C  # "pipl": what the ``file`` command and we know a ledger by
_LONGEST_WAIT_S = 5.0  # for a moment in which another connection holds the file
_SHARDS_IN_USE_S = 60.0  # how long the processes of a run whose own process died may take to end

SHARD_SUFFIX = ".ledger"
"""What the names of shards end in."""
PROBE = "probe"
"""The file by which a process knows that it shares the folder of the shards."""

UPGRADES = (
    """
    CREATE TABLE job (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE rows (
        key PRIMARY KEY NOT NULL,
        position INTEGER NOT NULL,
        job TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state = 'sent' OR state = 'interrupted' OR state = 'ok' OR state = 'failed'),
        deaths INTEGER NOT NULL DEFAULT 0,
        source TEXT,
        answer TEXT,
        error TEXT,
        usage TEXT,
        cost_usd REAL,
        duration_s REAL,
        attempts INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX rows_by_position ON rows (position);
    CREATE INDEX rows_under_way ON rows (state) WHERE state IN ('sent', 'interrupted');
    """,
    """
    CREATE TABLE results (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;
    """,
    """
    CREATE TABLE sent (batch INTEGER PRIMARY KEY, rows TEXT NOT NULL);
    """,
)
"""The scripts that make a ledger of version n one of version n + 1; the first one makes it of an empty file.

The states are compared one by one: SQLite makes a temporary table of a list of more than two, for each row anew.
"""

_DROP_ROWS = f"BEGIN; DROP TABLE rows; DROP TABLE job; {UPGRADES[0]} DELETE FROM sent; COMMIT; VACUUM;"  # noqa: S608 - no value in it
"""Starts over. What the last run wrote stays known, until the next one replaces it."""
_FIRST = "first row"
_HAS_SENT = 3  # the first version with the table ``sent``


class _Batch:
    """Rows that were marked as sent in one transaction.

    Attributes:
        number: Its key in the table ``sent``.
        left: How many of them have no outcome yet.
    """

    __slots__ = ("left", "number")

    def __init__(self, number: int, left: int) -> None:
        self.number = number
        self.left = left


class Entry(NamedTuple):
    """A row in a ledger: the columns of the table ``rows``.

    Attributes:
        key: The user's key, or the index of the row.
        position: The index of the row in the input, counted from 0.
        job: The fingerprint of its job.
        state: ``sent``: its call is under way, or the process died; ``interrupted``: its call had no known end;
            ``ok``; ``failed``.
        deaths: In how many runs the process died while its call was under way.
        source: The row of the input as JSON, where it is kept for the output.
        answer: The answer as JSON.
        error: The error as JSON.
        usage: What the call used, as JSON.
        cost_usd: What it cost in US dollars, where that is known.
        duration_s: How long the call took, in seconds.
        attempts: How many requests it took.
    """

    key: str | int
    position: int
    job: str
    state: str
    deaths: int = 0
    source: str | None = None
    answer: str | None = None
    error: str | None = None
    usage: str | None = None
    cost_usd: float | None = None
    duration_s: float | None = None
    attempts: int | None = None


_MARKED = 6  # the first columns of a row: those that are known when it is sent
_COLUMNS = ", ".join(Entry._fields)
_SEND = "INSERT INTO sent VALUES (?, ?)"
_FORGET = "DELETE FROM rows WHERE key = ?"
_DROP = "DELETE FROM sent WHERE batch = ?"
_FIND = f"SELECT {_COLUMNS} FROM rows WHERE key = ?"  # noqa: S608 - no value in it
_ALL = f"SELECT {_COLUMNS} FROM rows ORDER BY max(position, -1 - position)"  # noqa: S608 - no value in it
_SEEN = f"SELECT {_COLUMNS} FROM rows WHERE position >= 0 AND position < ? ORDER BY position"  # noqa: S608 - as above
_ANY = "SELECT 1 FROM rows LIMIT 1"
_OUTCOME = "SELECT 1 FROM rows WHERE state IN ('ok', 'failed') LIMIT 1"
_UNPRICED = "SELECT 1 FROM rows WHERE state = 'ok' AND cost_usd IS NULL LIMIT 1"
_COUNT_DEATHS = """
    UPDATE rows SET state = 'interrupted', deaths = CASE WHEN ? THEN 1 ELSE deaths + 1 END WHERE state = 'sent'
"""


class Ledger:
    """A ledger that is open. Made by ``open_ledger`` and ``read_ledger``.

    Args:
        path: The file.
        connection: The connection.
        lock: The open lock file, which keeps other processes from writing; ``None`` where this one only reads.

    Attributes:
        path: The file.
        is_in_use: Whether another process runs the job: it was opened for reading only.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, lock: int | None, is_in_use: bool = False
    ) -> None:
        self.path = path
        self.is_in_use = is_in_use
        self._file = path.absolute()  # the process may change its working folder
        self._connection = connection
        self._lock = lock
        self._ended: list[Entry] = []
        self._under_way: dict[str | int, tuple[Entry, _Batch]] = {}
        self._last_batch = 0
        self._had_rows = False  # whether a row that is sent may have an outcome of an earlier run

    def check_job(self, job: Mapping[str, str], *, first: str = "", is_retried: bool = False) -> None:
        """Compare the job with that of the ledger. One that differs replaces it where no row has an outcome.

        Args:
            job: What the job consists of, as texts by name.
            first: What that of the first row consists of, for ``first_job``; it is not compared.
            is_retried: Whether calls that have no known end are made again; only then may their rows be dropped.

        Raises:
            JobChangedError: They differ.
        """
        with self._named():
            before = self.job()
            kept = _OUTCOME if is_retried else _ANY
            if before != job and self._connection.execute(kept).fetchone() is None:
                self._drop_job()
                before = {}
            if not before:
                items = {**job, **({_FIRST: first} if first else {})}
                self._connection.executemany("INSERT INTO job VALUES (?, ?)", items.items())
        names = dict.fromkeys((*job, *before)) if before else ()
        pairs = {name: (before.get(name, "nothing"), job.get(name, "nothing")) for name in names}
        differences = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        if differences:
            raise JobChangedError(file=str(self.path), differences=differences)

    def _drop_job(self) -> None:
        """Drop the job and its rows, which have no outcome."""
        with self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute("DELETE FROM rows")
            self._connection.execute("DELETE FROM job")

    def count_deaths(self) -> int:
        """Count a death for each row that a run which died had sent.

        Where rows that were under way at a death run in processes of their own, a further death is not theirs.

        Returns:
            For how many rows it is not known how their call ended.
        """
        with self._named():
            self._connection.execute(_COUNT_DEATHS, (CAN_FORK,))
            found = self._connection.execute("SELECT count(*) FROM rows WHERE state = 'interrupted'").fetchone()
        return int(found[0])

    def forget_positions(self) -> None:
        """Mark all rows as not seen in this run: rows with keys may have moved, or be gone."""
        with self._named():
            self._connection.execute("UPDATE rows SET position = -1 - position WHERE position >= 0")

    def find(self, key: str | int) -> Entry | None:
        """Return a row; ``None`` where there is none with this key."""
        if key in self._under_way:
            return self._under_way[key][0]
        with self._named():
            found = self._connection.execute(_FIND, (key,)).fetchone()
        return Entry(*found) if found else None

    def last_position(self) -> int:
        """Return the last position of a row; -1 where there is none."""
        with self._named():
            found = self._connection.execute("SELECT max(position) FROM rows").fetchone()[0]
        return -1 if found is None else int(found)

    def move(self, key: str | int, position: int) -> None:
        """Enter where a row is in the input of this run."""
        with self._named():
            self._connection.execute("UPDATE rows SET position = ? WHERE key = ?", (position, key))

    def keep_source(self, entry: Entry) -> None:
        """Enter what the input of this run holds beside what a job is made of."""
        with self._named():
            self._connection.execute("UPDATE rows SET source = ? WHERE key = ?", (entry.source, entry.key))

    def mark_sent(self, entries: Sequence[Entry]) -> None:
        """Commit that rows are about to be sent, and all that has ended before.

        Raises:
            LedgerError: That cannot be written.
        """
        if entries or self._ended:
            self._write(entries, self._ended)

    def save(self, entry: Entry) -> None:
        """Enter how a row ended. It is committed with the next rows that are sent, or by ``commit``.

        Args:
            entry: The row.
        """
        self._ended.append(entry)

    def commit(self) -> None:
        """Write what has ended.

        Raises:
            LedgerError: It cannot be written; it is kept for the next attempt.
        """
        self.mark_sent(())

    def entries(self, *, before: int | None = None) -> Iterator[Entry]:
        """Return the rows in the order of the input.

        Args:
            before: How many rows the input has, where that is known: rows that it no longer has are left out.
        """
        self.commit()
        query, values = (_ALL, ()) if before is None else (_SEEN, (before,))
        with self._named():
            ended = (Entry(*found) for found in self._connection.execute(query, values))
            under_way = [entry for entry in self._sent() if before is None or 0 <= entry.position < before]
            yield from merge(ended, sorted(under_way, key=_place), key=_place)

    def take_up(self, shard: Path, positions: Mapping[str | int, int] | None = None) -> list[Entry]:
        """Take up the rows of a shard, and remove its ledger.

        Args:
            shard: The ledger of the shard.
            positions: The index of each row in the input. Where it is not known, only a row without a key has one.

        Returns:
            The rows, as they are now in this ledger.

        Raises:
            LedgerInUseError: A process still has it open, after some seconds.
            LedgerError: It cannot be read, or this one cannot be written.
        """
        other = _open_when_released(shard)
        try:
            entries = [entry._replace(position=_position(entry, positions)) for entry in other.entries()]
        finally:
            other.close()
        self.commit()
        with self._named(), self._connection:
            self._connection.execute("BEGIN")
            _enter(self._connection, entries)
        self._had_rows = self._had_rows or bool(entries)
        _remove(shard)
        return entries

    def take_up_shards(self) -> None:
        """Take up the rows of all shards that a run has left behind.

        Raises:
            LedgerInUseError: A process of that run still has one open.
            LedgerError: One cannot be read.
        """
        for shard in _shards(self.path):
            self.take_up(shard)
        remove_shard_folder(self.path)

    def cost_usd(self) -> float:
        """Return what the rows cost as far as that is known, in US dollars."""
        with self._named():
            return float(self._connection.execute("SELECT total(cost_usd) FROM rows").fetchone()[0])

    def has_unpriced(self) -> bool:
        """Return whether there is an answer whose cost is not known."""
        with self._named():
            return self._connection.execute(_UNPRICED).fetchone() is not None

    def job(self) -> dict[str, str]:
        """Return what the job consists of, as texts by name."""
        with self._named():
            return dict(self._connection.execute("SELECT name, value FROM job WHERE name <> ?", (_FIRST,)))

    def first_job(self) -> str | None:
        """Return what the job of the first row consisted of; ``None`` where it was not kept."""
        with self._named():
            found = self._connection.execute("SELECT value FROM job WHERE name = ?", (_FIRST,)).fetchone()
        return found[0] if found else None

    def results(self) -> set[str]:
        """Return the SHA-256 digests of the results that the last run wrote, or was about to write, and their files."""
        with self._named():
            return {row[0] for row in self._connection.execute("SELECT sha256 FROM results")}

    def set_results(self, digests: Iterable[str]) -> None:
        """Enter the digests of the results: those before and the next, then the next alone.

        Raises:
            LedgerError: They cannot be written.
        """
        with self._named(), self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute("DELETE FROM results")
            self._connection.executemany("INSERT OR IGNORE INTO results VALUES (?)", [(digest,) for digest in digests])

    def close(self) -> None:
        """Write what has ended, restore the file if it was removed, and release the lock.

        Raises:
            LedgerError: It cannot be written.
        """
        try:
            self.commit()
            if self._lock is not None and not self._file.exists():  # removed while it was open
                with self._named():
                    self._connection.execute("VACUUM INTO ?", (str(self._file),))
        finally:
            self._connection.close()
            if self._lock is not None:
                _unlock(self._lock, _lock_path(self._file))
                self._lock = None

    def _write(self, sent: Sequence[Entry], ended: Sequence[Entry]) -> None:
        connection = self._connection
        batch = _Batch(self._last_batch + 1, len(sent))
        self._under_way.update((entry.key, (entry, batch)) for entry in sent)
        done = self._batches_done(ended)
        with self._named():
            connection.execute("BEGIN")
            try:
                if sent:
                    if self._had_rows:
                        connection.executemany(_FORGET, [(entry.key,) for entry in sent])
                    connection.execute(_SEND, (batch.number, json.dumps([entry[:_MARKED] for entry in sent])))
                _enter(connection, ended)
                connection.executemany(_DROP, done)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        self._last_batch = batch.number
        self._ended = []

    def _batches_done(self, ended: Sequence[Entry]) -> list[tuple[int]]:
        """Return the batches whose last rows have ended. One that is kept for longer does no harm: its rows have."""
        done: list[tuple[int]] = []
        for entry in ended:
            _, batch = self._under_way.pop(entry.key, (None, None))
            if batch is not None:
                batch.left -= 1
                if not batch.left:
                    done.append((batch.number,))
        return done

    def _sent(self) -> Iterator[Entry]:
        """Yield the rows that were sent and have no outcome."""
        if _version(self._connection) < _HAS_SENT:
            return
        for (rows,) in self._connection.execute("SELECT rows FROM sent ORDER BY batch").fetchall():
            for marked in json.loads(rows):
                if self._connection.execute(_FIND, marked[:1]).fetchone() is None:
                    yield Entry(*marked)

    def enter_sent(self) -> None:
        """Enter the rows that a run which has ended had sent among the others, as ``sent``.

        Raises:
            LedgerError: They cannot be written.
        """
        with self._named(), self._connection:
            self._connection.execute("BEGIN")
            _enter(self._connection, list(self._sent()))
            self._connection.execute("DELETE FROM sent")
            self._had_rows = self._connection.execute(_ANY).fetchone() is not None

    @contextmanager
    def _named(self) -> Iterator[None]:
        with _named_errors(self.path):
            yield


def _enter(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Enter rows; what was entered of them before is replaced.

    Columns without a value in any of them are left out: to bind None takes several times as long as to bind a value.
    """
    columns = {
        name: values
        for name, values in zip(Entry._fields, zip(*entries, strict=True), strict=False)
        if any(value is not None for value in values)
    }
    if columns:
        query = f"INSERT OR REPLACE INTO rows ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - no value in it
        connection.executemany(query, zip(*columns.values(), strict=True))


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into an error that names the ledger."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as exc:
        name = getattr(exc, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise LedgerInUseError(file=str(path)) from exc
        if name.startswith("SQLITE_NOTADB"):
            reason = "it is no ledger. Name another output, or move the file away"
        elif name.startswith("SQLITE_CORRUPT"):
            reason = "it is damaged. Restore a copy of it, or move it away to start over"
        elif name.startswith("SQLITE_CANTOPEN"):
            reason = "it cannot be opened or made: check that its folder exists and can be written to"
        else:
            reason = f"the ledger cannot be used: {exc}. What is committed is kept; the same call resumes"
        raise LedgerError(file=str(path), reason=reason) from exc


def open_ledger(path: Path, *, new: bool = False) -> Ledger:
    """Open a ledger for this process alone, and make it where there is none. One of an older version is upgraded.

    Shards that a run has left behind are taken up.

    Args:
        path: The file.
        new: Whether to drop what it holds.

    Raises:
        LedgerInUseError: Another run has it open.
        LedgerVersionError: A later version wrote it.
        LedgerError: It is no ledger, or cannot be read or written.
    """
    lock = _locked(path)
    try:
        connection = _connect(path)
        try:
            with _named_errors(path):
                connection.execute("PRAGMA synchronous = NORMAL")
                for version in range(_version(connection), len(UPGRADES)):
                    connection.executescript(
                        f"BEGIN; {UPGRADES[version]} PRAGMA application_id = {_APPLICATION_ID};"
                        f" PRAGMA user_version = {version + 1}; COMMIT;"
                    )
                if new:
                    connection.executescript(_DROP_ROWS)
            ledger = Ledger(path, connection, lock=lock)
            ledger.enter_sent()
            if new:
                for shard in _shards(path):
                    _open_when_released(shard).close()
                    _remove(shard)
            ledger.take_up_shards()
            return ledger
        except BaseException:
            connection.close()
            raise
    except BaseException:
        _unlock(lock, _lock_path(path))
        raise


def read_ledger(path: Path) -> Ledger:
    """Open a ledger for reading, also while a run writes it, or where nothing can be written.

    One of an older version is upgraded, if it can be.

    Args:
        path: The file.

    Raises:
        LedgerVersionError: A later version wrote it.
        LedgerError: It is not there, is no ledger, or cannot be read.
    """
    import os

    if not path.is_file():
        raise LedgerError(file=str(path), reason="there is no such ledger. Name that of a run")
    if not os.access(path.parent, os.W_OK):
        return Ledger(path, _connect(path, is_read_only=True), lock=None)
    try:
        return open_ledger(path)
    except LedgerInUseError:
        connection = _connect(path)
        try:
            connection.execute("PRAGMA query_only = ON")
            return Ledger(path, connection, lock=None, is_in_use=True)
        except BaseException:
            connection.close()
            raise


def _connect(path: Path, *, is_read_only: bool = False) -> sqlite3.Connection:
    """Open the file, and check that it is a ledger of a known version, or empty."""
    import sqlite3

    name = _read_only_address(path) if is_read_only else str(path.absolute())  # ":memory:" is a file, too
    with _named_errors(path):
        connection = sqlite3.connect(
            name, isolation_level=None, timeout=_LONGEST_WAIT_S, check_same_thread=False, uri=is_read_only
        )
        try:
            _check_is_ledger(path, connection)
            if not is_read_only:
                connection.execute("PRAGMA journal_mode = WAL")  # who reads does not wait for who writes
        except BaseException:
            connection.close()
            raise
    return connection


def _read_only_address(path: Path) -> str:
    """Return the address of a file in a folder that cannot be written to, where SQLite makes no files beside it."""
    is_closed = not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_closed else ''}"


_held: set[int] = set()
"""The lock files that this process holds open."""


def _drop_inherited() -> None:
    """Close the lock files in a forked process: the lock ends with the process that opened the ledger."""
    import os

    for number in _held:
        os.close(number)
    _held.clear()


renew_after_fork(_drop_inherited)


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}-lock")


def _locked(path: Path) -> int:
    """Lock a ledger by a file beside it.

    Raises:
        LedgerInUseError: Another run holds the lock.
        LedgerError: The lock file cannot be made.
    """
    import os

    if not path.name:
        raise LedgerError(file=str(path), reason="it is the name of no file. Name a file")
    lock_path = _lock_path(path)
    while True:
        number = lock_file(lock_path)
        if number is None:
            try:
                os.close(os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600))
            except OSError as exc:
                reason = f"its lock file {lock_path} cannot be made: {exc.strerror}. Name another output"
                raise LedgerError(file=str(path), reason=reason) from exc
            raise LedgerInUseError(file=str(path))
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(number), lock_path.stat()):
                _held.add(number)
                return number
        os.close(number)  # who held it has just removed it


def _unlock(number: int, lock_path: Path) -> None:
    import os

    _held.discard(number)
    with suppress(OSError):  # Windows removes no file that is open; it may stay
        lock_path.unlink()
    os.close(number)


def _check_is_ledger(path: Path, connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if found != _APPLICATION_ID and not is_empty:
        raise LedgerError(file=str(path), reason="it is another program's database. Name another output")
    if _version(connection) > len(UPGRADES):
        raise LedgerVersionError(file=str(path), found=_version(connection), known=len(UPGRADES))


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def shard_folder(path: Path) -> Path:
    """Return the folder for the shards of a run.

    Args:
        path: The ledger of the run.
    """
    return path.with_name(f"{path.name}.shards")


def _shards(path: Path) -> list[Path]:
    return sorted(shard_folder(path).glob(f"*{SHARD_SUFFIX}"))


def _open_when_released(shard: Path) -> Ledger:
    """Open the ledger of a shard; the process that wrote it may be about to end."""
    until = monotonic() + _SHARDS_IN_USE_S
    while True:
        try:
            return open_ledger(shard)
        except LedgerInUseError:
            if monotonic() > until:
                raise
        sleep(0.1)


def _place(entry: Entry) -> int:
    """Return where a row is in the order of the input; those that the last input does not have keep their places."""
    return max(entry.position, -1 - entry.position)


def _position(entry: Entry, positions: Mapping[str | int, int] | None) -> int:
    if positions is not None:
        return positions[entry.key]
    return entry.key if isinstance(entry.key, int) else -1 - _place(entry)


def _remove(shard: Path) -> None:
    """Remove the ledger of a shard, with what SQLite may have left beside it."""
    for end in ("", "-wal", "-shm"):
        shard.with_name(f"{shard.name}{end}").unlink(missing_ok=True)


def remove_shard_folder(path: Path) -> None:
    """Remove the folder for the shards of a run, unless it holds some.

    Args:
        path: The ledger of the run.
    """
    folder = shard_folder(path)
    with suppress(OSError):  # there is none, or it holds what is not ours
        (folder / PROBE).unlink(missing_ok=True)
        folder.rmdir()
