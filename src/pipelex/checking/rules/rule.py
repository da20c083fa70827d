"""What a rule is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelex.checking.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipelex.checking.findings import Severity
    from pipelex.checking.subject import Subject
    from pipelex.reading.place import Place


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule, one id, one entry of ``docs/rules.md``.

    Attributes:
        id: ``PX`` and three digits; the first one names the group.
        name: A few words, in lower case with hyphens.
        reason: Why the rule is there, in whole sentences.
        expected: What is expected instead, unless a finding knows better.
        fix: How to fix it, unless a finding knows better.
        positive: Files, laid over the sample plugin, in which the rule finds something.
        near_miss: Files, laid likewise, that look alike and are legal.
        check: Finds it; it gets the rule, by which several rules share one function.
        severity: A note never changes the exit code.
        needs_loading: Whether it finds nothing where the plugin is not loaded.
    """

    id: str
    name: str
    reason: str
    expected: str
    fix: str
    positive: dict[str, str]
    near_miss: dict[str, str]
    check: Callable[[Rule, Subject], Iterable[Finding]]
    severity: Severity = "error"
    needs_loading: bool = False

    @property
    def page(self) -> str:
        """The rule's entry in the documentation."""
        return f"docs/rules.md#{self.id.lower()}"

    def finding(
        self,
        place: Place,
        message: str,
        *,
        expected: str = "",
        fix: str = "",
        covers: tuple[str, ...] = (),
        last_line: int = 0,
        severity: Severity | None = None,
    ) -> Finding:
        """Make a finding of this rule.

        Args:
            place: Where.
            message: What is wrong.
            expected: What was expected; the rule's own words if not given.
            fix: How to fix it; the rule's own words if not given.
            covers: Fragments of other messages about the same thing.
            last_line: The last line on which a waiver counts.
            severity: Whether it counts; as the rule's other findings if not given.
        """
        return Finding(
            rule=self.id,
            name=self.name,
            severity=severity or self.severity,
            place=place,
            message=message,
            expected=expected or self.expected,
            fix=fix or self.fix,
            covers=covers,
            last_line=last_line,
        )
