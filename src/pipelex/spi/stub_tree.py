"""A stub tree, read once into records: what each published name is, its types bound to the module that states them.

The comparison of versions, the check and the upgrade all use these records. :mod:`ast` reads the stubs: it loads a
hundred times faster than libcst, and docstrings, layout and quoting do not matter.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import enum
import re
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pipelex.spi.imports import read_imports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipelex.spi.imports import Import

PACKAGE = "pipelex"
VOCABULARY = (
    *("typing", "enum", "abc", "collections.abc", "types", "pathlib", "datetime", "dataclasses"),
    "typing_extensions",  # no module of the standard library, but type checkers ship its stubs
)
"""The modules that a published signature may draw on: those whose stubs come with every type checker."""
ENUM_BASES = {"enum.Enum", "enum.StrEnum", "enum.IntEnum", "enum.Flag", "enum.IntFlag"}
_TYPED_DICTS = {"typing.TypedDict", "typing_extensions.TypedDict"}
STRUCTURAL_BASES = {
    *("typing.Protocol", "typing.Generic", "abc.ABC", "builtins.object", "typing.NamedTuple"),
    *_TYPED_DICTS,
}
"""Bases that say how a class works, not what it is."""
SELF = {"typing.Self", "typing_extensions.Self"}
_KNOWN_MODULES = {"builtins": builtins, "enum": enum, "collections.abc": collections.abc}
"""The modules whose classes are looked at for what they derive from."""
_BUILTINS = frozenset(dir(builtins))
_TYPE_VARIABLES = {
    f"{module}.{name}" for module in ("typing", "typing_extensions") for name in ("TypeVar", "ParamSpec")
}
_FINAL = {"typing.final", "typing_extensions.final"}
_RUNTIME_CHECKABLE = {"typing.runtime_checkable", "typing_extensions.runtime_checkable"}
_DEPRECATED = {"typing_extensions.deprecated", "warnings.deprecated"}
_NEW_TYPES = {"typing.NewType", "typing_extensions.NewType"}
_DECORATORS = {
    *("classmethod", "staticmethod", "property", "setter", "deleter"),
    *("abstractmethod", "final", "overload", "override", "deprecated"),
}
"""The decorators of a method that its record holds, or that change nothing for others."""
_SYNTHESIZED = {"compare", "hash", "repr"}
"""The arguments of ``field()`` that say in which methods of the record the field counts."""
_WORD = re.compile(r"\w+")
_QUALIFIERS = {"Final", "ClassVar", "InitVar", "Required", "NotRequired", "ReadOnly", "Annotated"}
"""What stands around a type in an annotation and says how the name is used."""


_STATEMENTS = (
    *(ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign, ast.AnnAssign),
    *(ast.Import, ast.ImportFrom),
)
"""What a stub consists of, beside documentation."""


class StubError(Exception):
    """A stub cannot be read.

    Args:
        path: The stub, below its tree.
        line: The line, counted from 1; 0 where none is known.
        problem: What is wrong.
    """

    def __init__(self, path: str, line: int, problem: str) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        super().__init__(f"{path}:{line}: {problem}")


class ParamKind(StrEnum):
    """How a parameter is passed, in the order in which they stand."""

    POSITIONAL_ONLY = "positional-only"
    POSITIONAL = "positional or keyword"
    STAR = "*"
    KEYWORD = "keyword-only"
    DOUBLE_STAR = "**"


class ClassKind(StrEnum):
    """How a class works."""

    PLAIN = "class"
    PROTOCOL = "protocol"
    RECORD = "dataclass"
    NAMED_TUPLE = "named tuple"
    TYPED_DICT = "typed dictionary"
    NEW_TYPE = "new type"
    ENUM = "enum"


STRUCTURAL = {ClassKind.PROTOCOL, ClassKind.TYPED_DICT}
"""The kinds of class that a value fits by its members, whatever it derives from."""


class MethodForm(StrEnum):
    """How a method is reached."""

    PLAIN = "method"
    CLASS = "class method"
    STATIC = "static method"


@dataclass(frozen=True, eq=False)
class Type:
    """A type as it was written, and the module that says what its names mean."""

    node: ast.expr
    module: ModuleShape


@dataclass(frozen=True, eq=False)
class Param:
    """A parameter; ``default`` is its text, ``"..."`` where the stub does not tell."""

    name: str
    kind: ParamKind
    type: Type | None
    default: str | None = None

    @property
    def optional(self) -> bool:
        """Whether a call may leave it out."""
        return self.default is not None or self.kind in {ParamKind.STAR, ParamKind.DOUBLE_STAR}

    @property
    def by_position(self) -> bool:
        """Whether a call may pass it by its position."""
        return self.kind in {ParamKind.POSITIONAL_ONLY, ParamKind.POSITIONAL}


@dataclass(frozen=True, eq=False)
class Signature:
    """The parameters and the result of a callable, without ``self`` or ``cls``."""

    params: tuple[Param, ...]
    returns: Type | None
    is_async: bool = False


@dataclass(frozen=True, eq=False)
class Method:
    """A function, of a class or of a module; more than one signature where it is overloaded.

    ``deprecated`` is what ``@deprecated`` advises. ``unread`` has what is stated beside and read into nothing else:
    further decorators, type parameters, a type of ``self``.
    """

    name: str
    signatures: tuple[Signature, ...]
    form: MethodForm = MethodForm.PLAIN
    abstract: bool = False
    final: bool = False
    deprecated: str = ""
    unread: tuple[str, ...] = ()

    @property
    def signature(self) -> Signature:
        """Its signature; the first one where it is overloaded."""
        return self.signatures[0]

    @property
    def is_hook(self) -> bool:
        """Whether drivers override it: by the convention of the worker bases, or because it is abstract."""
        dunder = self.name.startswith("__")
        return self.abstract or (self.name.startswith("_") and not dunder)


@dataclass(frozen=True, eq=False)
class Attribute:
    """An attribute, a property or a field: what reading it gives, what setting it takes.

    Attributes:
        name: Its name.
        type: What reading it gives.
        value: Its value or default, as text; ``"..."`` where the stub does not show it.
        writable: What setting it takes; ``None`` where it cannot be set.
        abstract: Whether a subclass has to write it.
        is_property: Whether it is a property.
        has_deleter: Whether it is a property that can be deleted.
        final: Whether no subclass may write it anew.
        in_class: Whether it belongs to the class, not to its objects (``ClassVar``).
        in_init: Whether the constructor of a record takes it.
        kw_only: Whether the constructor of a record takes it by keyword alone.
        synthesized: In which of the methods that a record gets it does not count: ``compare``, ``hash``, ``repr``.
        deprecated: What ``@deprecated`` advises of a property.
        unread: What is stated beside and read into nothing else: further decorators, ``InitVar``, ``Annotated``.
    """

    name: str
    type: Type | None
    value: str | None = None
    writable: Type | None = None
    abstract: bool = False
    is_property: bool = False
    has_deleter: bool = False
    final: bool = False
    in_class: bool = False
    in_init: bool = True
    kw_only: bool = False
    synthesized: frozenset[str] = frozenset()
    deprecated: str = ""
    unread: tuple[str, ...] = ()

    @property
    def deletable(self) -> bool:
        """Whether ``del`` may take it off an object."""
        return self.has_deleter if self.is_property else self.writable is not None


Member: TypeAlias = Method | Attribute


@dataclass(frozen=True)
class RecordOptions:
    """The arguments of ``@dataclass``, with the defaults of Python."""

    init: bool = True
    repr: bool = True
    eq: bool = True
    order: bool = False
    unsafe_hash: bool = False
    frozen: bool = False
    match_args: bool = True
    kw_only: bool = False
    slots: bool = False
    weakref_slot: bool = False


@dataclass(eq=False)
class ClassShape:
    """A published class; ``unread`` has what its header and body state beside: decorators, keywords, statements.

    ``deprecated`` is what ``@deprecated`` advises.
    """

    key: str
    module: ModuleShape
    node: ast.ClassDef
    kind: ClassKind
    bases: tuple[Type, ...]
    options: RecordOptions = RecordOptions()
    unread: tuple[str, ...] = ()
    final: bool = False
    deprecated: str = ""
    runtime_checkable: bool = False
    members: dict[str, Member] = field(default_factory=dict)
    type_variables: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in its module."""
        return self.node.name

    @property
    def frozen(self) -> bool:
        """Whether the fields of its objects cannot be set."""
        return self.options.frozen or self.kind is ClassKind.NAMED_TUPLE

    @property
    def is_record(self) -> bool:
        """Whether its attributes are the parameters of its constructor."""
        return self.kind in {ClassKind.RECORD, ClassKind.NAMED_TUPLE, ClassKind.TYPED_DICT}

    @property
    def is_opaque(self) -> bool:
        """Whether both trees share one class for it in the program, and rules judge it: an enum, a new type."""
        return self.kind in {ClassKind.ENUM, ClassKind.NEW_TYPE}

    @property
    def fields(self) -> list[Attribute]:
        """The fields of a record, in their order."""
        return [one for one in self._attributes if not one.in_class and one.type is not None]

    @property
    def enum_members(self) -> list[Attribute]:
        """The members of an enum, in their order; what is declared without a value is an attribute of each member."""
        return [one for one in self._attributes if one.value is not None and not one.name.startswith("_")]

    @property
    def _attributes(self) -> Iterator[Attribute]:
        return (one for one in self.members.values() if isinstance(one, Attribute) and not one.is_property)


