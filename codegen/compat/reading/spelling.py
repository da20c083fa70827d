"""Types spelled anew for a purpose: to be compared as text, to be checked as projections, to be read by a person."""

from __future__ import annotations

import ast
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pipelex.spi.stub_tree import AliasShape, ClassShape, Type, VariableShape, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Flow(Enum):
    """Which way a value passes."""

    OUT = "from the plugin"
    IN = "to the plugin"

    @property
    def back(self) -> Flow:
        """The other way."""
        return Flow.IN if self is Flow.OUT else Flow.OUT


class Speller(Protocol):
    """Decides how the names in a type are written."""

    def symbol(self, key: str, flow: Flow) -> str:
        """Spell a published class."""
        ...

    def variable(self, key: str, flow: Flow) -> str:
        """Spell a type variable."""
        ...

    def outside(self, name: str, flow: Flow) -> str:
        """Spell a name from outside the tree."""
        ...

    def union(self, parts: list[str]) -> str:
        """Spell a choice of types."""
        ...

    def annotated(self, type_: str, metadata: list[str]) -> str:
        """Spell a type that bears metadata."""
        ...

    def anything(self) -> str:
        """Spell the parameters of a callable that takes anything."""
        ...


def spell(type_: Type, speller: Speller, flow: Flow = Flow.OUT) -> str:
    """Spell a type.

    Args:
        type_: The type.
        speller: Formats the names.
        flow: Which way a value of this type passes. It turns round at the parameters of a callable.
    """
    return _Spelling(type_, speller).spell(type_.node, flow)


class _Spelling:
    """One type on its way to text; an alias on the way is expanded.

    Args:
        type_: The type.
        speller: Formats the names.
        given: The values of the alias's type variables, by their keys.
        inside: The aliases that enclose the type.
    """

    def __init__(
        self,
        type_: Type,
        speller: Speller,
        given: Mapping[str, Callable[[Flow], str]] | None = None,
        inside: frozenset[str] = frozenset(),
    ) -> None:
        self._module = type_.module
        self._speller = speller
        self._given = given or {}
        self._inside = inside

    def spell(self, node: ast.expr, flow: Flow) -> str:
        if isinstance(node, ast.BinOp):
            return self._speller.union([self.spell(part, flow) for part in _alternatives(node)])
        if isinstance(node, ast.Subscript):
            return self._spell_subscript(node, flow)
        if isinstance(node, ast.List):
            return f"[{', '.join(self.spell(one, flow) for one in node.elts)}]"
        if isinstance(node, ast.Tuple):
            return ", ".join(self.spell(one, flow) for one in node.elts) or "()"
        if isinstance(node, ast.Name | ast.Attribute):
            text = self._spell_name(node, flow)
            is_bare = reference(Type(node, self._module)) == "builtins.type"  # that is type[Any]
            return f"{text}[{self._speller.outside('typing.Any', flow)}]" if is_bare else text
        return ast.unparse(node)

    def _spell_name(self, node: ast.Name | ast.Attribute, flow: Flow) -> str:
        target = reference(Type(node, self._module))
        key, dot, member = target, "", ""
        if ":" in target and "." in target.partition(":")[2]:  # a member of an enum, inside Literal
            module, _, rest = target.partition(":")
            name, dot, member = rest.partition(".")
            key = f"{module}:{name}"
        shape = self._module.tree.shapes.get(key)
        if isinstance(shape, AliasShape):
            return self._spell_alias(shape, [], flow)
        if key in self._given:
            return self._given[key](flow)
        if isinstance(shape, VariableShape):
            return self._speller.variable(key, flow) + dot + member  # P, P.args
        if isinstance(shape, ClassShape):
            return self._speller.symbol(key, flow) + dot + member
        return self._speller.outside(target, flow)

    def _spell_alias(self, alias: AliasShape, arguments: list[ast.expr], flow: Flow) -> str:
        """Spell what an alias refers to; one that mentions itself is compared where it does not, so it ends there."""
        if alias.key in self._inside:
            return self._speller.outside("builtins.object", flow)
        filled = dict.fromkeys(alias.type_variables, partial(self._speller.outside, "typing.Any"))
        filled |= {key: partial(self.spell, node) for key, node in zip(filled, arguments, strict=False)}
        return _Spelling(alias.type, self._speller, filled, self._inside | {alias.key}).spell(alias.type.node, flow)

    def _spell_subscript(self, node: ast.Subscript, flow: Flow) -> str:
        head = reference(Type(node.value, self._module))
        alias = self._module.tree.shapes.get(head)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) and node.slice.elts else [node.slice]
        if isinstance(alias, AliasShape):
            return self._spell_alias(alias, parts, flow)
        if head in {"typing.Annotated", "typing_extensions.Annotated"}:
            return self._speller.annotated(self.spell(parts[0], flow), [ast.unparse(part) for part in parts[1:]])
        if head in {"typing.Optional", "typing.Union"}:
            none = ["None"] if head == "typing.Optional" else []
            return self._speller.union([self.spell(part, flow) for part in parts] + none)
        if head in {"collections.abc.Callable", "typing.Callable"} and len(parts) == 2:
            takes_anything = ast.unparse(parts[0]) == "..."
            taken = self._speller.anything() if takes_anything else self.spell(parts[0], flow.back)
            returned = self.spell(parts[1], flow)
            return f"{self._speller.outside('collections.abc.Callable', flow)}[{taken}, {returned}]"
        inside = [self.spell(part, flow) for part in parts]
        if head == "typing.Literal":
            inside.sort()
        return f"{self._spell_head(node.value, flow)}[{', '.join(inside)}]"

    def _spell_head(self, node: ast.expr, flow: Flow) -> str:
        return self._spell_name(node, flow) if isinstance(node, ast.Name | ast.Attribute) else self.spell(node, flow)


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    else:
        yield node


