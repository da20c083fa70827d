"""PX9xx: the comments that waive a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _found_by_waivers(_rule: Rule, _subject: Subject) -> Iterable[Finding]:
    return ()  # waivers are read when all other rules have run: see pipelex.checking.waivers


UNNEEDED_WAIVER = Rule(
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
    check=_found_by_waivers,
)


UNREADABLE_WAIVER = Rule(
    id="PX902",
    name="unreadable-waiver",
    reason="A waiver is read by the next author, who has to learn why the rule does not hold here.",
    expected="# pipelex: allow[ID] and the reason, in words",
    fix="Name rules by their id, as in PX201, and give the reason behind the bracket.",
    positive=helper("from pipelex.hub import get_hub  # pipelex: allow[PX201]\n\nHUB = get_hub\n"),
    near_miss=helper(
        "# pipelex: allow[PX201] nothing published gives the hub's version\n"
        "from pipelex.hub import get_hub\n\nHUB = get_hub\n"
    ),
    check=_found_by_waivers,
)


RULES = (
    UNNEEDED_WAIVER,
    UNREADABLE_WAIVER,
)