@dataclass(eq=False)
class FunctionShape:
    """A published function."""

    key: str
    module: ModuleShape
    method: Method


@dataclass(eq=False)
class ConstantShape:
    """A published constant."""

    key: str
    module: ModuleShape
    type: Type | None
    value: str | None
    is_final: bool
    is_literal: bool = False
    """Whether its type is its value: ``X: Final = 30``."""


@dataclass(eq=False)
class VariableShape:
    """A type variable, which is not published but part of the signatures that use it."""

    key: str
    module: ModuleShape
    call: ast.Call

    @property
    def bounds(self) -> list[Type]:
        """Its bound or its constraints."""
        nodes = [*self.call.args[1:], *(keyword.value for keyword in self.call.keywords if keyword.arg == "bound")]
        return [Type(_unquoted(node), self.module) for node in nodes]

    @property
    def default(self) -> Type | None:
        """What it stands for where nothing is given for it."""
        node = next((keyword.value for keyword in self.call.keywords if keyword.arg == "default"), None)
        return Type(_unquoted(node), self.module) if node is not None else None

    @property
    def is_param_spec(self) -> bool:
        """Whether it stands for the parameters of a callable."""
        return reference(Type(self.call.func, self.module)).endswith(".ParamSpec")

    @property
    def variance(self) -> set[str]:
        """``covariant`` or ``contravariant``; nothing for an invariant one."""
        return {one.arg for one in self.call.keywords if one.arg in {"covariant", "contravariant"} and one.arg}


