"""PX201: a module that is not part of the plugin API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.import_shapes import findings_of
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    return findings_of(RULE, subject)


RULE = Rule(
    id="PX201",
    name="outside-spi",
    reason=(
        "What is not published is ours to change in any release. A plugin that reaches for it breaks "
        "without any change "
        "of the API version, and its users cannot tell why."
    ),
    expected="a symbol of docs/spi.md",
    fix="Use what is published. What is missing there is a gap in the plugin API: report it.",
    positive=helper("from pipelex.hub import get_hub\n\nHUB = get_hub\n"),
    near_miss=helper("from pipelex_extras.hub import get_hub\n\nHUB = get_hub\n"),
    check=_check,
)
