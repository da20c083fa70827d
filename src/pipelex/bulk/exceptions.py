"""What can go wrong when a job is run for many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.exceptions import PipelexError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AmbiguousRowError",
    "AmbiguousRowsError",
    "DuplicateRowKeyError",
    "JobChangedError",
    "LedgerError",
    "LedgerInUseError",
    "LedgerVersionError",
    "MapError",
    "MapLimitError",
    "MapUsageError",
    "MissingColumnError",
    "RowKilledProcessError",
    "RowsFormatError",
]


class MapError(PipelexError):
    """The root of the errors of ``pipelex map`` and ``Pipelex.map``."""


class MapUsageError(MapError):
    """The root of those that are found before the first call, or name what the caller has to correct."""


class LedgerError(MapError):
    """A ledger cannot be read or written.

    Args:
        file: The ledger.
        reason: Why not, and the fix.
    """

    def __init__(self, *, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"{file}: {reason}")


class LedgerInUseError(LedgerError):
    """Another run has the ledger open.

    Args:
        file: The ledger.
    """

    def __init__(self, *, file: str) -> None:
        super().__init__(file=file, reason="another run uses this ledger. Wait for its end, or name another output")


class LedgerVersionError(LedgerError):
    """A ledger was written by a later version.

    Args:
        file: The ledger.
        found: The version of its schema.
        known: The latest version that this installation reads.
    """

    def __init__(self, *, file: str, found: int, known: int) -> None:
        self.found = found
        self.known = known
        reason = f"its schema has version {found}, and this installation reads up to {known}. Upgrade it"
        super().__init__(file=file, reason=reason)


class JobChangedError(MapUsageError):
    """A ledger belongs to a job that differs from the one to be run.

    Args:
        file: The ledger.
        differences: What differs, each with its value in the ledger and the one now, as text.
    """

    def __init__(self, *, file: str, differences: Mapping[str, tuple[str, str]]) -> None:
        self.file = file
        self.differences = tuple((name, before, now) for name, (before, now) in differences.items())
        listed = "; ".join(f"{name}: {before} in the ledger, {now} now" for name, before, now in self.differences)
        super().__init__(
            f"{file}: the job has changed: {listed}. Run it as before to resume, name another output, or start over "
            "(--new, or MapOptions(new=True)), which drops the answers that are in the ledger."
        )


class DuplicateRowKeyError(MapUsageError):
    """Two rows have the same key.

    Args:
        key: The key.
        first: The index of the first of them, counted from 0.
        second: That of the second.
    """

    def __init__(self, *, key: str, first: int, second: int) -> None:
        self.key = key
        self.first = first
        self.second = second
        super().__init__(
            f"Rows {first + 1} and {second + 1} have the same key {key!r}: a key names one row. Choose another key, or "
            "leave it out, and rows are known by their number."
        )


class AmbiguousRowsError(MapUsageError):
    """Calls may have been carried out and charged when a run was interrupted, and it is not known whether they were.

    Args:
        file: The ledger.
        count: How many rows it concerns.
    """

    def __init__(self, *, file: str, count: int) -> None:
        self.file = file
        self.count = count
        super().__init__(
            f"{file}: {count} {'call was' if count == 1 else 'calls were'} under way when a run was interrupted, "
            "and may have been charged. To make them again: --on-ambiguous retry; to record them as failed and go on: "
            "--on-ambiguous skip (MapOptions(on_ambiguous=...))."
        )


class AmbiguousRowError(MapError):
    """The call of this row may have been carried out and charged when a run was interrupted; it was not made again."""

    def __init__(self) -> None:
        super().__init__(
            "The call was under way when a run was interrupted, and may have been charged. It was not made again "
            "(--on-ambiguous skip)."
        )


class RowKilledProcessError(MapError):
    """A row is set aside: the process died each time that it was run.

    Args:
        deaths: How often.
    """

    def __init__(self, *, deaths: int) -> None:
        self.deaths = deaths
        super().__init__(
            f"The process died {deaths} times while this row was run. It is set aside; --retry-failed tries it again."
        )


class MapLimitError(MapError):
    """A run stopped because it reached a limit. What was answered is kept.

    Args:
        limit: The limit, as its option is named.
        reason: What was reached.
    """

    def __init__(self, *, limit: str, reason: str) -> None:
        self.limit = limit
        self.reason = reason
        super().__init__(f"{limit}: {reason}. What was answered is kept; the same call resumes.")


class MissingColumnError(MapUsageError):
    """A template names a column that the rows do not have.

    Args:
        column: The column.
        known: The columns that there are, nearest first.
        where: Which row, where not all of them miss it.
    """

    def __init__(self, *, column: str, known: tuple[str, ...], where: str = "the rows") -> None:
        self.column = column
        self.known = known
        self.where = where
        listed = f" There are: {', '.join(known)}." if known else ""
        super().__init__(f"There is no column {column!r} in {where}.{listed} Write {{{{ and }}}} for plain braces.")


class RowsFormatError(MapUsageError):
    """A file of rows, or a template, cannot be parsed.

    Args:
        file: The file.
        reason: What is wrong, what was expected, and the fix.
        line: The line, counted from 1, where it is known.
    """

    def __init__(self, *, file: str, reason: str, line: int | None = None) -> None:
        self.file = file
        self.reason = reason
        self.line = line
        super().__init__(f"{file}{f':{line}' if line else ''}: {reason}")
