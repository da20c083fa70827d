"""Members of classes: hooks, methods and fields that were renamed, made async, wrapped or newly asked for."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelex.upgrading.edits import Kept
from pipelex.upgrading.rewrites.parameters import need
from pipelex.upgrading.rewrites.step import plain
from pipelex.upgrading.rewrites.uses import leave_strings, leave_values

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
    for node in [*(node.attr for node in step.members(change.symbol)), *step.assigned(change.symbol)]:
        step.replace(source.start(node), source.end(node), new, change, what)
    if change.kind == "field-renamed":
        for call in [*step.calls(owner), *step.replaced(owner), *step.partials(owner)]:
            for item in call.args:
                if item.keyword is not None and item.keyword.value == old:
                    step.replace(source.start(item.keyword), source.end(item.keyword), new, change, what)
        for key in step.matched(owner, old):
            step.replace(source.start(key), source.end(key), new, change, what)
    leave_strings(step, change, old)


def turn_async(step: Step, change: ApiChange) -> None:
    """Make implementations async, or no longer, and await the calls, or no longer."""
    wanted = change.new == "async"
    symbol = plain(change.symbol)
    calls = step.all_calls(symbol)
    for function in step.implementations(symbol):
        if wanted and function.asynchronous is None:
            _make_async(step, function, change)
        elif not wanted and function.asynchronous is not None:
            _make_plain(step, function, calls, change)
    for one in step.lambdas(symbol):
        if one.body not in calls:
            step.leave(one, change, f"write a function that is {change.new}: a lambda cannot be")
    for call in calls:
        _await(step, call, change) if wanted else _no_longer_await(step, call, change)
    leave_values(step, change, f"it is {change.new} now")


def _make_async(step: Step, function: cst.FunctionDef, change: ApiChange) -> None:
    if _is_generator(step, function):
        step.leave(function, change, "it is a generator")
        return
    if re.search(r"(?<!\w)((asyncio|anyio|trio)\.run|run_until_complete)\(", step.source.code(function.body)):
        step.leave(function, change, "it runs an event loop in here: await what it runs")
    at = _def_at(step, function)
    step.replace(at, at, "async ", change, f"{function.name.value} is async")


def _make_plain(step: Step, function: cst.FunctionDef, calls: list[cst.Call], change: ApiChange) -> None:
    import libcst as cst

    assert function.asynchronous is not None
    awaited = [
        node
        for node in _inside(step, function, cst.Await, cst.Asynchronous)
        if node is not function.asynchronous
        and not (isinstance(node, cst.Await) and any(node.expression is call for call in calls))
    ]
    if awaited:
        step.leave(function, change, "it awaits in here")
        return
    at = step.source.start(function.asynchronous)
    step.replace(at, _def_at(step, function), "", change, f"{function.name.value} is not async")


def _is_generator(step: Step, function: cst.FunctionDef) -> bool:
    import libcst as cst

    return bool(_inside(step, function, cst.Yield))


def _inside(step: Step, function: cst.FunctionDef, *kinds: type[cst.CSTNode]) -> list[cst.CSTNode]:
    """Return the nodes of some kinds in a function, those of the functions inside it left out."""
    import libcst as cst

    def owner(node: cst.CSTNode) -> cst.CSTNode | None:
        around = step.source.ancestors(node)
        return next((item for item in around if isinstance(item, cst.FunctionDef | cst.Lambda)), None)

    return [node for node in step.source.nodes(*kinds) if owner(node) is function]


def _def_at(step: Step, function: cst.FunctionDef) -> int:
    """Return the offset of ``def``, behind the decorators."""
    return step.source.text.rfind("def", 0, step.source.start(function.name))


def _await(step: Step, call: cst.Call, change: ApiChange) -> None:
    import libcst as cst

    around = step.source.parent(call)
    symbol = plain(change.symbol)
    if isinstance(around, cst.Await) or (isinstance(around, cst.Lambda) and around in step.lambdas(symbol)):
        return
    function = next(
        (item for item in step.source.ancestors(call) if isinstance(item, cst.FunctionDef | cst.Lambda | cst.ClassDef)),
        None,
    )
    becomes_async = any(implementation is function for implementation in step.implementations(symbol))
    if not isinstance(function, cst.FunctionDef) or (function.asynchronous is None and not becomes_async):
        step.leave(call, change, "await it: the function around it is not async")
        return
    needs_brackets = isinstance(
        around, cst.Attribute | cst.Subscript | cst.Call | cst.BinaryOperation | cst.UnaryOperation
    )
    start, end = step.source.start(call), step.source.end(call)
    parts = ("(await ", Kept(start, end), ")") if needs_brackets else ("await ", Kept(start, end))
    step.replace_parts(start, end, parts, change, "awaits it", rank=AWAIT)


def _no_longer_await(step: Step, call: cst.Call, change: ApiChange) -> None:
    import libcst as cst

    around = step.source.parent(call)
    if isinstance(around, cst.Await):
        step.replace(step.source.start(around), step.source.start(call), "", change, "does not await it")


AWAIT, WRAP = 1, 2
"""Which of two edits of one expression is the outer one."""


def wrap_return(step: Step, change: ApiChange) -> None:
    """Wrap what implementations return; callers have to unwrap it."""
    symbol = plain(change.symbol)
    calls = step.all_calls(symbol)
    wrapped: list[cst.BaseExpression] = []
    for function in step.implementers(symbol):
        if "{}" in change.migration:
            wrapped += _Wrapping(step, change, calls).wrap(function)
        else:
            step.leave(function, change, change.todo or f"return '{change.new}'")
    for call in calls:
        if not any(call is value for value in wrapped):
            step.leave(call, change, f"it returns '{change.new}' now, no longer '{change.old}'")
    leave_values(step, change, f"it returns '{change.new}' now, no longer '{change.old}'")


@dataclass
class _Wrapping:
    """Wraps the values that functions return, except those that are wrapped already.

    Attributes:
        step: The module.
        change: The change.
        calls: The calls that return a wrapped value now.
    """

    step: Step
    change: ApiChange
    calls: list[cst.Call]

    def wrap(self, function: cst.FunctionDef | cst.Lambda) -> list[cst.BaseExpression]:
        """Wrap what a function returns.

        Returns:
            The calls among it, whose values are passed on as they are.
        """
        import libcst as cst

        step, change = self.step, self.change
        if isinstance(function, cst.Lambda):
            return self._wrap(function.body)
        if self._is_async and function.asynchronous is None:
            step.leave(function, change, f"what it returns is awaited: write an async function, '{change.new}'")
            return []
        if _is_generator(step, function):
            step.leave(function, change, "it is a generator")
            return []
        passed: list[cst.BaseExpression] = []
        for node in _inside(step, function, cst.Return):
            assert isinstance(node, cst.Return)
            if node.value is not None:
                passed += self._wrap(node.value)
            elif not _takes_none(change.new):
                step.leave(node, change, f"it has to return '{change.new}'")
        self._annotate(function)
        return passed

    def _wrap(self, value: cst.BaseExpression) -> list[cst.BaseExpression]:
        """Wrap an expression; return the calls in it that give a wrapped value already."""
        import libcst as cst

        step, change = self.step, self.change
        if isinstance(value, cst.IfExp):
            return [*self._wrap(value.body), *self._wrap(value.orelse)]
        bare = value.expression if isinstance(value, cst.Await) else value
        if any(bare is call for call in self.calls):
            return [bare]
        if isinstance(bare, cst.Name) and (origins := self._origins(bare)):
            return origins
        if (isinstance(bare, cst.Name) and bare.value == "None" and _takes_none(change.new)) or self._is_wrapped(bare):
            return []
        if self._is_async and self._in_lambda(value):
            step.leave(value, change, f"a lambda cannot be async: write a function that returns '{change.new}'")
            return []
        head, _, tail = change.migration.strip().partition("{}")
        if isinstance(value, cst.Tuple) and not value.lpar:
            head, tail = f"{head}(", f"){tail}"
        start, end = step.outer(value)
        step.replace_parts(start, end, (head, Kept(start, end), tail), change, f"returns {change.new}", rank=WRAP)
        need(step, change.migration, change, runtime=True)
        return []

    @property
    def _is_async(self) -> bool:
        """Whether what an implementation returns is awaited."""
        signature = self.step.old.tree.signature(plain(self.change.symbol))
        return signature is not None and signature.is_async

    def _in_lambda(self, value: cst.BaseExpression) -> bool:
        import libcst as cst

        around = (item for item in self.step.source.ancestors(value) if isinstance(item, cst.FunctionDef | cst.Lambda))
        return isinstance(next(around, None), cst.Lambda)

    def _is_wrapped(self, value: cst.BaseExpression) -> bool:
        """Return whether a value is written as the entry writes it, which an earlier run did."""
        import libcst as cst

        name = self.change.migration.strip().partition("(")[0]
        return isinstance(value, cst.Call) and self.step.source.code(value.func) == name

    def _origins(self, name: cst.Name) -> list[cst.BaseExpression]:
        """Return the calls that a local variable is the value of, where it is used for nothing but to return it."""
        import libcst as cst

        scope = self.step.source.scope(name)
        bound = [item for item in scope.assignments if item.name == name.value] if scope is not None else []
        found: list[cst.BaseExpression] = []
        for item in bound:
            statement = self.step.source.parent(self.step.source.parent(getattr(item, "node", name)) or name)
            value = statement.value if isinstance(statement, cst.Assign) and len(statement.targets) == 1 else None
            value = value.expression if isinstance(value, cst.Await) else value
            uses = [self.step.source.parent(access.node) for access in item.references]
            if not any(value is call for call in self.calls) or not all(isinstance(use, cst.Return) for use in uses):
                return []
            assert value is not None
            found.append(value)
        return found

    def _annotate(self, function: cst.FunctionDef) -> None:
        import libcst as cst

        if function.returns is None:
            return
        step, annotation = self.step, function.returns.annotation
        old, new = step.source.code(annotation), self.change.new
        if old == "None" and _takes_none(new):
            return
        if _takes_none(new) and _takes_none(self.change.old) and not _takes_none(old.strip("\"'")):
            new = " | ".join(part for part in _members(new) if part != "None")
        text = f'"{new}"' if isinstance(annotation, cst.SimpleString) else new
        start, end = step.source.start(annotation), step.source.end(annotation)
        step.replace(start, end, text, self.change, f"returns {new}", rank=1)
        need(step, new, self.change)


def _members(union: str) -> list[str]:
    return [part.strip() for part in union.split("|")]


def _takes_none(annotation: str) -> bool:
    return "None" in _members(annotation) or annotation.startswith("Optional[")


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
