"""PX103: a name or an attribute that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import worker
from pipelex.checking.rules.rule import Rule
from pipelex.checking.type_findings import type_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    return type_findings(RULE, subject)


RULE = Rule(
    id="PX103",
    name="unknown-name",
    reason=(
        "A name that is not published may exist in the version that is installed today. It is nobody's "
        "promise, and the "
        "next version may be without it."
    ),
    expected="a name that is published",
    fix="Look the name up in docs/spi.md. What is missing there is a gap to report, not one to reach around.",
    positive=worker("job.prompt.user_text", "job.prompt.text"),
    near_miss=worker("import acme\n", "import acme\nimport acme_extras.of.any.kind\n"),
    check=_check,
)