@dataclass(eq=False)
class AliasShape:
    """A published type alias; types that mention it are read as what it stands for."""

    key: str
    module: ModuleShape
    type: Type

    @property
    def type_variables(self) -> tuple[str, ...]:
        """The type variables that it is generic in, in their order."""
        return tuple(_variables(self.type))


Shape: TypeAlias = ClassShape | FunctionShape | ConstantShape | VariableShape | AliasShape


@dataclass(eq=False)
class ModuleShape:
    """A stub module: its names, and what its imports bind.

    Attributes:
        name: Its dotted name.
        tree: The tree that it belongs to.
        shapes: What it defines, by name.
        imports: What each imported name refers to: ``module:name`` of this tree, ``package.name`` of what is outside.
        statements: What defines each name; a function with overloads has several.
        mentioned: The names that the definition of each name mentions, those in quoted types included.
        published: Its ``__all__``; ``None`` where it has none, and publishes whatever it defines.
        reexported: Which of its imports others may import from it, by name: those in ``__all__``, and ``X as X``.
    """

    name: str
    tree: TreeShape
    shapes: dict[str, Shape] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    mentioned: dict[str, set[str]] = field(default_factory=dict)
    published: frozenset[str] | None = None
    reexported: dict[str, str] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        """Return what a name means: ``module:name`` of this tree, ``package.name`` of what is outside.

        Args:
            name: The name, as the module writes it.
        """
        if name in self.shapes:
            return f"{self.name}:{name}"
        return self.imports.get(name) or (f"builtins.{name}" if name in _BUILTINS else name)


@dataclass(eq=False)
class TreeShape:
    """A stub tree: how it is called in reports, its modules by dotted name, what they define by ``module:name``."""

    label: str
    modules: dict[str, ModuleShape] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def classes(self) -> Iterator[ClassShape]:
        """Yield the published classes."""
        return (shape for shape in self.shapes.values() if isinstance(shape, ClassShape))

    def lineage(self, shape: ClassShape) -> list[ClassShape]:
        """Return a class and the published classes that it derives from, nearest first, each once.

        Args:
            shape: The class.
        """
        found = [shape]
        for base in shape.bases:
            parent = self.shapes.get(reference(base))
            if isinstance(parent, ClassShape):
                found += [ancestor for ancestor in self.lineage(parent) if ancestor not in found]
        return found

    def ancestry(self, shape: ClassShape) -> set[str]:
        """Return all that a class is by nature: the keys of its lineage, and its bases outside the tree."""
        found = {ancestor.key for ancestor in self.lineage(shape)}
        for ancestor in self.lineage(shape):
            for base in ancestor.bases:
                outside = reference(base)
                if ":" not in outside and outside not in STRUCTURAL_BASES:
                    found |= outside_ancestry(outside)
        return found

    def find(self, shape: ClassShape, name: str) -> Member | None:
        """Return a member of a class, its own or inherited.

        Args:
            shape: The class.
            name: The member.
        """
        return next((found.members[name] for found in self.lineage(shape) if name in found.members), None)

    def signature(self, symbol: str) -> Signature | None:
        """Return what a symbol takes when it is called: of a class its ``__call__`` or else its constructor.

        Args:
            symbol: ``module:function``, ``module:Class.method`` or ``module:Class``.
        """
        module, _, path = symbol.partition(":")
        name, _, member = path.partition(".")
        shape = self.shapes.get(f"{module}:{name}")
        if isinstance(shape, FunctionShape):
            return shape.method.signature
        if not isinstance(shape, ClassShape):
            return None
        found = self.find(shape, member or "__call__")
        if isinstance(found, Method):
            return found.signature
        return self.constructor(shape) if member in {"", "__init__"} else None

    def constructor(self, shape: ClassShape) -> Signature:
        """Return what the constructor of a class takes; the first signature where it is overloaded.

        Args:
            shape: The class.
        """
        return self.constructors(shape)[0]

    def constructors(self, shape: ClassShape) -> tuple[Signature, ...]:
        """Return the signatures of the constructor of a class: more than one where it is overloaded.

        Args:
            shape: The class.
        """
        for at in self.lineage(shape):
            made_by = at.members.get("__init__") or at.members.get("__new__")
            if isinstance(made_by, Method):
                return tuple(replace(one, returns=None) for one in made_by.signatures)
            if at.is_record and at.options.init:
                return (self._record_constructor(at),)
        if shape.kind is ClassKind.NEW_TYPE:
            return (Signature((Param("value", ParamKind.POSITIONAL_ONLY, shape.bases[0]),), None),)
        if any(name.startswith("builtins.") for name in self.ancestry(shape)):  # an exception takes anything
            anything = Type(ast.Name("object"), shape.module)
            return (Signature((Param("args", ParamKind.STAR, anything),), None),)
        return (Signature((), None),)

    def _record_constructor(self, record: ClassShape) -> Signature:
        records = [at for at in reversed(self.lineage(record)) if at.is_record]
        return Signature(in_order(param for at in records for param in field_params(at)), None)


