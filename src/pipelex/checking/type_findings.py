"""From mypy's errors to findings: each code of mypy's belongs to one of the PX1xx rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.rules.rule import Rule
    from pipelex.checking.subject import Subject

RULE_OF_CODE = {
    "call-arg": "PX101",
    "arg-type": "PX101",
    "call-overload": "PX101",
    "typeddict-item": "PX101",
    "override": "PX102",
    "attr-defined": "PX103",
    "union-attr": "PX103",
    "name-defined": "PX103",
    "import-not-found": "PX103",
    "import-untyped": "PX103",
    "no-untyped-def": "PX104",
    "no-untyped-call": "PX104",
    "type-arg": "PX104",
    "var-annotated": "PX104",
    "abstract": "PX105",
}
"""The rules of mypy's codes; any other code is PX100."""

TYPE_RULES = frozenset({"PX100", *RULE_OF_CODE.values()})


def type_findings(rule: Rule, subject: Subject) -> Iterator[Finding]:
    """Yield mypy's errors that fall under a rule.

    Args:
        rule: The rule.
        subject: What to look at.
    """
    for error in subject.mypy_errors:
        if RULE_OF_CODE.get(error.code, "PX100") != rule.id:
            continue
        module = subject.target.module_at(Path(error.file))
        if module is not None:
            place = module.place_at(error.line, error.column, error.end_column)
            message = f"{error.message}  [mypy: {error.code}]"
            yield rule.finding(place, message, expected=" ".join(error.hint.split()))
