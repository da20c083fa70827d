"""Who writes the code behind each published name, inferred: a walk over the types, from what a plugin is.

A plugin is an object that satisfies ``PipelexPlugin``: it flows *out* of the plugin. What core passes to a method of
such an object flows *in*. At each parameter the way turns round: what a plugin passes to a method that it received
flows out again, and so on. A published name that a value of reaches the plugin is *called* (or read), one of which the
plugin hands out a value is *implemented* (or supplied). This is written nowhere; it follows from the signatures.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codegen.compat.model import Direction
from codegen.compat.reading.spelling import Flow, mentions
from pipelex.spi.stub_tree import (
    Attribute,
    ClassKind,
    ClassShape,
    ConstantShape,
    FunctionShape,
    Method,
    VariableShape,
    reference,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.spi.stub_tree import Member, Signature, TreeShape, Type

ROOT = "pipelex.plugins.contract:PipelexPlugin"
CONSTRUCTOR = "__init__"
Path = tuple[str, ...]
_WAY = {Direction.IMPLEMENTS: Flow.OUT, Direction.CALLS: Flow.IN}


@dataclass
class Directions:
    """The directions of every symbol, member and parameter of a tree.

    Attributes:
        flows: For each published class the ways in which its values pass, and why.
        members: For each member (``module:Class.member``) and function its directions, and why.
        parameters: For each parameter (``module:Class.member``, name) its directions, and why.
    """

    flows: dict[str, dict[Flow, Path]] = field(default_factory=dict)
    members: dict[str, dict[Direction, Path]] = field(default_factory=dict)
    parameters: dict[tuple[str, str], dict[Direction, Path]] = field(default_factory=dict)

    def has(self, key: str, flow: Flow) -> bool:
        """Return whether values of a class pass a given way.

        Args:
            key: The class.
            flow: The way.
        """
        return flow in self.flows.get(key, {})

    def of(self, symbol: str) -> dict[Direction, Path]:
        """Return the directions of a symbol or member, and why.

        Args:
            symbol: ``module:name`` or ``module:Class.member``.
        """
        if symbol in self.members:
            return self.members[symbol]
        flows = self.flows.get(symbol, {})
        return {way: flows[flow] for way, flow in _WAY.items() if flow in flows}

    def summary(self, symbol: str) -> tuple[Direction, Path]:
        """Return the direction of a symbol or member in one word, and the path that makes it so.

        Args:
            symbol: ``module:name`` or ``module:Class.member``.
        """
        found = self.of(symbol)
        if not found and "." in symbol.partition(":")[2]:
            return self.summary(symbol.rpartition(".")[0])
        return one_word(found), next(iter(found.values()), ())


def one_word(found: dict[Direction, Path]) -> Direction:
    """Return the one word for a set of directions; ``calls`` for none: what is published can be imported.

    Args:
        found: The directions.
    """
    return Direction.BOTH if len(found) > 1 else next(iter(found), Direction.CALLS)


def infer(tree: TreeShape) -> Directions:
    """Infer the directions of a tree.

    Args:
        tree: The tree.
    """
    return _Walk(tree).run()


class _Walk:
    """The walk, breadth first, so that the path kept for each name is a shortest one."""

    def __init__(self, tree: TreeShape) -> None:
        self._tree = tree
        self._found = Directions()
        self._pending: deque[tuple[str, Flow, Path, bool]] = deque()
        self._seen: set[tuple[str, Flow, bool]] = set()
        self._children: dict[str, list[str]] = {}
        for shape in tree.classes():
            for base in shape.bases:
                self._children.setdefault(reference(base), []).append(shape.key)

    def run(self) -> Directions:
        self._reach(ROOT, Flow.OUT, (short(ROOT),))
        self._drain()
        for shape in self._tree.shapes.values():
            if isinstance(shape, FunctionShape):
                self._call(shape.key, shape.method.signatures, (f"a plugin calls {short(shape.key)}",))
            elif isinstance(shape, ConstantShape):
                path = (f"a plugin reads {short(shape.key)}",)
                self._note_member(shape.key, Direction.CALLS, path)
                self._pass(shape.type, Flow.IN, path)
            elif isinstance(shape, ClassShape) and "builtins.BaseException" in self._tree.ancestry(shape):
                self._reach(shape.key, Flow.OUT, (f"a plugin raises {short(shape.key)}",))
                self._reach(shape.key, Flow.IN, (f"a plugin catches {short(shape.key)}",))
        self._drain()
        for shape in list(self._tree.classes()):  # reached by nothing, and yet anyone can import it
            if shape.key not in self._found.flows:
                for flow in Flow:
                    self._reach(shape.key, flow, (f"a plugin imports {short(shape.key)}",))
                self._drain()
        return self._found

    def _reach(self, key: str, flow: Flow, path: Path, *, as_base: bool = False) -> None:
        """Note that values of a class pass one way; ``as_base``: only as those of a class that derives from it."""
        if not isinstance(self._tree.shapes.get(key), ClassShape) or (key, flow, False) in self._seen:
            return
        if (key, flow, as_base) not in self._seen:
            self._seen.add((key, flow, as_base))
            self._found.flows.setdefault(key, {}).setdefault(flow, path)
            self._pending.append((key, flow, path, as_base))

    def _drain(self) -> None:
        while self._pending:
            key, flow, path, as_base = self._pending.popleft()
            shape = self._tree.shapes[key]
            if isinstance(shape, ClassShape) and not shape.is_opaque:
                self._enter(shape, flow, path, as_base=as_base)

    def _enter(self, shape: ClassShape, flow: Flow, path: Path, *, as_base: bool) -> None:
        for child in () if as_base else self._children.get(shape.key, []):
            self._reach(child, flow, (*path, f"or its subclass {short(child)}"))
        for base in shape.bases:
            self._reach(reference(base), flow, (*path, f"which is a {short(reference(base))}"), as_base=True)
            for part in mentions(base, flow).symbols:
                self._reach(*part, (*path, f"of {short(part[0])}"))
        for name, member in shape.members.items():
            key = f"{shape.key}.{name}"
            if isinstance(member, Method):
                self._enter_method(shape, key, member, flow, path)
            else:
                self._enter_attribute(shape, key, member, flow, path)
        if flow is Flow.OUT and shape.is_record:
            self._call(f"{shape.key}.{CONSTRUCTOR}", self._tree.constructors(shape), (*path, "made by the plugin"))

    def _enter_method(self, shape: ClassShape, key: str, method: Method, flow: Flow, path: Path) -> None:
        for direction in ways_of(shape, method, flow):
            step = self._step(method, direction)
            if direction is Direction.CALLS:
                self._call(key, method.signatures, (*path, step))
            else:
                self._note_member(key, direction, (*path, step))
                self._signatures(key, method.signatures, Flow.IN, (*path, step))

    def _step(self, method: Method, direction: Direction) -> str:
        if method.name == CONSTRUCTOR:
            return "made by the plugin"
        if direction is Direction.IMPLEMENTS:
            return f"whose {method.name} the plugin writes"
        return f"whose {method.name} the plugin calls"

    def _enter_attribute(self, shape: ClassShape, key: str, attribute: Attribute, flow: Flow, path: Path) -> None:
        read, written = (*path, f"whose {attribute.name} is read"), (*path, f"whose {attribute.name} is set")
        if flow is Flow.IN or shape.kind is ClassKind.PROTOCOL:
            direction = Direction.CALLS if flow is Flow.IN else Direction.IMPLEMENTS
            self._note_member(key, direction, read)
            self._pass(attribute.type, flow, read)
            self._pass(attribute.writable, flow.back, written)
        elif shape.is_record:
            self._note_member(key, Direction.IMPLEMENTS, (*path, f"whose {attribute.name} the plugin fills in"))
        else:  # an attribute of the plugin's own object, set by the base
            self._note_member(key, Direction.CALLS, read)
            self._pass(attribute.type, Flow.IN, read)
            self._pass(attribute.writable, Flow.OUT, written)

    def _call(self, key: str, signatures: tuple[Signature, ...], path: Path) -> None:
        self._note_member(key, Direction.CALLS, path)
        self._signatures(key, signatures, Flow.OUT, path)

    def _signatures(self, key: str, signatures: tuple[Signature, ...], flow: Flow, path: Path) -> None:
        """Pass the parameters of a callable one way, and what it returns the other."""
        direction = Direction.IMPLEMENTS if flow is Flow.OUT else Direction.CALLS
        for signature in signatures:
            for param in signature.params:
                way = (*path, f"parameter {param.name}")
                self._found.parameters.setdefault((key, param.name), {}).setdefault(direction, way)
                self._pass(param.type, flow, way)
            self._pass(signature.returns, flow.back, (*path, "return value"))

    def _pass(self, type_: Type | None, flow: Flow, path: Path) -> None:
        found = mentions(type_, flow)
        for key, way in found.symbols:
            self._reach(key, way, (*path, short(key)))
        for variable in found.variables:
            shape = self._tree.shapes[variable]
            for bound in shape.bounds if isinstance(shape, VariableShape) else ():
                self._pass(bound, flow, (*path, f"bound of {short(variable)}"))

    def _note_member(self, key: str, direction: Direction, path: Path) -> None:
        self._found.members.setdefault(key, {}).setdefault(direction, path)


def ways_of(shape: ClassShape, member: Member, flow: Flow) -> Iterator[Direction]:
    """Yield the directions of a method, given which way the values of its class pass.

    Args:
        shape: The class.
        member: The method.
        flow: The way.
    """
    if shape.kind is ClassKind.PROTOCOL:
        yield Direction.IMPLEMENTS if flow is Flow.OUT else Direction.CALLS
        return
    if not isinstance(member, Method):
        return
    if member.name == CONSTRUCTOR:
        yield Direction.CALLS  # core makes most objects that plugins receive; tests of a plugin make them too
    elif not member.is_hook:
        yield Direction.CALLS  # a template of a base, or a method of an object at hand
    elif flow is Flow.OUT:
        yield Direction.IMPLEMENTS
        if not member.abstract:
            yield Direction.CALLS  # an override may call what it overrides
    elif not member.name.startswith("_"):
        yield Direction.CALLS  # an abstract method of an object that core made


def short(key: str) -> str:
    """Return the bare name of a symbol.

    Args:
        key: ``module:name``.
    """
    return key.partition(":")[2] or key.rpartition(".")[2]