def reference(type_: Type) -> str:
    """Return what a base or a plain type refers to, its arguments left aside.

    Args:
        type_: The type.
    """
    node = type_.node.value if isinstance(type_.node, ast.Subscript) else type_.node
    if isinstance(node, ast.Attribute):
        root = type_.module.resolve(ast.unparse(node).partition(".")[0])
        return f"{root}.{ast.unparse(node).partition('.')[2]}"
    return type_.module.resolve(node.id) if isinstance(node, ast.Name) else ""


def outside_ancestry(name: str) -> set[str]:
    """Return a class outside the tree with what it derives from, where that is known.

    Args:
        name: The class, as ``builtins.ValueError``.
    """
    module, _, bare = name.rpartition(".")
    known = getattr(_KNOWN_MODULES.get(module), bare, None)
    if not isinstance(known, type):
        return {name}
    return {f"{parent.__module__}.{parent.__name__}" for parent in known.__mro__ if parent is not object}


def field_params(record: ClassShape) -> list[Param]:
    """Return the parameters of the constructor that the own fields of a record make, in the order of the fields.

    Args:
        record: The class that declares them.
    """
    found = []
    for one in record.fields:
        if one.in_init:
            by_keyword = one.kw_only or record.kind is ClassKind.TYPED_DICT
            kind = ParamKind.KEYWORD if by_keyword else ParamKind.POSITIONAL
            found.append(Param(one.name, kind, one.type, one.value))
    return found


def in_order(params: Iterable[Param]) -> tuple[Param, ...]:
    """Put fields in the order in which the constructor takes them; a field declared again keeps its first place.

    Args:
        params: The parameters that the fields make, those of the bases first.
    """
    merged = {param.name: param for param in params}
    return tuple(sorted(merged.values(), key=lambda param: list(ParamKind).index(param.kind)))


def stub_files(folder: Path) -> dict[str, str]:
    """Return the text of each stub below a folder, by its path there: ``"pipelex/plugins/contract.pyi"``.

    Args:
        folder: The folder that holds the folder ``pipelex``.

    Raises:
        OSError: A stub cannot be read.
        UnicodeDecodeError: A stub is not UTF-8.
    """
    paths = sorted((folder / PACKAGE).rglob("*.pyi"))
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def module_of(path: str) -> str:
    """Return the dotted name of the module that a stub describes.

    Args:
        path: The stub, below its tree.
    """
    return path.removesuffix(".pyi").removesuffix("/__init__").replace("/", ".")


def read_stub_tree(files: Mapping[str, str], label: str) -> TreeShape:
    """Read a stub tree.

    Args:
        files: The text of each stub by its path below the tree.
        label: How the tree is called in reports.

    Raises:
        StubError: A stub is not valid Python, or mentions a name that it neither defines nor imports: it would be
            compared with nothing, and pass.
    """
    result = TreeShape(label)
    for path, text in sorted(files.items()):
        try:
            stub = ast.parse(text)
        except SyntaxError as exc:
            raise StubError(path, exc.lineno or 0, f"not valid Python: {exc.msg}") from exc
        module = ModuleShape(module_of(path), result)
        result.modules[module.name] = module
        module.imports = {one.bound: _imported(one) for one in read_imports(stub, module.name)}
        for statement in stub.body:
            _read_statement(module, statement)
        module.reexported = _reexported(module, stub.body)
        _check_statements(module, stub.body, path)
        _check_names(module, stub.body, path)
        result.shapes |= {shape.key: shape for shape in module.shapes.values()}
    for shape in list(result.classes()):  # a class is a typed dictionary as well if a base of it is one
        if shape.kind is ClassKind.PLAIN and any(at.kind is ClassKind.TYPED_DICT for at in result.lineage(shape)):
            as_dictionary = _read_class(shape.module, shape.node, ClassKind.TYPED_DICT)
            result.shapes[shape.key] = shape.module.shapes[shape.name] = as_dictionary
    return result


