"""A place in a file, and the error of a file that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipelex.exceptions import PipelexError

if TYPE_CHECKING:
    from pathlib import Path


class Place(NamedTuple):
    """A place in a file.

    Attributes:
        file: The file.
        line: The line, counted from 1.
        column: The column, counted from 1.
        end_column: Where it ends on that line; 0 where that is not known.
        source: The text of the line.
    """

    file: Path
    line: int
    column: int = 1
    end_column: int = 0
    source: str = ""


class UnreadableError(PipelexError):
    """A plugin's source or metadata cannot be read, or is known only after a build.

    Args:
        subject: The file, the line of it, or the target that was to be read.
        reason: Why it cannot be read.
        fix: What to do about it.
        line: The line at fault, counted from 1, where it is known.
    """

    def __init__(self, *, subject: str, reason: str, fix: str, line: int | None = None) -> None:
        self.subject = subject
        self.reason = reason
        self.fix = fix
        self.line = line
        super().__init__(f"{subject}: {reason}. {fix}")
