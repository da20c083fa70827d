"""PX104: a function without types, inside which nothing can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.rules.rule import Rule
from pipelex.checking.type_findings import type_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    return type_findings(RULE, subject)


RULE = Rule(
    id="PX104",
    name="missing-annotation",
    reason="A function without annotations takes and returns anything, and so every mistake about it passes unseen.",
    expected="an annotation on every parameter and on the result",
    fix="Annotate the function. What comes from an SDK without types may be annotated as typing.Any.",
    positive=helper("def shorten(text):\n    return text[:80]\n"),
    near_miss=helper(
        "from typing import Any\n\nfrom acme import traced\n\n\n@traced\n"
        "def shorten(answer: Any) -> Any:\n    return answer.text\n"
    ),
    check=_check,
)
