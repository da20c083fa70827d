"""The trees as one program for the type checker, in which classes of one tree can replace those of the other.

Nominal classes of two trees never match. So each published class becomes a structural Protocol, twice: as what a
plugin *receives* (``__in``: all that it may call and read) and as what it *supplies* (``__out``: what core calls of
it). A signature mentions the one or the other by the way its values pass, which turns round at each parameter. Thus
``new.C__in`` fits ``old.C__in`` if a plugin that uses C goes on working, ``old.C__out`` fits ``new.C__out`` if a plugin
that supplies C does, and identical trees fit both ways.

What a class *is* goes into a marker method: a class projected without a base that it had does not fit where the base
is asked for. Enums and new types are merged, one for both trees, and judged by rules.

From tree to tree, mutable containers are replaced by covariant ones: an added field of an element breaks no plugin
that holds a list. Within one tree, where single changes are asked about, a projector is *exact*: containers are what
they are, and ``Any``, which fits everything, is a type of its own. What a plugin passed as ``Any`` may be anything,
so it fits where anything is taken; what it received as ``Any`` it may have used as anything, so nothing but ``Any``
replaces that.
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING, Protocol

from codegen.compat.model import Direction
from codegen.compat.reading.outline import parameter_list, variable_text
from codegen.compat.reading.spelling import Flow, spell
from pipelex.spi.stub_tree import (
    SELF,
    STRUCTURAL,
    VOCABULARY,
    Attribute,
    ClassKind,
    ClassShape,
    FunctionShape,
    Method,
    ParamKind,
    VariableShape,
    outside_ancestry,
    reference,
)
from pipelex.spi.type_check import UndecidedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from pipelex.spi.stub_tree import Member, Param, Shape, Signature, TreeShape, Type

HEADER = '# mypy: disable-error-code="misc,override,type-var,empty-body"\n'
"""What a projected class may be: of a variance that its projection does not have, and the like. Nothing else."""
_STAND_INS = {
    "builtins.list": "List",
    "typing.List": "List",
    "collections.abc.MutableSequence": "MutableSequence",
    "builtins.set": "Set",
    "collections.abc.MutableSet": "MutableSet",
    "builtins.dict": "Dict",
    "collections.abc.MutableMapping": "MutableMapping",
}
_SHARED = """
class Anything: ...
class LiteralText(builtins.str): ...
_T = typing.TypeVar("_T", covariant=True)
_K = typing.TypeVar("_K")
class MutableSequence(collections.abc.Sequence[_T]): ...
class List(MutableSequence[_T]): ...
class MutableSet(collections.abc.Set[_T]): ...
class Set(MutableSet[_T]): ...
class MutableMapping(collections.abc.Mapping[_K, _T]): ...
class Dict(MutableMapping[_K, _T]): ...
"""
_MORE_THAN_ANY_TAKES = 9
"""Parameters of a callable that no other fits, so that ``Callable[..., X]``, which fits all, is a type of its own."""
_LITERAL_TEXT = {"typing.LiteralString", "typing_extensions.LiteralString"}
_ANY = {"typing.Any", "typing_extensions.Any"}
_IMPORTS = ("builtins", *VOCABULARY)
_OUTSIDE = re.compile(r"\bOutside_(\w+)")
_NUMBERED = {"enum.IntEnum", "enum.IntFlag", "enum.Flag"}
_NOT_PROJECTED = {"__init__", "__new__"}
_SUFFIX = {Flow.IN: "in", Flow.OUT: "out"}


def way(direction: Direction) -> Flow:
    """Return which way the parameters of a callable pass.

    Args:
        direction: Who writes it.
    """
    return Flow.OUT if direction is Direction.CALLS else Flow.IN


class Names:
    """The name in the program of each symbol, one for both trees.

    Args:
        keys: The canonical keys.
        enums: Those of them that are enums in either tree.
    """

    def __init__(self, keys: Sequence[str], enums: Collection[str]) -> None:
        self._names = {key: f"{key.partition(':')[2]}_{number}" for number, key in enumerate(keys)}
        self.enums = enums

    def __getitem__(self, key: str) -> str:
        """Return the name of a symbol."""
        return self._names[key]

    def key(self, name: str) -> str:
        """Return the symbol of a name; nothing where it is none's."""
        return next((key for key, known in self._names.items() if name in {known, f"Self_{known}"}), "")

    def plain(self, text: str) -> str:
        """Return a message of the type checker with the names that people wrote."""
        for key, name in self._names.items():
            text = re.sub(rf"(\w+\.)*{name}(_new)?(__\w+)?\b", key.partition(":")[2], text)
        return re.sub(r"\bspi\w*_(?:old|new|shared)\.", "", text)


