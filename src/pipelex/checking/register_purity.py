"""What ``register`` may consist of, read from its code alone.

Allowed: calls of menu methods on its parameter; calls of functions of the plugin's own that it hands the parameter
to and that keep to the same rules; local names, conditions and loops over values; expressions built of names,
literals, f-strings, a few builtins, ``functools.partial``, and the plugin's own functions and classes that do
nothing but build a value. Anything else is reported.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.subject import Subject
    from pipelex.reading.plugin_code import Function, Plugin
    from pipelex.reading.source import SourceModule

_BUILTINS = frozenset(
    {"bool", "dict", "enumerate", "frozenset", "int", "len", "list", "max", "min", "range", "reversed", "set"}
    | {"sorted", "str", "super", "tuple", "zip"}
)
_METHODS = frozenset(
    {"casefold", "endswith", "format", "get", "items", "join", "keys", "lower", "removeprefix", "removesuffix"}
    | {"replace", "split", "startswith", "strip", "upper", "values"}
)
"""Methods of literal tables and of strings."""
_PURE = (
    ast.Constant, ast.Name, ast.Attribute, ast.JoinedStr, ast.FormattedValue, ast.Tuple, ast.List, ast.Set, ast.Dict,
    ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.ListComp,
    ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda, ast.Call,
)  # fmt: skip


class PurityReader:
    """Reads ``register`` and what it calls.

    Args:
        subject: What is checked.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._seen: set[tuple[str, int]] = set()

    def read(self, plugin: Plugin) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        """Yield what ``register`` does beyond what it may.

        Args:
            plugin: The plugin.
        """
        if plugin.module is None or plugin.node is None:
            return
        found = self._subject.method(plugin.module, plugin.node, "register")
        if found is None:
            return
        module, function = found
        if isinstance(function, ast.AsyncFunctionDef):
            yield module, function, "'register' is async, so calling it contributes nothing"
            return
        parameters = [*function.args.posonlyargs, *function.args.args]
        if len(parameters) >= 2:
            yield from self._function(module, function, parameters[1].arg, owner=plugin.node)

    def _function(
        self, module: SourceModule, function: Function, registrar: str, *, owner: ast.ClassDef | None = None
    ) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        key = (module.name, function.lineno)
        if key in self._seen:
            return
        self._seen.add(key)
        scope = _Scope(self, self._subject, module, registrar, owner)
        for statement in function.body:
            yield from scope.statement(statement)

    def helper(
        self, module: SourceModule, function: Function, position: int | str, owner: ast.ClassDef | None
    ) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        """Read a function that is handed the registrar.

        Args:
            module: Its module.
            function: The function.
            position: Which argument the registrar is: a position or a keyword.
            owner: The class that it is a method of.
        """
        parameters = [*function.args.posonlyargs, *function.args.args]
        name = position if isinstance(position, str) else ""
        if isinstance(position, int) and position < len(parameters):
            name = parameters[position].arg
        yield from self._function(module, function, name, owner=owner)

    def builder(self, module: SourceModule, node: ast.stmt) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        """Read a function or class of the plugin's own that builds a value.

        Args:
            module: Its module.
            node: Its definition.
        """
        if isinstance(node, ast.ClassDef):
            found = self._subject.method(module, node, "__init__")
            if found is not None:
                yield from self._function(found[0], found[1], "", owner=node)
        elif isinstance(node, ast.FunctionDef):
            yield from self._function(module, node, "")


