"""PX303: loading the plugin imports a package that is not its own, seen when it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import closures
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for line in subject.sandbox.of("import"):
        message = f"while {line['phase']}, the plugin imports '{line['name']}'"
        yield RULE.finding(subject.reported_place(line), message)


RULE = Rule(
    id="PX303",
    name="sdk-at-load",
    reason=(
        "The check loads the plugin where no package but its own can be imported. What is imported by a "
        "string, or by a "
        "function that runs at load, is seen here and nowhere else."
    ),
    expected="the standard library, the plugin API and the plugin's own modules",
    fix="Import it inside the function that uses it, behind require_sdk.",
    positive=closures(
        "from collections.abc import Sequence\n",
        "from collections.abc import Sequence\nfrom importlib import import_module\n\n"
        "try:\n    ACME = import_module('acme')\nexcept ImportError:\n    pass\n",
    ),
    near_miss=closures(
        "    from my_pkg.worker import",
        "    from importlib import import_module\n\n    import_module('acme')\n    from my_pkg.worker import",
    ),
    check=_check,
    needs_loading=True,
)