def _imported(one: Import) -> str:
    if one.name is None:  # "import a.b" binds "a"
        return one.bound if one.bound == one.module.partition(".")[0] else one.module
    return f"{one.module}{':' if one.module.partition('.')[0] == PACKAGE else '.'}{one.name}"


def _reexported(module: ModuleShape, body: list[ast.stmt]) -> dict[str, str]:
    aliases = (alias for one in body if isinstance(one, ast.ImportFrom) for alias in one.names)
    names = {alias.name for alias in aliases if alias.asname == alias.name} | (module.published or frozenset())
    return {name: target for name, target in module.imports.items() if name in names}


def _check_statements(module: ModuleShape, body: list[ast.stmt], path: str) -> None:
    """Refuse what is read into nothing."""
    for statement in body:
        made_by = _called(statement.value) if isinstance(statement, ast.Assign) else None
        if made_by is not None and reference(Type(made_by, module)).endswith(".TypeVarTuple"):
            raise StubError(path, statement.lineno, f"'{_head(statement)}': a variable number of types is not compared")
        is_guard = isinstance(statement, ast.If) and all(
            isinstance(one, ast.Import | ast.ImportFrom) for one in [*statement.body, *statement.orelse]
        )
        if not is_documentation(statement) and not is_guard and not isinstance(statement, _STATEMENTS):
            raise StubError(path, statement.lineno, f"'{_head(statement)}': expected a definition or an import")


def _head(statement: ast.stmt) -> str:
    return ast.unparse(statement).partition("\n")[0]


def _check_names(module: ModuleShape, body: list[ast.stmt], path: str) -> None:
    """Refuse a name that the module neither defines nor imports."""
    inside = [statement for top in body if isinstance(top, ast.ClassDef) for statement in top.body]
    members = {_defined(statement) for statement in inside if not isinstance(statement, ast.ClassDef)}
    bound = {*module.shapes, *(name.partition(".")[0] for name in module.imports)}
    known = {*bound, *members, *_BUILTINS}
    for top in body:
        name = _defined(top)
        if name == "__all__" and (missing := sorted(_strings(top) - bound)):
            raise StubError(path, top.lineno, f"'__all__' has '{missing[0]}', which it neither defines nor imports")
        found = module.mentioned.setdefault(name or "", set())
        module.statements.setdefault(name or "", []).append(top)
        for node in _leaves(top):
            if isinstance(node, ast.Name):
                if isinstance(node.ctx, ast.Load) and node.id not in known:
                    raise StubError(path, node.lineno, f"mentions '{node.id}', which it neither defines nor imports")
                found.add(node.id)
            elif isinstance(node.value, str):
                found.update(_WORD.findall(node.value))


def _leaves(top: ast.stmt) -> Iterator[ast.Name | ast.Constant]:
    """Yield the names and the values of a statement, documentation left aside."""
    pending: list[ast.AST] = [top]
    for node in pending:
        if isinstance(node, ast.Name | ast.Constant):
            yield node
        elif not is_documentation(node):
            pending += ast.iter_child_nodes(node)


def is_documentation(node: object) -> bool:
    """Return whether a piece of syntax is a statement that is a value alone: a docstring, three dots.

    Args:
        node: The piece.
    """
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _read_statement(module: ModuleShape, statement: ast.stmt) -> None:
    if isinstance(statement, ast.ClassDef):
        module.shapes[statement.name] = _read_class(module, statement)
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        known = module.shapes.get(statement.name)
        method = _read_method(module, statement, in_class=False)
        if isinstance(known, FunctionShape):
            method = _overloaded(known.method, method)
        module.shapes[statement.name] = FunctionShape(f"{module.name}:{statement.name}", module, method)
    elif (name := _assigned(statement)) == "__all__":
        module.published = _strings(statement)
    elif name:
        module.shapes[name] = _read_assignment(module, name, statement)


