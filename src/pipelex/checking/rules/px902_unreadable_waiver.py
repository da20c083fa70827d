"""PX902: a waiver without a reason, or of a rule that there is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(_subject: Subject) -> Iterable[Finding]:
    return ()  # waivers are read when all rules have spoken: see waivers.py


RULE = Rule(
    id="PX902",
    name="unreadable-waiver",
    reason="A waiver is read by the next author, who has to learn why the rule does not hold here.",
    expected="# pipelex: allow[ID] and the reason, in words",
    fix="Name rules by their id, as in PX201, and say why behind the bracket.",
    positive=helper("from pipelex.hub import get_hub  # pipelex: allow[PX201]\n\nHUB = get_hub\n"),
    near_miss=helper(
        "# pipelex: allow[PX201] nothing published gives the hub's version\n"
        "from pipelex.hub import get_hub\n\nHUB = get_hub\n"
    ),
    check=_check,
)
