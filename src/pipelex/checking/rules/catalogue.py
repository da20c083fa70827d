"""All rules, in the order of their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.rules import hooks, imports, packaging, register, shapes, types, waivers

if TYPE_CHECKING:
    from pipelex.checking.rules.rule import Rule

GROUPS = {
    "PX1": "Types",
    "PX2": "Imports",
    "PX3": "Purity of register",
    "PX4": "Packaging",
    "PX5": "Call shapes",
    "PX6": "Async functions",
    "PX9": "Waivers",
}
"""The groups of rules by the beginning of their ids."""


RULES: tuple[Rule, ...] = (
    *types.RULES,
    *imports.RULES,
    *register.RULES,
    *packaging.RULES,
    *shapes.RULES,
    *hooks.RULES,
    *waivers.RULES,
)


def rule_named(rule_id: str) -> Rule | None:
    """Return a rule by its id or its name, in any case.

    Args:
        rule_id: The id or the name.
    """
    wanted = rule_id.strip().lower()
    return next((rule for rule in RULES if wanted in (rule.id.lower(), rule.name)), None)
