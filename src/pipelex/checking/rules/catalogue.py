"""All rules, in the order of their ids."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.checking.rules.rule import Rule

GROUPS = {
    "PX1": "Types",
    "PX2": "Imports",
    "PX3": "Purity of register",
    "PX4": "Packaging",
    "PX5": "Call shapes",
    "PX9": "Waivers",
}
"""The groups of rules by the beginning of their ids."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return every rule: a file of this folder each."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("px*.py"))
    return tuple(import_module(f"{__package__}.{name}").RULE for name in names)


def rule_named(rule_id: str) -> Rule | None:
    """Return a rule by its id or its name, in any case.

    Args:
        rule_id: The id or the name.
    """
    wanted = rule_id.strip().lower()
    return next((rule for rule in all_rules() if wanted in (rule.id.lower(), rule.name)), None)