class Projector:
    """Spells the types of one tree as projections.

    Args:
        tree: The tree that the types are in.
        canonical: Gives the one name of a symbol of this tree.
        names: The names in the program.
        home: Returns the module of the program that a symbol's projection is looked for in; empty where it is at hand.
        shared: The module of the program that both trees share.

    Attributes:
        exact: Whether mutable containers are invariant, and ``Any`` is a type of its own.
        takes_any: Whether what plugins pass fits an ``Any`` of this tree, as of the new one.
        spelled: The symbols whose projections were spelled, each with the module that it is looked for in.
    """

    def __init__(
        self,
        tree: TreeShape,
        *,
        canonical: Callable[[str], str],
        names: Names,
        home: Callable[[str], str],
        shared: str,
    ) -> None:
        self.tree = tree
        self.canonical = canonical
        self.names = names
        self.definitions: dict[str, str] = {}
        self.modules: set[str] = set(_IMPORTS)
        self.spelled: set[tuple[str, str]] = set()
        self.self_type = ""
        self.self_arguments = ""
        self.self_derives = False
        self.class_variables: Collection[str] = ()
        self.class_flow = Flow.OUT
        self.variable_tag = ""
        self.with_variance = False
        self.exact = False
        self.takes_any = False
        self._home = home
        self._shared = shared
        self.callable_flow: Flow | None = None

    def type(self, type_: Type | None, flow: Flow) -> str:
        """Spell a type.

        Args:
            type_: The type; nothing is spelled as ``object``.
            flow: Which way its values pass.
        """
        return spell(type_, self, flow) if type_ is not None else "builtins.object"

    def symbol(self, key: str, flow: Flow) -> str:
        """Spell a published class by its projection."""
        canonical = self.canonical(key)
        if canonical in self.names.enums:
            return f"{self._shared}.{self.names[canonical]}"
        home = self._home(canonical)
        self.spelled.add((home, canonical))
        return f"{f'{home}.' if home else ''}{self.names[canonical]}__{_SUFFIX[flow]}"

    def variable(self, key: str, flow: Flow) -> str:
        """Spell a type variable, and note its definition. It is one variable all over a callable, or a class."""
        shape = self.tree.shapes[key]
        own = key in self.class_variables
        flow = self.class_flow if own else self.callable_flow or flow
        name = f"{self.names[self.canonical(key)]}{self.variable_tag}__{'own_' if own else ''}{_SUFFIX[flow]}"
        if name not in self.definitions and isinstance(shape, VariableShape):
            self.definitions[name] = ""  # a bound may mention the variable's own users
            text = variable_text(shape, lambda bound: self.type(bound, flow), name)
            if not self.with_variance:
                text = text.replace(", covariant=True", "").replace(", contravariant=True", "")
            function = reference_of_call(shape)
            self.definitions[name] = f"{name} = {function}({text.partition('(')[2]}"
        return name

    def outside(self, name: str, flow: Flow) -> str:
        """Spell a name from outside the trees."""
        if ":" in name:
            module, _, bare = name.partition(":")
            text = f"{self.tree.label}: a stub mentions '{bare}' of '{module}', which the tree does not define"
            raise UndecidedError(text)
        if name in SELF and self.self_type:
            return self._self(flow)
        if name in _ANY and self.exact:
            return "typing.Any" if self.takes_any and flow is Flow.OUT else f"{self._shared}.Anything"
        if name in _LITERAL_TEXT:  # for mypy it is any text
            return f"{self._shared}.LiteralText"
        if name in _STAND_INS and not self.exact:
            return f"{self._shared}.{_STAND_INS[name]}"
        if is_exception(name):
            return f"{self._shared}.{_exception(name)}"
        module = name.rpartition(".")[0]
        if module:
            self.modules.add(module)
        return name

    def _self(self, flow: Flow) -> str:
        """Spell ``Self``: the class at hand, or where others derive from it a class that does."""
        if self.self_type.startswith(f"{self._shared}."):  # an enum, which has one class for both trees
            return self.self_type
        own = ", ".join(self.variable(key, flow) for key in self.class_variables)
        owner, arguments = f"{self.self_type}__{_SUFFIX[flow]}", f"[{own}]" if own else self.self_arguments
        if not self.self_derives:
            return owner + arguments
        name = f"Self_{owner.rpartition('.')[2]}"
        self.definitions[name] = (
            f"class {name}({owner}{arguments}, typing.Protocol):\n    def is_{name}(self) -> None: ..."
        )
        return name

    def union(self, parts: list[str]) -> str:
        """Spell a choice."""
        return " | ".join(parts)

    def annotated(self, type_: str, metadata: list[str]) -> str:  # noqa: ARG002  # the protocol's parameter
        """Spell a type without its metadata."""
        return type_

    def anything(self) -> str:
        """Spell the parameters of a callable that takes anything; only the same, and a new one, can replace it."""
        if not self.exact or self.takes_any:
            return "..."
        return f"[{', '.join([f'{self._shared}.Anything'] * _MORE_THAN_ANY_TAKES)}]"

    def callable(self, signatures: Sequence[Signature], name: str, direction: Direction) -> Iterator[str]:
        """Write a method of a Protocol, once per overload.

        Args:
            signatures: The signatures.
            name: The method.
            direction: Who writes the callable.
        """
        flow = self.callable_flow = way(direction)
        for signature in signatures:
            given = _callable_params(signature)
            receiver = "_" * any(param.name == "self" for param in given) + "self"
            params = parameter_list(given, lambda param: self._param(param, flow), receiver)
            start = "async def" if signature.is_async else "def"
            decorator = "@typing.overload\n    " if len(signatures) > 1 else ""
            yield f"    {decorator}{start} {name}({params}) -> {self.type(signature.returns, flow.back)}: ..."
        self.callable_flow = None

    def _param(self, param: Param, flow: Flow) -> str:
        stars = {ParamKind.STAR: "*", ParamKind.DOUBLE_STAR: "**"}.get(param.kind, "")
        return f"{stars}{param.name}: {self.type(param.type, flow)}{' = ...' if param.default is not None else ''}"


