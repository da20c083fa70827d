"""PX207: something of pipelex is fetched by its name as a string."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pipelex.checking.examples import helper
from pipelex.checking.import_shapes import ROOT, is_ours
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.source import SourceModule

_IMPORTERS = {"import_module", "__import__", "resolve_name", "find_spec", "run_module", "exec", "eval", "compile"}
_RUNNERS = {"exec", "eval", "compile"}


def _check(subject: Subject) -> Iterator[Finding]:
    for module in subject.modules:
        for node in module.nodes:
            if isinstance(node, ast.Call):
                name = _called(module, node.func)
                texts = [
                    _text(subject, module, argument) for argument in (*node.args, *(k.value for k in node.keywords))
                ]
                if name in _IMPORTERS and any(_names_ours(text, loosely=name in _RUNNERS) for text in texts):
                    yield RULE.finding(module.place(node), f"'{name}' fetches something of pipelex by a string")
                elif name in {"get", "pop"} and _is_sys_modules(module, node.func) and any(map(_names_ours, texts)):
                    yield RULE.finding(module.place(node), "'sys.modules' gives a module of pipelex")
            elif isinstance(node, ast.Subscript) and _is_our_item(subject, module, node):
                yield RULE.finding(module.place(node), "'sys.modules' gives a module of pipelex")


def _called(module: SourceModule, func: ast.expr) -> str:
    """Return the name that a function was imported under, whatever it is called here."""
    if isinstance(func, ast.Attribute):
        return func.attr
    if isinstance(func, ast.Name):
        one = module.bindings.get(func.id)
        return one.name if one is not None and one.name is not None else func.id
    return ""


def _is_our_item(subject: Subject, module: SourceModule, node: ast.Subscript) -> bool:
    return _is_modules(module, node.value) and _names_ours(_text(subject, module, node.slice))


def _is_sys_modules(module: SourceModule, func: ast.expr) -> bool:
    return isinstance(func, ast.Attribute) and _is_modules(module, func.value)


def _is_modules(module: SourceModule, node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "modules"
    one = module.bindings.get(node.id) if isinstance(node, ast.Name) else None
    return one is not None and (one.module, one.name) == ("sys", "modules")


def _text(subject: Subject, module: SourceModule, node: ast.expr) -> str:
    """Return a string, or what it begins with, as far as it can be read."""
    if isinstance(node, ast.JoinedStr):
        return _text(subject, module, node.values[0]) if node.values else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        return _text(subject, module, node.left)
    value = subject.constant(module, node)
    return value if isinstance(value, str) else ""


def _names_ours(text: str, *, loosely: bool = False) -> bool:
    if loosely:
        return f"import {ROOT}" in text or f"from {ROOT}" in text or f"{ROOT}." in text
    return is_ours(text.partition(":")[0])


RULE = Rule(
    id="PX207",
    name="dynamic-import",
    reason="No type checker follows a name in a string, so nobody learns that the plugin uses it, or that it is gone.",
    expected="an import statement",
    fix="Import the name from its module; inside a function, where it is needed only there.",
    positive=helper('from importlib import import_module\n\nHUB = import_module("pipelex.hub")\n'),
    near_miss=helper('from importlib import import_module\n\nACME = import_module("acme.pipelex")\n'),
    check=_check,
)
