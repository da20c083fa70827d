"""What the check finds, and the error of a check that could not be completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pipelex.exceptions import PipelexError

if TYPE_CHECKING:
    from pipelex.reading.place import Place

Severity = Literal["error", "note"]


class CheckError(PipelexError):
    """The check could not be completed, which is never the same as clean.

    Args:
        target: What was to be checked, as it was named.
        reason: Why.
        fix: What to do about it.
    """

    def __init__(self, *, target: str, reason: str, fix: str) -> None:
        self.target = target
        self.reason = reason
        self.fix = fix
        super().__init__(f"{target}: could not be checked: {reason}. {fix}")


class Finding(NamedTuple):
    """One thing that a rule found.

    Attributes:
        rule: The rule's id.
        name: The rule's name.
        severity: A note never changes the exit code.
        place: Where.
        message: What is wrong.
        expected: What was expected instead.
        fix: How to fix it.
        covers: Fragments of other messages about the same thing, which then is not reported a second time.
        last_line: The last line on which a waiver counts; that of the place where it is 0.
    """

    rule: str
    name: str
    place: Place
    message: str
    expected: str
    fix: str
    severity: Severity = "error"
    covers: tuple[str, ...] = ()
    last_line: int = 0

    @property
    def page(self) -> str:
        """The rule's entry in the documentation."""
        return f"docs/rules.md#{self.rule.lower()}"

    @property
    def order(self) -> tuple[str, int, int, str, str]:
        """The key by which findings are ordered."""
        return (str(self.place.file), self.place.line, self.place.column, self.rule, self.message)
