"""PX205: everything that a module happens to hold."""

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
    id="PX205",
    name="star-import",
    reason="Nobody can tell which names of the plugin API a module uses that imports them all.",
    expected="the names that are used",
    fix="Import each name that is used.",
    positive=helper("from pipelex.plugins.registrar import *\n"),
    near_miss=helper("from acme import *\n"),
    check=_check,
)