class _Scope:
    """The body of one function: what its registrar parameter is called, and where names are looked up."""

    def __init__(
        self, reader: PurityReader, subject: Subject, module: SourceModule, registrar: str, owner: ast.ClassDef | None
    ) -> None:
        self._reader = reader
        self._subject = subject
        self._module = module
        self._registrar = registrar
        self._owner = owner

    def statement(self, node: ast.stmt) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        """Yield what a statement does beyond what it may."""
        match node:
            case ast.Pass() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Continue() | ast.Break():
                return
            case ast.Expr(value=ast.Constant()):
                return
            case ast.Expr(value=ast.Call() as call):
                yield from self._call(call, is_statement=True)
            case ast.Return(value=value) | ast.AnnAssign(value=value, target=ast.Name()):
                yield from self._maybe(value)
            case ast.Assign() | ast.AnnAssign():
                yield from self._assignment(node)
            case ast.AugAssign(target=ast.Name(), value=value) | ast.Assert(test=value):
                yield from self._expression(value)
            case ast.For(iter=value) | ast.If(test=value):
                yield from self._expression(value)
                yield from self._block([*node.body, *node.orelse])
            case ast.Match(subject=value, cases=cases):
                yield from self._expression(value)
                for one in cases:
                    yield from self._maybe(one.guard)
                    yield from self._block(one.body)
            case _:
                yield self._module, node, _described(node)

    def _block(self, body: list[ast.stmt]) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        for child in body:
            yield from self.statement(child)

    def _maybe(self, value: ast.expr | None) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        if value is not None:
            yield from self._expression(value)

    def _assignment(self, node: ast.Assign | ast.AnnAssign) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        """Setting an attribute or an item is state, but for a constructor that sets its own."""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        own = {"self"} if not self._registrar else set()
        for target in targets:
            of_self = (
                isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in own
            )
            if not of_self and not isinstance(target, ast.Name | ast.Tuple):
                yield self._module, node, "it stores something that outlives the call"
                return
        yield from self._maybe(node.value)

    def _expression(self, node: ast.expr) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        match node:
            case ast.Lambda():
                return  # its body runs when the worker is built
            case ast.Call():
                yield from self._call(node, is_statement=False)
            case ast.Name(id=name) if name == self._registrar:
                yield self._module, node, "it hands the registrar on, or keeps it"
            case ast.Attribute(value=ast.Name(id=name)) if name == self._registrar:
                yield self._module, node, f"it uses '{node.attr}' of the registrar, which is not an order from the menu"
            case ast.Attribute() | ast.Name() if self._is_foreign(node):
                yield self._module, node, f"it uses '{ast.unparse(node)}', which is not the plugin's own"
            case _ if not isinstance(node, _PURE):
                yield self._module, node, _described(node)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.comprehension):
                        for part in (child.iter, *child.ifs):
                            yield from self._expression(part)
                    elif isinstance(child, ast.expr):
                        yield from self._expression(child)

    def _is_foreign(self, node: ast.expr) -> bool:
        """Return whether a name, or what an attribute is taken from, is imported and neither own nor published."""
        while isinstance(node, ast.Attribute):
            node = node.value
        one = self._module.bindings.get(node.id) if isinstance(node, ast.Name) else None
        if one is None or one.module == "functools":
            return False
        own = self._subject.target.is_own(self._module.name, one.module)
        return not own and not self._subject.published(self._module, one.bound)

    def _call(self, node: ast.Call, *, is_statement: bool) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        func = node.func
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == self._registrar:
            if func.attr not in self._subject.spi.menu_methods or not is_statement:
                yield self._module, node, f"it uses '{func.attr}' of the registrar, which is not an order from the menu"
            yield from self._arguments(node)
            return
        position = self._registrar_position(node)
        if position is not None:
            yield from self._helper(node, position)
            return
        yield from self._arguments(node)
        yield from self._builder(node)

    def _arguments(self, node: ast.Call) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        for value in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from self._expression(value)

    def _registrar_position(self, node: ast.Call) -> int | str | None:
        for index, value in enumerate(node.args):
            if isinstance(value, ast.Name) and value.id == self._registrar:
                return index
        for keyword in node.keywords:
            if isinstance(keyword.value, ast.Name) and keyword.value.id == self._registrar:
                return keyword.arg
        return None

    def _helper(self, node: ast.Call, position: int | str) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        """A call that hands the registrar on: to a function or a method of the plugin's own."""
        func = node.func
        if isinstance(func, ast.Name):
            found = self._subject.resolve(self._module, func.id)
            if found is not None and isinstance(found[1], ast.FunctionDef):
                yield from self._reader.helper(found[0], found[1], position, None)
                return
        if isinstance(func, ast.Attribute) and self._owner is not None and _is_self(func.value):
            method = self._method(func)
            if method is not None:
                shifted = position + 1 if isinstance(position, int) else position
                yield from self._reader.helper(method[0], method[1], shifted, self._owner)
                return
        yield self._module, node, f"it hands the registrar to '{ast.unparse(func)}', which is not the plugin's own"

    def _method(self, func: ast.Attribute) -> tuple[SourceModule, Function] | None:
        if self._owner is None:
            return None
        if not isinstance(func.value, ast.Call):
            return self._subject.method(self._module, self._owner, func.attr)
        bases = list(self._subject.bases(self._module, self._owner))[1:]  # super()
        return next(
            (
                (where, child)
                for where, base in bases
                for child in base.body
                if isinstance(child, ast.FunctionDef) and child.name == func.attr
            ),
            None,
        )

    def _builder(self, node: ast.Call) -> Iterator[tuple[SourceModule, ast.AST, str]]:
        """A call that does not hand the registrar on: it may build a value and nothing else."""
        func = node.func
        text = ast.unparse(func)
        if isinstance(func, ast.Name):
            if func.id in _BUILTINS and func.id not in self._module.bindings:
                return
            found = self._subject.resolve(self._module, func.id)
            if found is not None and isinstance(found[1], ast.FunctionDef | ast.ClassDef):
                if not self._subject.is_called_wrongly(self._module, node):  # what is never run has no side effect
                    yield from self._reader.builder(*found)
                return
            if self._is_harmless_import(func.id):
                return
        elif isinstance(func, ast.Attribute):
            if text == "functools.partial" or func.attr in _METHODS:
                yield from self._expression(func.value)
                return
            method = self._method(func) if _is_self(func.value) and not isinstance(func.value, ast.Call) else None
            if method is not None:
                yield from self._reader.helper(method[0], method[1], "", self._owner)
                return
        yield self._module, node, f"it calls '{text}'"

    def _is_harmless_import(self, name: str) -> bool:
        one = self._module.bindings.get(name)
        if one is None:
            return False
        if (one.module, one.name) == ("functools", "partial"):
            return True
        return self._subject.published(self._module, name).endswith(":InferenceFamily")


def _is_self(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


_DESCRIPTIONS: tuple[tuple[tuple[type[ast.AST], ...], str], ...] = (
    ((ast.Import, ast.ImportFrom), "it imports something"),
    ((ast.With, ast.AsyncWith), "it opens something (with)"),
    ((ast.Try,), "it catches exceptions (try), so it does something that can fail"),
    ((ast.Global, ast.Nonlocal), "it changes a variable outside itself"),
    ((ast.Raise,), "it raises"),
    ((ast.While,), "it loops on a condition (while)"),
    ((ast.Delete,), "it deletes something"),
    ((ast.Await, ast.Yield, ast.YieldFrom), "it waits for something, or yields"),
    ((ast.NamedExpr,), "it binds a name inside an expression"),
)


def _described(node: ast.AST) -> str:
    found = (text for kinds, text in _DESCRIPTIONS if isinstance(node, kinds))
    return next(found, f"it does something else: {type(node).__name__.lower()}")
