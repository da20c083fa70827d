"""What can go wrong when a job is run for many rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.exceptions import InputFileError, OutputFileError, PipelexError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AmbiguousRowError",
    "AmbiguousRowsError",
    "ClusterDiffersError",
    "ClusterError",
    "ClusterFolderError",
    "ClusterNodeError",
    "ClusterPlanError",
    "ClusterUnreachableError",
    "DuplicateRowKeyError",
    "JobChangedError",
    "LedgerError",
    "LedgerInUseError",
    "LedgerVersionError",
    "MapError",
    "MapLimitError",
    "MapOptionError",
    "MapUsageError",
    "MissingColumnError",
    "ResultsFileError",
    "RowKeyError",
    "RowKilledProcessError",
    "RowsFileError",
    "RowsFormatError",
]


_MOST_NAMED = 20
_MOST_OF_A_KEY = 80
_MOST_OF_A_TEXT, _MOST_IN_COMMON = 200, 40  # of a difference


class MapError(PipelexError):
    """The root of the errors of ``pipelex map`` and ``Pipelex.map``."""


class MapUsageError(MapError):
    """The root of those that are found before the first call, or name what the caller has to correct."""


class MapOptionError(MapUsageError):
    """An option of a run is out of its range.

    Args:
        option: The option.
        value: Its value.
        expected: What is expected.
    """

    def __init__(self, *, option: str, value: object, expected: str) -> None:
        self.option = option
        self.value = str(value)
        self.expected = expected
        super().__init__(f"MapOptions({option}={value!r}): expected {expected}.")


class LedgerError(MapUsageError):
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
        listed = "; ".join(_difference(name, before, now) for name, before, now in self.differences)
        super().__init__(
            f"{file}: the job has changed: {listed}. Run it as before to resume, name another output, or start over "
            "(--new, or MapOptions(new=True)), which drops the answers that are in the ledger."
        )


def _difference(name: str, before: str, now: str) -> str:
    """Return how two texts differ; of long ones the part where they begin to."""
    pairs = enumerate(zip(before, now, strict=False))
    begin = max(0, next((at for at, (one, other) in pairs if one != other), 0) - _MOST_IN_COMMON)
    shown = [text if len(text) <= _MOST_OF_A_TEXT else _excerpt(text, begin) for text in (before, now)]
    return f"{name}: {shown[0]} in the ledger, {shown[1]} now"


def _excerpt(text: str, begin: int) -> str:
    end = begin + _MOST_OF_A_TEXT
    return f"{'...' if begin else ''}{text[begin:end]}{'...' if end < len(text) else ''}"


class RowKeyError(MapUsageError):
    """The key of a row is of no type that a ledger can hold.

    Args:
        key: The key.
        index: The index of the row, counted from 0.
    """

    def __init__(self, *, key: object, index: int) -> None:
        self.key = repr(key)[:_MOST_OF_A_KEY]
        self.index = index
        super().__init__(
            f"The key of row {index + 1} is {self.key}: expected a text, or a whole number of at most 64 bits. "
            "Convert it: key=lambda row: str(...)."
        )


class DuplicateRowKeyError(MapUsageError):
    """Two rows have the same key.

    Args:
        key: The key.
        first: The index of the first of them, counted from 0.
        second: That of the second.
        column: The column of the keys; empty where they come from no column.
    """

    def __init__(self, *, key: str, first: int, second: int, column: str = "") -> None:
        self.key = key
        self.first = first
        self.second = second
        self.column = column
        where = f" in column {column!r}" if column else ""
        what = f"the same key {key!r}{where}" if key.strip() else f"an empty key{where}"
        super().__init__(
            f"Rows {first + 1} and {second + 1} have {what}: a key names one row. Choose another key, or "
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
        known: The columns that there are, nearest first. The error holds twenty of them at most.
        where: Which row, where not all of them miss it.
        hint: What else may be wrong, and the fix, as a sentence; empty: nothing is known.
    """

    def __init__(self, *, column: str, known: tuple[str, ...], where: str = "the rows", hint: str = "") -> None:
        self.column = column
        self.known = known[:_MOST_NAMED]
        self.where = where
        self.hint = hint
        more = f" and {len(known) - _MOST_NAMED:,} more" if len(known) > _MOST_NAMED else ""
        listed = f" There are: {', '.join(map(_shown, self.known))}{more}." if known else ""
        super().__init__(f"There is no column {column!r} in {where}.{listed}{f' {hint}' if hint else ''}")


def _shown(column: str) -> str:
    """Return the name of a column, in quotes where it would not be seen otherwise: white space around it, a comma."""
    return column if column.strip() == column != "" and column.isprintable() and "," not in column else repr(column)


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


class RowsFileError(InputFileError, MapUsageError):
    """A file of rows cannot be read.

    Args:
        file: The file.
        reason: Why not.
    """


class ResultsFileError(OutputFileError, MapUsageError):
    """Results cannot be written to a file; this is found before the first call.

    Args:
        file: The file.
        reason: Why not, and the fix.
    """


class ClusterError(MapError):
    """A cluster cannot go on with a run. What was answered is kept; the same call resumes.

    Args:
        reason: Why not, and the fix.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Ray: {reason}. What was answered is kept; the same call resumes.")


class ClusterUnreachableError(MapUsageError):
    """There is no cluster at an address, or none can be started.

    Args:
        address: The address; ``local`` for a new cluster on this machine.
        reason: Why not.
    """

    def __init__(self, *, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(
            f"No Ray cluster can be used at the address {address}: {reason}. Start one (ray start --head) and name its "
            "address (--on ray:HOST:PORT, Ray(address=...)), or leave it out, and one is started on this machine."
        )


class ClusterPlanError(MapUsageError):
    """A run cannot be sent to a cluster.

    Args:
        reason: Why not, and the fix.
    """

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Ray: {reason}.")


class ClusterFolderError(MapUsageError):
    """A node cannot use the folder of the ledgers.

    Args:
        node: The node.
        folder: The folder.
        reason: Why not.
    """

    def __init__(self, *, node: str, folder: str, reason: str) -> None:
        self.node = node
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"Node {node} cannot use the folder {folder}: {reason}. The ledgers outlive the nodes, so their folder has "
            "to be one that all nodes have in common: name an output, or a ledger, in such a folder."
        )


class ClusterNodeError(MapUsageError):
    """A node cannot make the calls of a run.

    Args:
        node: The node.
        reason: Why not, and the fix.
    """

    def __init__(self, *, node: str, reason: str) -> None:
        self.node = node
        self.reason = reason
        super().__init__(f"On node {node}: {reason}")


class ClusterDiffersError(MapUsageError):
    """Nodes of a cluster do not run what this process runs, so that rows would be answered by different code.

    Args:
        differences: For each node what differs: the name of the thing, what it is here, and what it is there.
    """

    def __init__(self, *, differences: Mapping[str, Mapping[str, tuple[str, str]]]) -> None:
        self.differences = tuple(
            (node, name, here, there) for node, found in differences.items() for name, (here, there) in found.items()
        )
        listed = "\n".join(
            f"  {node}: {name}: {here} here, {there} there" for node, name, here, there in self.differences
        )
        super().__init__(
            f"The nodes of the cluster do not run the same as this process:\n{listed}\n"
            "Install the same versions of Python, of this package and of its plugins on all nodes, with the same "
            "configuration, and restart Ray there."
        )