def _strings(statement: ast.stmt) -> frozenset[str]:
    return frozenset(
        node.value for node in ast.walk(statement) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _defined(statement: ast.stmt) -> str | None:
    """Return the name that a statement defines."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return statement.name
    return _assigned(statement)


def _assigned(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.AnnAssign):
        return statement.target.id if isinstance(statement.target, ast.Name) else None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return None


def _read_assignment(module: ModuleShape, name: str, statement: ast.stmt) -> Shape:
    key = f"{module.name}:{name}"
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    made_by = reference(Type(value.func, module)) if isinstance(value, ast.Call) else ""
    if isinstance(value, ast.Call) and made_by in _TYPE_VARIABLES:
        return VariableShape(key, module, value)
    if isinstance(value, ast.Call) and made_by in _NEW_TYPES and len(value.args) == 2:
        node = ast.ClassDef(name, [value.args[1]], [], [], [])
        return ClassShape(key, module, node, ClassKind.NEW_TYPE, (Type(_unquoted(value.args[1]), module),))
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    if annotation is not None and value is not None and reference(Type(annotation, module)) == "typing.TypeAlias":
        return AliasShape(key, module, Type(_unquoted(value), module))
    declared = _declared(annotation, module)
    text = ast.unparse(value) if value is not None else None
    is_final, type_ = declared.has("Final"), declared.type or _literal_type(value, module)
    is_literal = is_final and declared.type is None and type_ is not None
    return ConstantShape(key, module, type_, text, is_final, is_literal)


class _Declared(NamedTuple):
    """An annotation taken apart: the type, and what stands around it."""

    type: Type | None
    qualifiers: tuple[str, ...] = ()

    def has(self, qualifier: str) -> bool:
        return qualifier in self.qualifiers


def _declared(annotation: ast.expr | None, module: ModuleShape) -> _Declared:
    """Take an annotation apart; ``Final`` and ``ClassVar`` alone state no type."""
    node = _unquoted(annotation) if annotation is not None else None
    found: list[str] = []
    while node is not None and (name := _qualifier(node, module)):
        found.append(name)
        inner = node.slice if isinstance(node, ast.Subscript) else None
        node = inner.elts[0] if name == "Annotated" and isinstance(inner, ast.Tuple) else inner
    return _Declared(Type(node, module) if node is not None else None, tuple(found))


def _qualifier(node: ast.expr, module: ModuleShape) -> str:
    """Return the qualifier that an annotation begins with; nothing where it is a type."""
    name = reference(Type(node, module)).rpartition(".")[2]
    return name if name in _QUALIFIERS else ""


def _literal_type(value: ast.expr | None, module: ModuleShape) -> Type | None:
    """Return the type of a value that speaks for itself."""
    if isinstance(value, ast.Constant) and value.value is not None and value.value is not ...:
        return Type(ast.Name(type(value.value).__name__), module)
    if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):  # a member of an enum
        return Type(value.value, module)
    return None


def _read_class(module: ModuleShape, node: ast.ClassDef, kind: ClassKind | None = None) -> ClassShape:
    bases = tuple(Type(_unquoted(base), module) for base in node.bases)
    decorators = {reference(Type(_called(one), module)): one for one in node.decorator_list}
    kind = kind or _class_kind(bases, decorators)
    shape = ClassShape(f"{module.name}:{node.name}", module, node, kind, bases)
    options = decorators.get("dataclasses.dataclass")
    if isinstance(options, ast.Call):
        known = {one.name for one in fields(RecordOptions)}
        given = {one.arg: ast.unparse(one.value) == "True" for one in options.keywords if one.arg in known}
        shape.options = RecordOptions(**{str(name): value for name, value in given.items()})
    shape.final = not _FINAL.isdisjoint(decorators)
    shape.deprecated = _deprecation(node)
    shape.runtime_checkable = not _RUNTIME_CHECKABLE.isdisjoint(decorators)
    shape.unread = tuple(_unread_of_class(shape, decorators))
    by_keyword = False
    for statement in node.body:
        by_keyword = by_keyword or _is_keyword_mark(shape, statement)
        _read_member(shape, statement, by_keyword=by_keyword)
    shape.type_variables = tuple(_class_variables(shape))
    return shape


def _unread_of_class(shape: ClassShape, decorators: Mapping[str, ast.expr]) -> Iterator[str]:
    """Yield what a class states and no record holds."""
    node = shape.node
    for name, decorator in decorators.items():
        if name != "dataclasses.dataclass" and name not in _FINAL | _RUNTIME_CHECKABLE | _DEPRECATED:
            yield f"@{ast.unparse(decorator)}"
    for keyword in node.keywords:
        if keyword.arg != "total" or shape.kind is not ClassKind.TYPED_DICT:
            yield ast.unparse(keyword)
    yield from _type_parameters(node)
    for statement in node.body:
        is_function = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        is_member = is_function or _assigned(statement) not in {None, "__slots__"}
        if not is_member and not is_documentation(statement) and not isinstance(statement, ast.Pass):
            yield ast.unparse(statement)


def _type_parameters(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Yield the variables in brackets behind a name, as Python 3.12 has them."""
    yield from (ast.unparse(one) for one in getattr(node, "type_params", ()))


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _class_kind(bases: tuple[Type, ...], decorators: dict[str, ast.expr]) -> ClassKind:
    names = {reference(base) for base in bases}
    if "typing.Protocol" in names:
        return ClassKind.PROTOCOL
    if names & ENUM_BASES:
        return ClassKind.ENUM
    if "typing.NamedTuple" in names:
        return ClassKind.NAMED_TUPLE
    if names & _TYPED_DICTS:
        return ClassKind.TYPED_DICT
    return ClassKind.RECORD if "dataclasses.dataclass" in decorators else ClassKind.PLAIN


def _class_variables(shape: ClassShape) -> dict[str, None]:
    return {key: None for base in shape.bases if isinstance(base.node, ast.Subscript) for key in _variables(base)}


def _variables(type_: Type) -> dict[str, None]:
    """Return the keys of the type variables that a type mentions, in the order in which they are written."""
    names = (node for node in ast.walk(type_.node) if isinstance(node, ast.Name))
    written = sorted(names, key=lambda node: (node.lineno, node.col_offset))
    module = type_.module
    return {module.resolve(one.id): None for one in written if isinstance(module.shapes.get(one.id), VariableShape)}


def _is_keyword_mark(shape: ClassShape, statement: ast.stmt) -> bool:
    """Tell whether a line is ``_: KW_ONLY``: the fields behind it are passed by keyword."""
    if not isinstance(statement, ast.AnnAssign):
        return False
    return reference(Type(statement.annotation, shape.module)) == "dataclasses.KW_ONLY"


def _read_member(shape: ClassShape, statement: ast.stmt, *, by_keyword: bool) -> None:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        if statement.name != "__post_init__":  # generated code of a dataclass calls it, no plugin does
            _read_method_of(shape, statement)
        return
    name = _assigned(statement)
    if name is None or not isinstance(statement, ast.Assign | ast.AnnAssign) or _is_keyword_mark(shape, statement):
        return
    if name == "__slots__":
        return
    shape.members[name] = _read_attribute(shape, name, statement, by_keyword=by_keyword)


def _read_attribute(
    shape: ClassShape, name: str, statement: ast.Assign | ast.AnnAssign, *, by_keyword: bool
) -> Attribute:
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    declared = _declared(annotation, shape.module)
    type_ = declared.type
    if annotation is not None and type_ is None:
        type_ = _literal_type(statement.value, shape.module)
    read_only = shape.frozen or declared.has("Final") or declared.has("ReadOnly")
    in_class = declared.has("ClassVar")
    options = _field_options(shape, statement.value)
    value = ast.unparse(statement.value) if statement.value is not None else None
    if options is not None:
        factory = options.get("default_factory")
        value = f"{factory}()" if factory else options.get("default")
    if shape.kind is ClassKind.TYPED_DICT:  # a key that may be left out is a parameter with a default
        value = None if _is_required(shape, declared) else "..."
    stated = by_keyword or shape.options.kw_only
    if options is not None and "kw_only" in options:
        stated = options["kw_only"] == "True"
    return Attribute(
        name,
        type_,
        value,
        None if read_only else type_,
        final=declared.has("Final"),
        in_class=in_class,
        in_init=options is None or options.get("init") != "False",
        kw_only=stated,
        synthesized=_left_out_of(options or {}),
        unread=tuple(_unread_of_field(declared, options)),
    )


def _unread_of_field(declared: _Declared, options: Mapping[str, str] | None) -> Iterator[str]:
    """Yield what a field states and no record holds."""
    yield from (one for one in declared.qualifiers if one in {"InitVar", "Annotated"})
    for name, value in (options or {}).items():
        if name not in {"default", "default_factory", "init", "kw_only", *_SYNTHESIZED}:
            yield f"{name}={value}"


def _left_out_of(options: Mapping[str, str]) -> frozenset[str]:
    """Return the synthesized methods in which a field does not count; ``hash=None`` means what ``compare`` means."""
    given = {"compare": options.get("compare", "True"), "repr": options.get("repr", "True")}
    given["hash"] = given["compare"] if options.get("hash", "None") == "None" else options["hash"]
    return frozenset(name for name, value in given.items() if value == "False")


def _field_options(shape: ClassShape, value: ast.expr | None) -> dict[str, str] | None:
    """Return the arguments of ``field(...)`` as text; ``None`` where a value is no such call."""
    if not isinstance(value, ast.Call) or reference(Type(value.func, shape.module)) != "dataclasses.field":
        return None
    return {one.arg: ast.unparse(one.value) for one in value.keywords if one.arg}


def _is_required(shape: ClassShape, declared: _Declared) -> bool:
    """Tell whether a dictionary must have a key."""
    if declared.has("Required") or declared.has("NotRequired"):
        return declared.has("Required")
    return not any(one.arg == "total" and ast.unparse(one.value) == "False" for one in shape.node.keywords)


def _read_method_of(shape: ClassShape, statement: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    name = statement.name
    decorators = {ast.unparse(_called(one)).rpartition(".")[2] for one in statement.decorator_list}
    known = shape.members.get(name)
    if "setter" in decorators and isinstance(known, Attribute):
        method = _read_method(shape.module, statement, in_class=True)
        is_abstract = known.abstract or method.abstract
        shape.members[name] = replace(known, writable=method.signature.params[0].type, abstract=is_abstract)
    elif "deleter" in decorators and isinstance(known, Attribute):
        method = _read_method(shape.module, statement, in_class=True)
        shape.members[name] = replace(known, has_deleter=True, abstract=known.abstract or method.abstract)
    elif "property" in decorators:
        method = _read_method(shape.module, statement, in_class=True)
        abstract = method.abstract or _is_protocol(shape)
        type_, final = method.signature.returns, method.final
        stated = Attribute(name, type_, abstract=abstract, is_property=True, final=final)
        unread = method.unread if method.form is MethodForm.PLAIN else (*method.unread, method.form.value)
        shape.members[name] = replace(stated, deprecated=method.deprecated, unread=unread)
    else:
        method = _read_method(shape.module, statement, in_class=True)
        shape.members[name] = _overloaded(known, method) if isinstance(known, Method) else method


def _is_protocol(shape: ClassShape) -> bool:
    return shape.kind is ClassKind.PROTOCOL


def _overloaded(known: Method, method: Method) -> Method:
    advice = known.deprecated or method.deprecated
    unread, final, abstract = (
        (*known.unread, *method.unread),
        known.final or method.final,
        known.abstract or method.abstract,
    )
    stated = replace(method, deprecated=advice, unread=unread, final=final, abstract=abstract)
    return replace(stated, signatures=(*known.signatures, *method.signatures))


def _read_method(module: ModuleShape, node: ast.FunctionDef | ast.AsyncFunctionDef, *, in_class: bool) -> Method:
    decorators = {ast.unparse(_called(one)).rpartition(".")[2] for one in node.decorator_list}
    form = MethodForm.PLAIN
    if "classmethod" in decorators or node.name == "__new__":
        form = MethodForm.CLASS
    elif "staticmethod" in decorators:
        form = MethodForm.STATIC
    params = list(_read_params(module, node.args))
    receiver: list[str] = []
    if in_class and form is not MethodForm.STATIC:
        receiver = [f"{one.name}: {ast.unparse(one.type.node)}" for one in params[:1] if one.type is not None]
        params = params[1:]
    returns = Type(_unquoted(node.returns), module) if node.returns is not None else None
    signature = Signature(tuple(params), returns, isinstance(node, ast.AsyncFunctionDef))
    unread = tuple(sorted([*_unread_decorators(node), *_type_parameters(node), *receiver]))
    is_abstract, is_final, advice = "abstractmethod" in decorators, "final" in decorators, _deprecation(node)
    return Method(node.name, (signature,), form, is_abstract, is_final, advice, unread)


def _deprecation(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return what a definition is marked as deprecated with."""
    calls = (one for one in node.decorator_list if isinstance(one, ast.Call))
    found = (one for one in calls if ast.unparse(one.func).rpartition(".")[2] == "deprecated")
    return next((", ".join(ast.unparse(argument) for argument in one.args) for one in found), "")


def _unread_decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for one in node.decorator_list:
        if ast.unparse(_called(one)).rpartition(".")[2] not in _DECORATORS:
            yield f"@{ast.unparse(one)}"


def _read_params(module: ModuleShape, arguments: ast.arguments) -> Iterator[Param]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + [ast.unparse(one) for one in arguments.defaults]
    for place, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
        only = place < len(arguments.posonlyargs)
        kind = ParamKind.POSITIONAL_ONLY if only else ParamKind.POSITIONAL
        yield Param(argument.arg, kind, _type_of(argument, module), default)
    if arguments.vararg:
        yield Param(arguments.vararg.arg, ParamKind.STAR, _type_of(arguments.vararg, module))
    for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        default = ast.unparse(value) if value is not None else None
        yield Param(argument.arg, ParamKind.KEYWORD, _type_of(argument, module), default)
    if arguments.kwarg:
        yield Param(arguments.kwarg.arg, ParamKind.DOUBLE_STAR, _type_of(arguments.kwarg, module))


def _type_of(argument: ast.arg, module: ModuleShape) -> Type | None:
    return Type(_unquoted(argument.annotation), module) if argument.annotation is not None else None


def _unquoted(node: ast.expr) -> ast.expr:
    """Take the quotes off types that are written as strings; in ``Literal`` and behind ``Annotated`` are values."""
    return _Unquote().visit(node) if any(isinstance(part, ast.Constant) for part in ast.walk(node)) else node


class _Unquote(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        name = ast.unparse(node.value).rpartition(".")[2]
        if name == "Annotated" and isinstance(node.slice, ast.Tuple):
            node.slice.elts[0] = self.visit(node.slice.elts[0])
        elif name != "Literal":
            self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, str):
            return node
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return node