class Mentions:
    """A speller that notes what a type mentions, and which way it passes."""

    def __init__(self) -> None:
        self.symbols: dict[tuple[str, Flow], None] = {}
        self.variables: set[str] = set()

    def symbol(self, key: str, flow: Flow) -> str:
        """Note a published class."""
        self.symbols[key, flow] = None
        return ""

    def variable(self, key: str, flow: Flow) -> str:  # noqa: ARG002  # the protocol's parameter
        """Note a type variable."""
        self.variables.add(key)
        return ""

    def outside(self, name: str, flow: Flow) -> str:  # noqa: ARG002  # the protocol's parameters
        """Pass over a name from outside."""
        return ""

    def union(self, parts: list[str]) -> str:  # noqa: ARG002  # the protocol's parameter
        """Pass over a choice; its parts are noted already."""
        return ""

    def annotated(self, type_: str, metadata: list[str]) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a type without its metadata."""
        return type_

    def anything(self) -> str:
        """Pass over parameters that mention nothing."""
        return "..."


def mentions(type_: Type | None, flow: Flow) -> Mentions:
    """Return what a type mentions.

    Args:
        type_: The type; nothing mentions nothing.
        flow: Which way a value of it passes.
    """
    found = Mentions()
    if type_ is not None:
        spell(type_, found, flow)
    return found


class Plain:
    """Spells types for people, with bare names, and notes what a module that uses them must import."""

    def __init__(self) -> None:
        self.imports: dict[str, set[str]] = {}
        self.variables: dict[str, None] = {}

    def symbol(self, key: str, flow: Flow = Flow.OUT) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a published class by its bare name."""
        module, _, name = key.partition(":")
        self.imports.setdefault(module, set()).add(name)
        return name

    def variable(self, key: str, flow: Flow = Flow.OUT) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a type variable by its bare name."""
        self.variables[key] = None
        return key.partition(":")[2]

    def outside(self, name: str, flow: Flow = Flow.OUT) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a name from outside by its bare name."""
        module, _, bare = name.rpartition(".")
        if module not in {"", "builtins"}:
            self.imports.setdefault(module, set()).add(bare)
        return bare

    def union(self, parts: list[str]) -> str:
        """Spell a choice as it was written."""
        return " | ".join(parts)

    def annotated(self, type_: str, metadata: list[str]) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a type without its metadata."""
        return type_

    def anything(self) -> str:
        """Spell the parameters of a callable that takes anything."""
        return "..."
