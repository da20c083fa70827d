"""PX402: the entry point names something that is no plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.checking.examples import pyproject
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject


def _check(subject: Subject) -> Iterator[Finding]:
    for one in subject.plugins:
        failed = [line for line in subject.sandbox.of("failed", one.index) if line["step"] == "entry point"]
        if one.problem:
            yield RULE.finding(one.entry.place or one.place, f"the entry point names no plugin: {one.problem}")
        elif failed:
            message = f"the entry point names no plugin: {failed[0]['error']}: {failed[0]['message']}"
            yield RULE.finding(one.entry.place or one.place, message)


RULE = Rule(
    id="PX402",
    name="no-plugin",
    reason=(
        "The entry point has to name a plugin, or what makes one when it is called without arguments: a class, or a "
        "factory. Anything else is reported as broken at every start."
    ),
    expected="module:attribute, of an object with name, targets_api and register, or of a zero-argument factory of one",
    fix="Correct the entry point, or what it names.",
    positive=pyproject("my_pkg.plugin:AcmePlugin", "my_pkg.closures:make_acme_worker"),
    near_miss={
        **pyproject("my_pkg.plugin:AcmePlugin", "my_pkg.factory:make_plugin"),
        "src/my_pkg/factory.py": (
            "from my_pkg.plugin import AcmePlugin\n\n\n"
            "def make_plugin(*, quiet: bool = True) -> AcmePlugin:\n    return AcmePlugin()\n"
        ),
    },
    check=_check,
)
