"""Members of classes: hooks, methods and fields that were renamed, made async, wrapped or newly asked for."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from pipelex.upgrading.rewrites.parameters import need
from pipelex.upgrading.rewrites.step import plain

if TYPE_CHECKING:
    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step

RENAMES = frozenset({"method-renamed", "hook-renamed", "field-renamed", "enum-member-renamed"})


def rename(step: Step, change: ApiChange) -> None:
    """Rename a member where it is defined, where it is used, and where a record is built with it."""
    owner, _, old = change.symbol.rpartition(".")
    new, source, what = change.new, step.source, f"{old} is {change.new}"
    for function in step.implementations(change.symbol):
        step.replace(source.start(function.name), source.end(function.name), new, change, what)
    for node in step.members(change.symbol):
        step.replace(source.start(node.attr), source.end(node.attr), new, change, what)
    if change.kind == "field-renamed":
        for call in step.calls({owner}):
            for item in call.args:
                if item.keyword is not None and item.keyword.value == old:
                    step.replace(source.start(item.keyword), source.end(item.keyword), new, change, what)
    _leave_strings(step, change, old)


def _leave_strings(step: Step, change: ApiChange, name: str) -> None:
    """Leave a member that is named in a string to the author: nobody can tell whose it is."""
    import libcst as cst

    for node in step.source.nodes(cst.Call):
        assert isinstance(node, cst.Call)
        if step.source.code(node.func) in {"getattr", "setattr", "hasattr", "delattr"} and len(node.args) > 1:
            value = node.args[1].value
            if isinstance(value, cst.SimpleString) and value.evaluated_value == name:
                step.leave(node, change, f"'{name}' is named in a string")


def turn_async(step: Step, change: ApiChange) -> None:
    """Make implementations async, or no longer, and await the calls, or no longer."""
    wanted = change.new == "async"
    symbol = plain(change.symbol)
    for function in step.implementations(symbol):
        if wanted and function.asynchronous is None:
            _make_async(step, function, change)
        elif not wanted and function.asynchronous is not None:
            _make_plain(step, function, change)
    for call in step.calls({symbol}):
        _await(step, call, change) if wanted else _no_longer_await(step, call, change)


def _make_async(step: Step, function: cst.FunctionDef, change: ApiChange) -> None:
    if re.search(r"\byield\b", step.source.code(function.body)):
        step.leave(function, change, "it is a generator")
        return
    at = _def_at(step, function)
    step.replace(at, at, "async ", change, f"{function.name.value} is async")


def _make_plain(step: Step, function: cst.FunctionDef, change: ApiChange) -> None:
    if re.search(r"\b(await|async)\b", step.source.code(function.body)) or function.asynchronous is None:
        step.leave(function, change, "it awaits in here")
        return
    at = step.source.start(function.asynchronous)
    step.replace(at, _def_at(step, function), "", change, f"{function.name.value} is not async")


def _def_at(step: Step, function: cst.FunctionDef) -> int:
    """Return the offset of ``def``, decorators left behind."""
    return step.source.text.rfind("def", 0, step.source.start(function.name))


def _await(step: Step, call: cst.Call, change: ApiChange) -> None:
    import libcst as cst

    around = step.source.parent(call)
    if isinstance(around, cst.Await):
        return
    function = next(
        (item for item in step.source.ancestors(call) if isinstance(item, cst.FunctionDef | cst.Lambda | cst.ClassDef)),
        None,
    )
    becomes_async = isinstance(function, cst.FunctionDef) and any(
        implementation is function for implementation in step.implementations(plain(change.symbol))
    )
    if not isinstance(function, cst.FunctionDef) or (function.asynchronous is None and not becomes_async):
        step.leave(call, change, "await it: the function around it is not async")
        return
    start, end = step.source.start(call), step.source.end(call)
    needs_brackets = isinstance(
        around, cst.Attribute | cst.Subscript | cst.Call | cst.BinaryOperation | cst.UnaryOperation
    )
    step.replace(start, start, "(await " if needs_brackets else "await ", change, "awaits it")
    if needs_brackets:
        step.replace(end, end, ")", change, "awaits it")


def _no_longer_await(step: Step, call: cst.Call, change: ApiChange) -> None:
    import libcst as cst

    around = step.source.parent(call)
    if isinstance(around, cst.Await):
        step.replace(step.source.start(around), step.source.start(call), "", change, "does not await it")


def wrap_return(step: Step, change: ApiChange) -> None:
    """Wrap what implementations return; whoever calls one has to take it out of its wrapping again."""
    import libcst as cst

    symbol = plain(change.symbol)
    implementations = list(step.implementations(symbol))
    for function in implementations:
        if not change.migration or "{}" not in change.migration:
            step.leave(function, change, change.todo or f"return '{change.new}'")
            continue
        _wrap_in(step, function, change)
    for call in step.calls({symbol}):
        inside = next((item for item in step.source.ancestors(call) if isinstance(item, cst.FunctionDef)), None)
        statement = next((item for item in step.source.ancestors(call) if not isinstance(item, cst.Await)), None)
        if not (any(inside is function for function in implementations) and isinstance(statement, cst.Return)):
            step.leave(call, change, f"it returns '{change.new}' now, no longer '{change.old}'")


def _wrap_in(step: Step, function: cst.FunctionDef, change: ApiChange) -> None:
    import libcst as cst

    source = step.source
    head, _, tail = change.migration.strip().partition("{}")
    if re.search(r"\byield\b", source.code(function.body)):
        step.leave(function, change, "it is a generator")
        return
    for node in source.nodes(cst.Return):
        assert isinstance(node, cst.Return)
        around = next(item for item in source.ancestors(node) if isinstance(item, cst.FunctionDef | cst.Lambda))
        if around is not function:
            continue
        if node.value is None:
            step.leave(node, change, f"it has to return '{change.new}'")
            continue
        value = node.value.expression if isinstance(node.value, cst.Await) else node.value
        if isinstance(value, cst.Call) and any(value is call for call in step.calls({plain(change.symbol)})):
            continue  # the base's own answer is wrapped already
        start, end = _outer(step, node.value)
        step.replace(start, start, head, change, f"returns {change.new}")
        step.replace(end, end, tail, change, f"returns {change.new}")
    need(step, change.migration, change, runtime=True)
    if function.returns is not None:
        annotation = function.returns.annotation
        quoted = isinstance(annotation, cst.SimpleString)
        text = f'"{change.new}"' if quoted else change.new
        step.replace(source.start(annotation), source.end(annotation), text, change, f"returns {change.new}")
        need(step, change.new, change)


def _outer(step: Step, node: cst.BaseExpression) -> tuple[int, int]:
    """Return where an expression stands, the brackets around it included."""
    start, end = step.source.start(node), step.source.end(node)
    for _ in node.lpar:
        start = step.source.text.rfind("(", 0, start)
        end = step.source.text.find(")", end) + 1
    return start, end


def add_member(step: Step, change: ApiChange) -> None:
    """Write a member that every class of a kind must now have."""
    import libcst as cst

    owner, _, name = change.symbol.rpartition(".")
    for node in step.derived(owner):
        bases = step.index.classes[step.source.definition(node)]
        inherits_it = any(not base.startswith("pipelex.") for base in bases[1 : bases.index(owner)])
        own = {item.name.value for item in node.body.body if isinstance(item, cst.FunctionDef)}
        if inherits_it or name in own:
            continue
        if not change.migration or not isinstance(node.body, cst.IndentedBlock):
            step.leave(node, change, change.todo or f"write '{name}'")
            continue
        last = node.body.body[-1]
        indent = step.source.indent_at(step.source.start(node.body.body[0]))
        at = step.source.line_end(step.source.end(last))
        code = textwrap.indent(textwrap.dedent(change.migration).strip("\n"), indent)
        step.replace(at, at, f"\n\n{code}", change, f"has {name}")
        need(step, _code_of(change.migration), change, runtime=True)


def _code_of(text: str) -> str:
    """Leave out comments and strings: what they mention need not be imported."""
    return re.sub(r'""".*?"""|"[^"\n]*"|\'[^\'\n]*\'|#[^\n]*', "", text, flags=re.DOTALL)