def reference_of_call(shape: VariableShape) -> str:
    """Return the function that makes a type variable, in full.

    Args:
        shape: The variable.
    """
    from pipelex.spi.stub_tree import Type

    return reference(Type(shape.call.func, shape.module))


def _callable_params(signature: Signature) -> list[Param]:
    """Return parameters that can be written down: none with a default before one without."""
    from dataclasses import replace

    params = list(signature.params)
    required_after = False
    for place in range(len(params) - 1, -1, -1):
        param = params[place]
        if param.by_position:
            required_after = required_after or param.default is None
            if required_after and param.default is not None:
                params[place] = replace(param, default=None)
    return params


def is_exception(name: str) -> bool:
    """Return whether a name from outside is one of Python's exceptions.

    Args:
        name: The name, in full.
    """
    known = getattr(builtins, name.removeprefix("builtins."), None) if name.startswith("builtins.") else None
    return isinstance(known, type) and issubclass(known, BaseException)


def _exception(name: str) -> str:
    return f"Outside_{name.removeprefix('builtins.')}"


class Common(Protocol):
    """What a class has in both trees. What is new, the objects of old plugins get from the new class by themselves."""

    def member(self, shape: ClassShape, name: str) -> bool:
        """Return whether a class has a member in both trees."""
        ...

    def base(self, shape: ClassShape, base: Type) -> bool:
        """Return whether a class derives from one of its bases in both trees."""
        ...


def project_tree(projector: Projector, common: Common, needed: Collection[str]) -> str:
    """Write a tree as a module of projections, in the order of the tree.

    Args:
        projector: Spells its types.
        common: Returns what its classes have in both trees.
        needed: The symbols that are asked about; what their projections mention is written as well.
    """
    projector.with_variance = True
    shapes = {projector.canonical(shape.key): shape for shape in projector.tree.shapes.values()}
    lines: dict[str, list[str]] = {key: [] for key in shapes}
    written: set[str] = set()
    while needed := (shapes.keys() & needed) - written:
        lines |= {key: list(_project(projector, shapes[key], common)) for key in sorted(needed)}
        written |= needed
        needed = {key for home, key in projector.spelled if not home}
    return module_text(projector, [line for one in lines.values() for line in one])


def _project(projector: Projector, shape: Shape, common: Common) -> Iterator[str]:
    name = projector.names[projector.canonical(shape.key)]
    if isinstance(shape, ClassShape) and not shape.is_opaque:
        projector.self_type, projector.class_variables = name, shape.type_variables
        for flow in Flow:
            projector.class_flow = flow
            yield from _project_class(projector, shape, name, flow, common)
        projector.class_variables = ()
        yield f"class {name}__make(typing.Protocol):"
        yield from projector.callable(projector.tree.constructors(shape), "__call__", _CALLS)
    elif isinstance(shape, FunctionShape):
        yield f"class {name}__call(typing.Protocol):"
        yield from projector.callable(shape.method.signatures, "__call__", _CALLS)


_CALLS = Direction.CALLS


def module_text(projector: Projector, lines: list[str], imports: Sequence[str] = ()) -> str:
    """Write a module of the program.

    Args:
        projector: Knows which modules and type variables the lines mention.
        lines: The lines.
        imports: More modules to import.
    """
    modules = "".join(f"import {module}\n" for module in [*sorted(projector.modules), *imports])
    variables = "".join(f"{text}\n" for text in projector.definitions.values())
    return f"{HEADER}{modules}{variables}" + "".join(f"{line}\n" for line in lines)


