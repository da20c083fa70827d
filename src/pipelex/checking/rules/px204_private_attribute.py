"""PX204: a name or an attribute with an underscore, of something that is not the plugin's own."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeGuard

from pipelex.checking.examples import plugin
from pipelex.checking.import_shapes import findings_of
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.source import SourceModule


def _check(subject: Subject) -> Iterator[Finding]:
    yield from findings_of(RULE, subject)
    for module in subject.modules:
        for node, owner in _private_accesses(subject, module):
            yield RULE.finding(
                module.place(node),
                f"'{node.attr}' is private to {owner}",
                covers=f'has no attribute "{node.attr}"',
            )


def _private_accesses(subject: Subject, module: SourceModule) -> Iterator[tuple[ast.Attribute, str]]:
    """Yield ``x._name`` where ``x`` is a published name, or a parameter that is annotated with one."""
    for function in module.nodes:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = function.args
        typed = {
            argument.arg: symbol
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
            if isinstance(argument.annotation, ast.Name)
            and (symbol := subject.published(module, argument.annotation.id))
        }
        for node in ast.walk(function):
            if _is_private(node) and isinstance(node.value, ast.Name) and node.value.id in typed:
                yield node, f"'{typed[node.value.id].partition(':')[2]}'"
    for node in module.nodes:
        if _is_private(node) and isinstance(node.value, ast.Name):
            symbol = subject.published(module, node.value.id)
            if symbol:
                yield node, f"'{symbol.partition(':')[2]}'"


def _is_private(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__")


RULE = Rule(
    id="PX204",
    name="private-attribute",
    reason=(
        "An underscore says that a name is its owner's alone. What a plugin does to the inside of the "
        "registrar, a spec "
        "or a job does not count, or breaks with the next release."
    ),
    expected="a public name",
    fix="Use what is published. What is missing there is a gap in the plugin API: report it.",
    positive=plugin(
        "        registrar.add_model_lister", "        registrar._listers.clear()\n        registrar.add_model_lister"
    ),
    near_miss=plugin(
        "    def register(",
        '    _title = "Acme"\n\n    def title(self) -> str:\n        return self._title\n\n    def register(',
    ),
    check=_check,
)
