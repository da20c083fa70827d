"""PX209: the type checker is silenced where the plugin touches the plugin API."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.import_shapes import is_ours
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.source import SourceModule
    from pipelex.checking.subject import Subject

_IGNORE = re.compile(r"#\s*(type:\s*ignore|pyright:\s*ignore|ty:\s*ignore)")
_WHOLE_FILE = re.compile(r"#\s*(mypy:\s*|pyright:\s*(basic|standard|report|false|ignore))")


def _check(subject: Subject) -> Iterator[Finding]:
    for module in subject.modules:
        touching = _lines_that_touch(subject, module)
        first = min((node.lineno for node in module.tree.body), default=0)
        for line, column, text in module.comments:
            place = module.place_at(line, column, column + len(text))
            alone = not module.lines[line - 1][: column - 1].strip()
            if _IGNORE.search(text) and alone and line < first:
                yield RULE.finding(place, "the type checker is silenced for the whole file")
            elif _WHOLE_FILE.match(text) and alone:
                yield RULE.finding(place, "the file changes the type checker's settings")
            elif _IGNORE.search(text) and line in touching:
                yield RULE.finding(place, "the type checker is silenced on a line that touches the plugin API")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for decorator in node.decorator_list:
                    if ast.unparse(decorator).rpartition(".")[2] == "no_type_check":
                        yield RULE.finding(module.place(decorator), "'no_type_check' silences the type checker")


def _lines_that_touch(subject: Subject, module: SourceModule) -> set[int]:
    """Return the lines of the statements that use a published name, or something whose type is one."""
    lines: set[int] = set()
    published = {name for name in module.bindings if is_ours(module.bindings[name].module)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.stmt) and _touches(node, published | _typed_names(module, node, published)):
            lines.update(_own_lines(node))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and subject.published_base(module, node):
            for method in node.body:  # a hook's signature is the base's business
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines.update(_own_lines(method))
                    for child in ast.walk(method):
                        if isinstance(child, ast.stmt) and _touches(child, {"self"}):
                            lines.update(_own_lines(child))
    return lines


def _typed_names(module: SourceModule, node: ast.stmt, published: set[str]) -> set[str]:
    """Return the parameters of the functions around a statement whose annotation mentions a published name."""
    names: set[str] = set()
    for function in ast.walk(module.tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if function.lineno <= node.lineno <= (function.end_lineno or 0):
            arguments = function.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                if argument.annotation is not None and _touches(argument.annotation, published):
                    names.add(argument.arg)
    return names


def _touches(node: ast.AST, names: set[str]) -> bool:
    """Tell whether a statement uses one of some names itself; the statements in its body are on their own."""
    if isinstance(node, ast.Import):
        return any(is_ours(alias.name) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.level == 0 and is_ours(node.module or "")
    if isinstance(node, ast.Name):
        return node.id in names
    return any(_touches(child, names) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt))


def _own_lines(node: ast.stmt) -> range:
    """Return the lines of a statement; of one with a body, those of its head."""
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
        return range(node.lineno, max(body[0].lineno, node.lineno + 1))
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


RULE = Rule(
    id="PX209",
    name="ignored-type",
    reason=(
        "An ignore on a line that uses the plugin API hides exactly what this check is for. An ignore that an SDK's own "
        "types make necessary is the author's business and stays unnoticed, needed or not."
    ),
    expected="code that needs no ignore",
    mend="Take the comment away and mend what mypy then says; put an ignore for the SDK on a line of its own.",
    positive=plugin("make_worker=make_acme_worker)", "make_worker=make_acme_worker)  # type: ignore[arg-type]"),
    near_miss={
        "src/my_pkg/helper.py": "from acme import count\n\nNUMBER: int = count(1)  # type: ignore[call-arg]  # of the SDK\n"
    },
    check=_check,
)