def _project_class(projector: Projector, shape: ClassShape, name: str, flow: Flow, common: Common) -> Iterator[str]:
    kept = [base for base in shape.bases if flow is Flow.IN or common.base(shape, base)]
    bases = [_project_base(projector, base, flow) for base in kept]
    variables = ", ".join(projector.variable(key, flow) for key in shape.type_variables)
    protocol = f"typing.Protocol[{variables}]" if variables else "typing.Protocol"
    yield f"class {name}__{_SUFFIX[flow]}({', '.join([base for base in bases if base] + [protocol])}):"
    if shape.kind not in STRUCTURAL:
        yield f"    def is_{name}(self) -> None: ..."
    for place, key in enumerate(shape.type_variables if flow is Flow.IN else ()):
        variable = projector.tree.shapes[key]
        if isinstance(variable, VariableShape) and "covariant" in {one.arg for one in variable.call.keywords}:
            yield f"    def holds_{name}_{place}(self) -> {projector.variable(key, flow)}: ..."
    if shape.kind is ClassKind.NAMED_TUPLE and flow is Flow.IN:
        fields = ", ".join(projector.type(one.type, flow) for one in shape.fields)
        yield f"    def as_tuple(self) -> builtins.tuple[{fields or '()'}]: ..."
    for member in shape.members.values():
        has_no_hash = member.name == "__hash__" and isinstance(member, Attribute)  # a rule judges that
        if member.name not in _NOT_PROJECTED and not has_no_hash:
            yield from _project_member(projector, shape, member, flow, common)
    yield "    ..."


def _project_base(projector: Projector, base: Type, flow: Flow) -> str:
    key = reference(base)
    parent = projector.tree.shapes.get(key)
    if isinstance(parent, ClassShape):
        return "" if parent.is_opaque else projector.type(base, flow)
    return projector.type(base, flow) if is_exception(key) else ""


def _project_member(
    projector: Projector, shape: ClassShape, member: Member, flow: Flow, common: Common
) -> Iterator[str]:
    structural = shape.kind is ClassKind.PROTOCOL
    if isinstance(member, Attribute):
        if member.type is not None and (structural or flow is Flow.IN):
            yield f"    @builtins.property\n    def {member.name}(self) -> {projector.type(member.type, flow)}: ..."
            if member.writable is not None:
                written = projector.type(member.writable, flow.back)
                yield f"    def set__{member.name}(self, value: {written}) -> None: ..."
        return
    is_called = flow is Flow.IN and (structural or not (member.is_hook and member.name.startswith("_")))
    is_implemented = flow is Flow.OUT and (
        structural or (member.is_hook and (member.abstract or common.member(shape, member.name)))
    )
    if is_called or is_implemented:
        direction = Direction.CALLS if is_called else Direction.IMPLEMENTS
        yield from projector.callable(member.signatures, member.name, direction)


def shared_module(names: Names, merged: Sequence[tuple[str, ClassShape, set[str]]], texts: Iterable[str]) -> str:
    """Write the module that both trees share: enums, new types, containers, mentioned exceptions.

    Args:
        names: The names in the program.
        merged: The key of each enum and new type, the class in one of the trees, and its members in either.
        texts: The other modules.
    """
    lines = [HEADER, *(f"import {module}" for module in _IMPORTS), _SHARED]
    mentioned = {f"builtins.{name}" for text in texts for name in _OUTSIDE.findall(text)}
    exceptions = {ancestor for name in mentioned for ancestor in outside_ancestry(name)}
    for name in sorted(exceptions, key=lambda one: (len(outside_ancestry(one)), one)):
        direct = getattr(builtins, name.removeprefix("builtins.")).__bases__
        bases = [_exception(f"builtins.{base.__name__}") for base in direct if base is not object]
        lines.append(f"class {_exception(name)}({', '.join([*bases, 'typing.Protocol'])}):")
        lines.append(f"    def is_{_exception(name)}(self) -> None: ...")
    for key, shape, members in merged:
        if shape.kind is ClassKind.NEW_TYPE:
            base = reference(shape.bases[0])
            known = base if ":" not in base and base not in _STAND_INS else "builtins.object"
            lines.append(f'{names[key]} = typing.NewType("{names[key]}", {known})')
            continue
        base = next((reference(base) for base in shape.bases if reference(base).startswith("enum.")), "enum.Enum")
        lines.append(f"class {names[key]}({base}):")
        for number, member in enumerate(sorted(members)):
            lines.append(f"    {member} = {number if base in _NUMBERED else repr(member)}")
        lines.append("    ...")
    return "\n".join(lines) + "\n"


def member_callable(projector: Projector, method: Method, direction: Direction, name: str) -> list[str]:
    """Write a Protocol that is one callable.

    Args:
        projector: Spells its types.
        method: The callable.
        direction: Who writes it.
        name: The name of the Protocol.
    """
    return [f"class {name}(typing.Protocol):", *projector.callable(method.signatures, "__call__", direction)]
