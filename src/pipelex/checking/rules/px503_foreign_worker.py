"""PX503: a make_worker that builds the worker of another family than it is registered for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.plugin_code import Contribution


def _check(subject: Subject) -> Iterator[Finding]:
    families = subject.spi.families
    for made in subject.contributions:
        if made.kind != "backend" or made.function is None or made.family not in families:
            continue
        for node, name, bases in _built(subject, made):
            foreign = [family for family, base in families.items() if base in bases and family != made.family]
            if foreign and families[made.family] not in bases:
                message = f"'{made.function.name}' serves {made.family} and gives '{name}', a worker of {foreign[0]}"
                expected = f"a worker that derives from {families[made.family]}"
                yield RULE.finding(made.module.place(node), message, expected=expected)


def _built(subject: Subject, made: Contribution) -> Iterator[tuple[ast.AST, str, set[str]]]:
    """Yield the classes that a function says to return, and does, each with the published classes above it."""
    function = made.function
    if function is None:
        return
    names: list[tuple[ast.AST, ast.expr | None]] = [(function, function.returns)]
    returned = (node for node in ast.walk(function) if isinstance(node, ast.Return))
    names += [(node, node.value.func) for node in returned if isinstance(node.value, ast.Call)]
    for node, name in names:
        if not isinstance(name, ast.Name):
            continue
        symbol = subject.published(made.module, name.id)
        found = subject.resolve(made.module, name.id)
        if symbol:
            yield node, name.id, {symbol.partition(":")[2]}
        elif found is not None and isinstance(found[1], ast.ClassDef):
            yield node, name.id, subject.published_base(found[0], found[1])


RULE = Rule(
    id="PX503",
    name="foreign-worker",
    reason=(
        "A backend is registered for one family, and the caller is given a worker of that family. make_worker may be "
        "annotated with the base of all workers, so no type checker sees what it builds."
    ),
    expected="a worker of the family that it is registered for",
    fix="Register it for the worker's own family, or build a worker of the family that it is registered for.",
    positive=plugin("family=InferenceFamily.LLM", "family=InferenceFamily.SEARCH"),
    near_miss=plugin("family=InferenceFamily.LLM", "family=InferenceFamily['LLM']"),
    check=_check,
)
