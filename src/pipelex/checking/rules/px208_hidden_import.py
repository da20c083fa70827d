"""PX208: an import that the type checker does not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.import_shapes import imports_of_ours
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for module, one in imports_of_ours(subject):
        if one.hidden:
            message = f"'{one.name or one.module}' is imported where no type checker looks"
            yield RULE.finding(module.place(one.node), message, last_line=one.node.end_lineno or 0)


RULE = Rule(
    id="PX208",
    name="hidden-import",
    reason="Under 'if not TYPE_CHECKING' a type checker sees nothing, so nothing there is held to what is published.",
    expected="an import that the type checker sees as well",
    fix="Import the name once, outside the guard, or under 'if TYPE_CHECKING' where it is used in annotations alone.",
    positive=helper(
        "from typing import TYPE_CHECKING\n\nif not TYPE_CHECKING:\n"
        "    from pipelex.plugins.model_handle import ModelHandle\n"
    ),
    near_miss=helper(
        "from __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
        "    from pipelex.plugins.model_handle import ModelHandle\n\n\n"
        "def sdk_of(handle: ModelHandle) -> str:\n    return handle.sdk\n"
    ),
    check=_check,
)
