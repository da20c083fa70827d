"""PX209: the type checker is silenced where the plugin touches the plugin API."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from pipelex.checking.examples import plugin
from pipelex.checking.import_shapes import is_ours
from pipelex.checking.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.subject import Subject
    from pipelex.reading.source import SourceModule

_IGNORE = re.compile(r"#\s*(type:\s*ignore|pyright:\s*ignore|ty:\s*ignore)")
_WHOLE_FILE = re.compile(r"#\s*(mypy:\s*|pyright:\s*(basic|standard|report|false|ignore))")


def _check(subject: Subject) -> Iterator[Finding]:
    for module in subject.modules:
        first = min((node.lineno for node in module.tree.body), default=0)
        for line, column, text in module.comments:
            place = module.place_at(line, column, column + len(text))
            alone = not module.lines[line - 1][: column - 1].strip()
            if _WHOLE_FILE.match(text) and alone:
                yield RULE.finding(place, "the file changes the type checker's settings")
            elif not _IGNORE.search(text):
                continue
            elif alone and line < first:
                yield RULE.finding(place, "the type checker is silenced for the whole file")
            elif line in _lines_that_touch(subject, module):
                yield RULE.finding(place, "the type checker is silenced on a line that touches the plugin API")
        if "no_type_check" in module.text:
            yield from _unchecked(module)


def _unchecked(module: SourceModule) -> Iterator[Finding]:
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                if ast.unparse(decorator).rpartition(".")[2] == "no_type_check":
                    yield RULE.finding(module.place(decorator), "'no_type_check' silences the type checker")


def _lines_that_touch(subject: Subject, module: SourceModule) -> set[int]:
    """Return the lines of the statements that use a published name, or something whose type is one."""
    published = {name for name in module.bindings if is_ours(module.bindings[name].module)}
    lines = _lines_that_use(published, module.nodes)
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            typed = {one.arg for one in arguments if one.annotation is not None and _touches(one.annotation, published)}
            lines |= _lines_that_use(typed, ast.walk(node)) if typed else set()
        elif isinstance(node, ast.ClassDef) and subject.published_base(module, node):
            for method in node.body:  # a hook's signature is the base's business
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines |= {*_own_lines(method), *_lines_that_use({"self"}, ast.walk(method))}
    return lines


def _lines_that_use(names: set[str], nodes: Iterable[ast.AST]) -> set[int]:
    return {line for node in nodes if isinstance(node, ast.stmt) and _touches(node, names) for line in _own_lines(node)}


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
        "An ignore on a line that uses the plugin API hides exactly what this check is for. An ignore "
        "that an SDK's own "
        "types make necessary is the author's business and stays unnoticed, needed or not."
    ),
    expected="code that needs no ignore",
    fix="Take the comment away and fix what mypy then says; put an ignore for the SDK on a line of its own.",
    positive=plugin("make_worker=make_acme_worker)", "make_worker=make_acme_worker)  # type: ignore[arg-type]"),
    near_miss={
        "src/my_pkg/helper.py": "from acme import count\n\n"
        "NUMBER: int = count(1)  # type: ignore[call-arg]  # of the SDK\n"
    },
    check=_check,
)
