"""PX100: whatever else mypy says."""

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
    id="PX100",
    name="type-error",
    reason=(
        "What no other rule of this group names. A plugin is checked by mypy --strict against the "
        "published signatures, "
        "so that whoever calls a worker gets what its type says."
    ),
    expected="code that mypy --strict accepts",
    fix="Follow mypy's message; 'pipelex spi stubs' prints the folder of the published signatures.",
    positive=helper('def count() -> int:\n    return "one"\n'),
    near_miss=helper("import acme\n\n\ndef count() -> int:\n    return acme.count()\n"),
    check=_check,
)
