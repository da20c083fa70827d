"""The type checker's knowledge of a plugin: the published member behind each expression, and who implements what.

mypy decides, on the closed world of one API version: aliases, inheritance, inference and shadowing are its trade.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pipelex.spi.source_lines import source_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy.build import BuildResult
    from mypy.nodes import CallExpr, Expression, FuncDef, MypyFile, Node, TypeInfo
    from mypy.types import CallableType, Instance, Type

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.spi.type_check import Diagnostic

PUBLISHED = "pipelex."


class Span(NamedTuple):
    """Where an expression stands: lines from 1, columns from 0, in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


class Definition(NamedTuple):
    """Where a function, a lambda or a class is defined: its line and its name."""

    line: int
    name: str


@dataclass
class ModuleIndex:
    """The index of one module.

    Attributes:
        members: The symbols that an attribute access refers to, the nearest class first: ``module:Class.member``.
        calls: The symbols that a call calls; of a class its constructor, and those that it extends.
        own_calls: The published symbols that the plugin's own function implements, of a call of it.
        partials: The published symbols that the function in a ``functools.partial`` is or implements.
        replaced: The classes of the record in a ``dataclasses.replace``, as symbols.
        attributes: The names that each class of the plugin assigns, by symbol; one for all modules.
        patterns: The classes that a pattern matches, as symbols.
        implementations: The published symbols that a function implements.
        classes: The bases of a class, itself first, as symbols; a protocol that it satisfies counts as one.
    """

    members: dict[Span, tuple[str, ...]] = field(default_factory=dict)
    calls: dict[Span, tuple[str, ...]] = field(default_factory=dict)
    own_calls: dict[Span, set[str]] = field(default_factory=dict)
    partials: dict[Span, set[str]] = field(default_factory=dict)
    replaced: dict[Span, tuple[str, ...]] = field(default_factory=dict)
    attributes: dict[str, set[str]] = field(default_factory=dict)
    patterns: dict[Span, tuple[str, ...]] = field(default_factory=dict)
    implementations: dict[Definition, set[str]] = field(default_factory=dict)
    classes: dict[Definition, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class TypeIndex:
    """The index of a plugin.

    Attributes:
        modules: By module.
        errors: The errors that mypy reports.
    """

    modules: dict[str, ModuleIndex]
    errors: list[Diagnostic]


def build_index(sources: Mapping[str, tuple[str, str]], spi: SpiTree) -> TypeIndex:
    """Type-check modules on the stubs of an API version and note what everything is.

    Args:
        sources: Path and text by module name; the texts need not be on the disk.
        spi: The stubs.
    """
    from pipelex.checking.type_check import check_types, world_of
    from pipelex.spi.type_check import SourceFile

    files = {name: SourceFile(path, text) for name, (path, text) in sources.items()}
    errors, result = check_types(", ".join(sources), files, world_of(spi, keep_types=True))
    trees = {name: tree for name in sources if (tree := result.graph[name].tree) is not None}
    attributes: dict[str, set[str]] = {}
    index = TypeIndex({name: ModuleIndex(attributes=attributes) for name in sources}, errors)
    flows = _Flows(result)
    protocols = _protocols(spi)
    readers = {name: _Reader(result, index.modules[name], sources[name][1], flows, protocols) for name in trees}
    for name, reader in readers.items():
        reader.read(trees[name])
    for name, reader in readers.items():
        flows.note(index.modules[name], trees[name])
        reader.note_own_calls()
    return index


def symbol_of(info: TypeInfo, member: str = "") -> str:
    """Spell a class, or a member of it, as ``module:Class.member``.

    Args:
        info: The class.
        member: The member.
    """
    qualified = info.fullname.removeprefix(f"{info.module_name}.")
    return f"{info.module_name}:{qualified}" + (f".{member}" if member else "")


def _protocols(spi: SpiTree) -> dict[str, frozenset[str]]:
    """Return the names of the members of each published protocol that is no call shape."""
    from pipelex.spi.stub_tree import ClassKind, ClassShape

    shapes = spi.tree.shapes.items()
    classes = {symbol: shape for symbol, shape in shapes if isinstance(shape, ClassShape) and shape.members}
    protocols = {symbol: shape for symbol, shape in classes.items() if shape.kind is ClassKind.PROTOCOL}
    return {symbol: frozenset(shape.members) for symbol, shape in protocols.items() if "__call__" not in shape.members}


class _Reader:
    """Reads one module's tree into its index."""

    def __init__(
        self,
        result: BuildResult,
        index: ModuleIndex,
        text: str,
        flows: _Flows,
        protocols: Mapping[str, frozenset[str]],
    ) -> None:
        self._protocols = protocols
        self._types = result.types
        self._index = index
        self._lines = source_lines(text)
        self._flows = flows
        self._calls: list[CallExpr] = []

    def read(self, tree: MypyFile) -> None:
        from mypy import nodes, patterns

        for node in walk(tree):
            if isinstance(node, nodes.MemberExpr | nodes.SuperExpr):
                self._index.members[self._span(node)] = self._flows.members(node)
            elif isinstance(node, nodes.CallExpr):
                self._calls.append(node)
                self._index.calls[self._span(node)] = self._flows.called(node.callee)
                self._flows.arguments(node)
            elif isinstance(node, nodes.ClassDef):
                self._class(node)
            elif isinstance(node, patterns.ClassPattern):
                self._index.patterns[self._span(node)] = self._flows.classes(node.class_ref)
            elif isinstance(node, nodes.AssignmentStmt):
                for kind in [node.type] if node.type is not None else map(self._types.get, node.lvalues):
                    if kind is not None:
                        self._flows.flow(node.rvalue, kind)
            elif isinstance(node, nodes.FuncDef):
                self._defaults(node)
                self._returns(node)

    def note_own_calls(self) -> None:
        """Note the calls of what implements published symbols, once all that does is known."""
        for node in self._calls:
            span = self._span(node)
            if _calls_library(node, "functools.partial") and node.args:
                called = self._flows.called(node.args[0])
                self._index.partials[span] = self._flows.implemented_by(node.args[0]) | {*called}
            elif _calls_library(node, "dataclasses.replace") and node.args:
                self._index.replaced[span] = self._flows.classes(node.args[0])
            elif symbols := self._flows.implemented_by(node.callee, node):
                self._index.own_calls[span] = symbols

    def _defaults(self, node: FuncDef) -> None:
        """Follow the default values of parameters."""
        for argument in node.arguments:
            if argument.initializer is not None and argument.variable.type is not None:
                self._flows.flow(argument.initializer, argument.variable.type)

    def _class(self, node: Node) -> None:
        from mypy import nodes

        assert isinstance(node, nodes.ClassDef)
        bases = [symbol_of(base) for base in node.info.mro if base.fullname != "builtins.object"]
        for symbol, names in self._protocols.items():
            if symbol not in bases and _has_members(node.info, names):
                self._satisfies(node.info, symbol, names)
                if not any(_has_members(base, names) for base in node.info.mro[1:]):
                    bases.insert(1, symbol)  # before its bases: none of them has the protocol's members
        self._index.classes[Definition(node.line, node.name)] = tuple(bases)
        stated = (item for item in node.defs.body if isinstance(item, nodes.AssignmentStmt))
        assigned = {one.name for item in stated for one in item.lvalues if isinstance(one, nodes.NameExpr)}
        self._index.attributes[symbol_of(node.info)] = assigned
        for name, entry in node.info.names.items():
            function = plain_function(entry.node)
            if function is None:
                continue
            overridden = {
                symbol_of(base, name)
                for base in node.info.mro[1:]
                if name in base.names and base.fullname.startswith(PUBLISHED)
            }
            if overridden and name != "__init__":  # a constructor is called on one class: it overrides nothing
                self._flows.implement(function, overridden)

    def _satisfies(self, info: TypeInfo, symbol: str, names: frozenset[str]) -> None:
        """Note which functions of a class implement a protocol that it does not derive from."""
        for name in names:
            entry = info.names.get(name)
            function = plain_function(entry.node) if entry is not None else None
            if function is not None:
                self._flows.implement(function, {f"{symbol}.{name}"})

    def _returns(self, node: FuncDef) -> None:
        from mypy import nodes
        from mypy.types import CallableType, get_proper_type

        if not isinstance(node.type, CallableType):
            return
        returned = get_proper_type(node.type.ret_type)
        for child in walk(node.body, into_functions=False):
            if isinstance(child, nodes.ReturnStmt) and child.expr is not None:
                self._flows.flow(child.expr, returned)

    def _span(self, node: Node) -> Span:
        end_line = getattr(node, "end_line", None) or node.line
        end_column = getattr(node, "end_column", None) or 0
        return Span(node.line, self._column(node.line, node.column), end_line, self._column(end_line, end_column))

    def _column(self, line: int, column: int) -> int:
        """Turn a column in bytes into one in characters."""
        text = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        return column if text.isascii() else len(text.encode("utf-8")[:column].decode("utf-8", errors="ignore"))


class _Flows:
    """Which functions end up where a published call shape is asked for."""

    def __init__(self, result: BuildResult) -> None:
        self._types = result.types
        self._implements: dict[int, set[str]] = {}
        self._shapes: dict[str, CallableType] = {}

    def members(self, node: Expression) -> tuple[str, ...]:
        """Return the symbols that an attribute access refers to."""
        from mypy import nodes

        if isinstance(node, nodes.SuperExpr):
            return tuple(
                symbol_of(base, node.name)
                for base in (node.info.mro[1:] if node.info else ())
                if node.name in base.names
            )
        assert isinstance(node, nodes.MemberExpr)
        found: list[str] = []
        for info in self._infos(node.expr):
            found += [symbol_of(base, node.name) for base in info.mro if node.name in base.names]
        if not found and node.fullname:
            module, _, name = node.fullname.rpartition(".")
            found.append(f"{module}:{name}")
        return tuple(dict.fromkeys(found))

    def _infos(self, node: Expression) -> list[TypeInfo]:
        from mypy import nodes
        from mypy.types import get_proper_type

        if isinstance(node, nodes.RefExpr) and isinstance(node.node, nodes.TypeInfo):
            return [node.node]
        kind = self._types.get(node)
        return [] if kind is None else list(_infos_of(get_proper_type(kind)))

    def called(self, callee: Expression) -> tuple[str, ...]:
        """Return the symbols that a call of an expression calls."""
        info = self._called_class(callee)
        return self.named(callee) if info is None else tuple(symbol_of(maker) for maker in _makers(info))

    def _called_class(self, callee: Expression) -> TypeInfo | None:
        """Return the class that a call makes an object of: under a name, an alias, or with type arguments."""
        from mypy import nodes
        from mypy.types import CallableType, get_proper_type

        if isinstance(callee, nodes.IndexExpr):
            callee = callee.base
        if isinstance(callee, nodes.RefExpr) and isinstance(callee.node, nodes.TypeInfo):
            return callee.node
        kind = self._types.get(callee)
        proper = get_proper_type(kind) if kind is not None else None
        return proper.type_object() if isinstance(proper, CallableType) and proper.is_type_obj() else None

    def named(self, callee: Expression) -> tuple[str, ...]:
        """Return the symbols that an expression names, to be called."""
        from mypy import nodes
        from mypy.types import Instance, get_proper_type

        if isinstance(callee, nodes.MemberExpr | nodes.SuperExpr):
            found = self.members(callee)
            if found:
                return found
        kind = self._types.get(callee)
        instance = get_proper_type(kind) if kind is not None else None
        if isinstance(instance, Instance):
            return tuple(symbol_of(base) for base in instance.type.mro if "__call__" in base.names)
        if isinstance(callee, nodes.RefExpr) and callee.fullname:
            module, _, name = callee.fullname.rpartition(".")
            return (f"{module}:{name}",)
        return ()

    def classes(self, node: Expression) -> tuple[str, ...]:
        """Return the classes of a value, bases included."""
        return tuple(dict.fromkeys(symbol_of(base) for info in self._infos(node) for base in info.mro))

    def implemented_by(self, callee: Expression, call: CallExpr | None = None) -> set[str]:
        """Return the published symbols that a called function of the plugin implements.

        Args:
            callee: What is called.
            call: The call, whose keywords decide where the type of the callee does not state its parameters.
        """
        from mypy.types import CallableType, get_proper_type

        kind = self._types.get(callee)
        proper = get_proper_type(kind) if kind is not None else None
        if isinstance(proper, CallableType) and proper.is_type_obj():
            return set()  # the constructor is called, and not the "__call__" of what it makes
        functions = list(self._functions(callee))
        found = {symbol for function in functions for symbol in self._implemented(function)}
        if not functions and isinstance(proper, CallableType):
            for symbol, shape in self._shapes.items():
                names = {name for name, _ in _typed(shape)}
                is_call_of_it = proper.is_ellipsis_args and call is not None and names == {*call.arg_names}
                if is_call_of_it or _has_parameters(proper, shape):
                    found.add(symbol)
        return found

    def _implemented(self, function: FuncDef) -> set[str]:
        """Return what a function implements: where it is handed to, or has the very same parameters."""
        from mypy.types import CallableType

        found = set(self._implements.get(id(function), ()))
        if isinstance(function.type, CallableType):
            kind = function.type
            found |= {symbol for symbol, shape in self._shapes.items() if _has_parameters(kind, shape)}
        return found

    def arguments(self, node: CallExpr) -> None:
        """Follow what is handed over in a call."""
        from mypy.nodes import ArgKind
        from mypy.types import CallableType, get_proper_type

        kind = self._types.get(node.callee)
        callee = get_proper_type(kind) if kind is not None else None
        if not isinstance(callee, CallableType):
            return
        position = 0
        for argument, how, name in zip(node.args, node.arg_kinds, node.arg_names, strict=True):
            if how is ArgKind.ARG_NAMED and name in callee.arg_names:
                self.flow(argument, callee.arg_types[callee.arg_names.index(name)])
            elif how is ArgKind.ARG_POS and position < len(callee.arg_types):
                self.flow(argument, callee.arg_types[position])
                position += 1

    def flow(self, value: Expression, kind: Type) -> None:
        """Note that a value is handed to where a type is asked for."""
        from mypy import nodes
        from mypy.types import get_proper_type

        proper = get_proper_type(kind)
        for shape in _shapes_of(proper):
            symbol = symbol_of(shape.type)
            self._remember(symbol, shape)
            if isinstance(value, nodes.LambdaExpr):
                self._implements.setdefault(id(value), set()).add(symbol)
            else:
                for function in self._functions(value):
                    self.implement(function, {symbol})
        for inner, asked in _inside(value, proper):
            self.flow(inner, asked)

    def _functions(self, value: Expression) -> Iterator[FuncDef]:
        from mypy import nodes

        if isinstance(value, nodes.RefExpr):
            function = plain_function(value.node)
            if function is not None:
                yield function
                return
        if isinstance(value, nodes.MemberExpr):
            for info in self._infos(value.expr):
                entry = info.get(value.name)
                function = plain_function(entry.node) if entry is not None else None
                if function is not None:
                    yield function
            return
        for info in self._infos(value):
            entry = info.get("__call__")
            function = plain_function(entry.node) if entry is not None else None
            if function is not None and not function.fullname.startswith(PUBLISHED):
                yield function

    def implement(self, function: FuncDef, symbols: set[str]) -> None:
        """Note that a function implements published symbols."""
        self._implements.setdefault(id(function), set()).update(symbols)

    def _remember(self, symbol: str, shape: Instance) -> None:
        from mypy.types import CallableType, get_proper_type

        entry = shape.type.get("__call__")
        kind = get_proper_type(entry.type) if entry is not None and entry.type is not None else None
        if isinstance(kind, CallableType):
            self._shapes[symbol] = kind

    def note(self, index: ModuleIndex, tree: MypyFile) -> None:
        """Write down which functions of a module implement what, those of the very same signature included."""
        from mypy import nodes

        for node in walk(tree):
            if not isinstance(node, nodes.FuncDef | nodes.LambdaExpr):
                continue
            lambdas = self._implements.get(id(node), set())
            symbols = self._implemented(node) if isinstance(node, nodes.FuncDef) else lambdas
            if symbols:
                name = node.name if isinstance(node, nodes.FuncDef) else "<lambda>"
                index.implementations.setdefault(Definition(node.line, name), set()).update(symbols)


def _has_members(info: TypeInfo, names: frozenset[str]) -> bool:
    return all(info.get(name) is not None for name in names)


def _infos_of(kind: object) -> Iterator[TypeInfo]:
    from mypy.types import CallableType, Instance, TupleType, TypeType, TypeVarType, UnionType, get_proper_type

    if isinstance(kind, Instance):
        yield kind.type
    elif isinstance(kind, UnionType):
        for item in kind.items:
            yield from _infos_of(get_proper_type(item))
    elif isinstance(kind, TypeVarType):
        yield from _infos_of(get_proper_type(kind.upper_bound))
    elif isinstance(kind, TypeType):
        yield from _infos_of(get_proper_type(kind.item))
    elif isinstance(kind, TupleType):
        yield kind.partial_fallback.type
    elif isinstance(kind, CallableType) and kind.is_type_obj():
        yield kind.type_object()


def _shapes_of(kind: object) -> Iterator[Instance]:
    from mypy.types import Instance, UnionType, get_proper_type

    if isinstance(kind, Instance):
        if kind.type.is_protocol and kind.type.fullname.startswith(PUBLISHED) and "__call__" in kind.type.names:
            yield kind
    elif isinstance(kind, UnionType):
        for item in kind.items:
            yield from _shapes_of(get_proper_type(item))


def _makers(info: TypeInfo) -> Iterator[TypeInfo]:
    """Yield the class whose constructor makes an object, and those whose generated constructors it extends."""
    maker = next((base for base in info.mro if "__init__" in base.names), info)
    yield maker
    if "__init__" in maker.names and maker.names["__init__"].plugin_generated:
        for base in maker.mro[1:]:
            if "__init__" in base.names and base.names["__init__"].plugin_generated:
                yield base


def _inside(value: Expression, kind: Type) -> Iterator[tuple[Expression, Type]]:
    """Yield the expressions that a value is made of, each with the type that is asked of it."""
    from mypy import nodes
    from mypy.types import Instance, TupleType

    if isinstance(value, nodes.CallExpr) and value.args and _calls_library(value, "functools.partial"):
        yield value.args[0], kind
    elif isinstance(value, nodes.CallExpr) and isinstance(value.analyzed, nodes.CastExpr):
        yield value.analyzed.expr, kind
    elif isinstance(value, nodes.ConditionalExpr):
        yield value.if_expr, kind
        yield value.else_expr, kind
    elif isinstance(value, nodes.TupleExpr) and isinstance(kind, TupleType):
        yield from zip(value.items, kind.items, strict=False)
    elif isinstance(value, nodes.ListExpr | nodes.TupleExpr | nodes.SetExpr) and isinstance(kind, Instance):
        yield from ((item, argument) for item in value.items for argument in kind.args)
    elif isinstance(value, nodes.DictExpr) and isinstance(kind, Instance):
        yield from ((item, argument) for _, item in value.items for argument in kind.args[1:])


def _calls_library(node: CallExpr, name: str) -> bool:
    from mypy import nodes

    return isinstance(node.callee, nodes.RefExpr) and node.callee.fullname == name


def _has_parameters(kind: CallableType, shape: CallableType) -> bool:
    """Return whether a function has the keywords of a call shape, all of them, with their types."""
    wanted = _typed(shape)
    return wanted <= _typed(kind) and len(wanted) > 1


def _typed(kind: CallableType) -> set[tuple[str | None, str]]:
    named = zip(kind.arg_names, kind.arg_types, strict=True)
    return {(name, str(asked)) for name, asked in named if name != "self"}


def plain_function(node: object) -> FuncDef | None:
    """Return the function behind a name, decorated or not.

    Args:
        node: The node that a name refers to.
    """
    from mypy import nodes

    if isinstance(node, nodes.Decorator):
        node = node.func
    return node if isinstance(node, nodes.FuncDef) else None


_ELSEWHERE = frozenset(
    {"node", "info", "var", "type", "unanalyzed_type", "original_def", "def_var", "analyzed", "names", "expanded"}
)
"""Attributes of mypy's nodes that lead out of the tree."""


def walk(node: Node, *, into_functions: bool = True) -> Iterator[Node]:
    """Yield the nodes of a tree. mypy's own visitors are compiled and cannot be derived from.

    Args:
        node: Where to begin.
        into_functions: Whether to visit the bodies of functions.
    """
    from mypy import nodes

    pending: list[object] = [node]
    seen: set[int] = set()
    while pending:
        item = pending.pop()
        if isinstance(item, list | tuple):
            pending.extend(item)
        elif isinstance(item, nodes.Node) and not isinstance(item, nodes.TypeInfo | nodes.Var) and id(item) not in seen:
            seen.add(id(item))
            yield item
            if item is not node and not into_functions and isinstance(item, nodes.FuncDef | nodes.LambdaExpr):
                continue
            pending.extend(getattr(item, name) for name in _fields(type(item)) if name not in _ELSEWHERE)


def _fields(kind: type) -> tuple[str, ...]:
    found = _FIELDS.get(kind)
    if found is None:
        names = [
            name
            for base in kind.__mro__
            for name, value in vars(base).items()
            if type(value).__name__ in {"getset_descriptor", "member_descriptor"} and not name.startswith("__")
        ]
        found = _FIELDS[kind] = tuple(dict.fromkeys(names))
    return found


_FIELDS: dict[type, tuple[str, ...]] = {}
