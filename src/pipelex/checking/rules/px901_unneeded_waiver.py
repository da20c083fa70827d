"""PX901: a waiver that waives nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(_subject: Subject) -> Iterable[Finding]:
    return ()  # what a waiver waives is known when all rules have spoken: see waivers.py


RULE = Rule(
    id="PX901",
    name="unneeded-waiver",
    reason="A waiver outlives what it was written for, and then lets the next mistake on its line pass unseen.",
    expected="a waiver only where the rule finds something",
    fix="Take the comment away.",
    positive=helper("COUNT = 1  # pipelex: allow[PX201] the hub is needed here\n"),
    near_miss=helper(
        "from pipelex.hub import get_hub  # pipelex: allow[PX201] nothing published gives the hub's version\n\n"
        "HUB = get_hub\n"
    ),
    check=_check,
)
