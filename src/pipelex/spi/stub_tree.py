"""A stub tree, read once into records: what each published name is, its types bound to the module that states them.

The comparison of versions, the check and the upgrade all use these records. :mod:`ast` reads the stubs: it loads a
hundred times faster than libcst, and docstrings, layout and quoting do not matter.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from pipelex.spi.imports import read_imports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipelex.spi.imports import Import

PACKAGE = "pipelex"
ENUM_BASES = {"enum.Enum", "enum.StrEnum", "enum.IntEnum", "enum.Flag", "enum.IntFlag"}
STRUCTURAL_BASES = {"typing.Protocol", "typing.Generic", "abc.ABC", "builtins.object", "typing.NamedTuple"}
"""Bases that say how a class works, not what it is."""
_BUILTINS = frozenset(dir(builtins))
_TYPE_VARIABLES = {"typing.TypeVar", "typing.ParamSpec"}


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
    ENUM = "enum"


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
    """A function, of a class or of a module; more than one signature where it is overloaded."""

    name: str
    signatures: tuple[Signature, ...]
    form: MethodForm = MethodForm.PLAIN
    abstract: bool = False
    final: bool = False

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
    """An attribute, a property or a field: what reading it gives, what setting it takes."""

    name: str
    type: Type | None
    value: str | None = None
    writable: Type | None = None
    abstract: bool = False
    is_property: bool = False


Member: TypeAlias = Method | Attribute


@dataclass(eq=False)
class ClassShape:
    """A published class."""

    key: str
    module: ModuleShape
    node: ast.ClassDef
    kind: ClassKind
    bases: tuple[Type, ...]
    frozen: bool = False
    kw_only: bool = False
    final: bool = False
    runtime_checkable: bool = False
    members: dict[str, Member] = field(default_factory=dict)
    type_variables: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in its module."""
        return self.node.name

    @property
    def is_record(self) -> bool:
        """Whether its attributes are the parameters of its constructor."""
        return self.kind in {ClassKind.RECORD, ClassKind.NAMED_TUPLE}

    @property
    def fields(self) -> list[Attribute]:
        """The fields of a record, in their order."""
        own = (member for member in self.members.values() if isinstance(member, Attribute))
        return [member for member in own if not member.is_property and member.type is not None]


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
    def variance(self) -> set[str]:
        """``covariant`` or ``contravariant``; nothing for an invariant one."""
        return {one.arg for one in self.call.keywords if one.arg in {"covariant", "contravariant"} and one.arg}


@dataclass(eq=False)
class AliasShape:
    """A published type alias; types that mention it are read as what it stands for."""

    key: str
    module: ModuleShape
    type: Type


Shape: TypeAlias = ClassShape | FunctionShape | ConstantShape | VariableShape | AliasShape


@dataclass(eq=False)
class ModuleShape:
    """A stub module: its names, and what its imports bind.

    Attributes:
        name: Its dotted name.
        tree: The tree that it belongs to.
        shapes: What it defines, by name.
        imports: What each imported name refers to: ``module:name`` of this tree, ``package.name`` of what is outside.
        published: Its ``__all__``.
    """

    name: str
    tree: TreeShape
    shapes: dict[str, Shape] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    published: frozenset[str] = frozenset()

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
        """Return what the constructor of a class takes.

        Args:
            shape: The class.
        """
        init = self.find(shape, "__init__")
        if isinstance(init, Method):
            return replace(init.signature, returns=None)
        if shape.is_record:
            fields = [(one, at) for at in reversed(self.lineage(shape)) if at.is_record for one in at.fields]
            return Signature(_sorted(field_param(one, at) for one, at in fields), None)
        if any(name.startswith("builtins.") for name in self.ancestry(shape)):  # an exception takes anything
            anything = Type(ast.Name("object"), shape.module)
            return Signature((Param("args", ParamKind.STAR, anything),), None)
        return Signature((), None)


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
    known = getattr(builtins, name.removeprefix("builtins."), None) if name.startswith("builtins.") else None
    if not isinstance(known, type):
        return {name} | ({"builtins.str"} if name == "enum.StrEnum" else set())
    return {f"builtins.{parent.__name__}" for parent in known.__mro__ if parent is not object}


def field_param(attribute: Attribute, record: ClassShape) -> Param:
    """Return the parameter of the constructor that a field of a record makes.

    Args:
        attribute: The field.
        record: The class that declares it.
    """
    kind = ParamKind.KEYWORD if record.kw_only else ParamKind.POSITIONAL
    return Param(attribute.name, kind, attribute.type, attribute.value)


def _sorted(params: Iterable[Param]) -> tuple[Param, ...]:
    """Put fields in the order in which the constructor takes them; a field declared again keeps its first place."""
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
        _check_names(module, stub.body, path)
        result.shapes |= {shape.key: shape for shape in module.shapes.values()}
    return result


def _imported(one: Import) -> str:
    if one.name is None:  # "import a.b" binds "a"
        return one.bound if one.bound == one.module.partition(".")[0] else one.module
    return f"{one.module}{':' if one.module.partition('.')[0] == PACKAGE else '.'}{one.name}"


def _check_names(module: ModuleShape, body: list[ast.stmt], path: str) -> None:
    """Refuse a name that the module neither defines nor imports."""
    members = {
        statement.name if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) else _assigned(statement)
        for top in body
        if isinstance(top, ast.ClassDef)
        for statement in top.body
    }
    known = {*module.shapes, *(name.partition(".")[0] for name in module.imports), *members, *_BUILTINS}
    for top in body:
        for node in ast.walk(top):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
                raise StubError(path, node.lineno, f"mentions '{node.id}', which it neither defines nor imports")


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
    if isinstance(value, ast.Call) and reference(Type(value.func, module)) in _TYPE_VARIABLES:
        return VariableShape(key, module, value)
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    if annotation is not None and value is not None and reference(Type(annotation, module)) == "typing.TypeAlias":
        return AliasShape(key, module, Type(_unquoted(value), module))
    type_, is_final = _declared(annotation, module)
    text = ast.unparse(value) if value is not None else None
    return ConstantShape(key, module, type_ or _literal_type(value, module), text, is_final)


def _declared(annotation: ast.expr | None, module: ModuleShape) -> tuple[Type | None, bool]:
    """Return the type that an annotation states, and whether it says that the name is not set again."""
    if annotation is None:
        return None, False
    head = reference(Type(annotation, module))
    inner = annotation.slice if isinstance(annotation, ast.Subscript) else None
    if head == "typing.Final":
        return (Type(_unquoted(inner), module) if inner is not None else None), True
    if head == "typing.ClassVar" and inner is not None:
        return Type(_unquoted(inner), module), False
    return Type(_unquoted(annotation), module), False


def _literal_type(value: ast.expr | None, module: ModuleShape) -> Type | None:
    """Return the type of a value that speaks for itself."""
    if isinstance(value, ast.Constant) and value.value is not None and value.value is not ...:
        return Type(ast.Name(type(value.value).__name__), module)
    if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):  # a member of an enum
        return Type(value.value, module)
    return None


def _read_class(module: ModuleShape, node: ast.ClassDef) -> ClassShape:
    bases = tuple(Type(_unquoted(base), module) for base in node.bases)
    decorators = {reference(Type(_called(one), module)): one for one in node.decorator_list}
    shape = ClassShape(f"{module.name}:{node.name}", module, node, _class_kind(bases, decorators), bases)
    options = decorators.get("dataclasses.dataclass")
    if isinstance(options, ast.Call):
        switched_on = {one.arg for one in options.keywords if ast.unparse(one.value) == "True"}
        shape.frozen, shape.kw_only = "frozen" in switched_on, "kw_only" in switched_on
    shape.frozen = shape.frozen or shape.kind is ClassKind.NAMED_TUPLE
    shape.final = "typing.final" in decorators
    shape.runtime_checkable = "typing.runtime_checkable" in decorators
    for statement in node.body:
        _read_member(shape, statement)
    shape.type_variables = tuple(_class_variables(shape))
    return shape


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
    return ClassKind.RECORD if "dataclasses.dataclass" in decorators else ClassKind.PLAIN


def _class_variables(shape: ClassShape) -> Iterator[str]:
    seen = set()
    for base in shape.bases:
        for node in ast.walk(base.node):
            if isinstance(node, ast.Name) and isinstance(base.node, ast.Subscript):
                target = shape.module.resolve(node.id)
                if target not in seen and _is_variable(shape.module, node.id):
                    seen.add(target)
                    yield target


def _is_variable(module: ModuleShape, name: str) -> bool:
    return isinstance(module.shapes.get(name), VariableShape)


def _read_member(shape: ClassShape, statement: ast.stmt) -> None:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        if statement.name != "__post_init__":  # generated code of a dataclass calls it, no plugin does
            _read_method_of(shape, statement)
        return
    name = _assigned(statement)
    if name is None or not isinstance(statement, ast.Assign | ast.AnnAssign):
        return
    annotation = statement.annotation if isinstance(statement, ast.AnnAssign) else None
    type_, is_final = _declared(annotation, shape.module)
    if annotation is not None and type_ is None:
        type_ = _literal_type(statement.value, shape.module)
    read_only = shape.frozen or is_final
    value = ast.unparse(statement.value) if statement.value is not None else None
    shape.members[name] = Attribute(name, type_, value, None if read_only else type_)


def _read_method_of(shape: ClassShape, statement: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    name = statement.name
    decorators = {ast.unparse(_called(one)).rpartition(".")[2] for one in statement.decorator_list}
    known = shape.members.get(name)
    if "setter" in decorators and isinstance(known, Attribute):
        method = _read_method(shape.module, statement, in_class=True)
        shape.members[name] = Attribute(
            name, known.type, None, method.signature.params[0].type, known.abstract, is_property=True
        )
    elif "property" in decorators:
        method = _read_method(shape.module, statement, in_class=True)
        shape.members[name] = Attribute(
            name, method.signature.returns, abstract=method.abstract or _is_protocol(shape), is_property=True
        )
    elif "deleter" not in decorators:
        method = _read_method(shape.module, statement, in_class=True)
        shape.members[name] = _overloaded(known, method) if isinstance(known, Method) else method


def _is_protocol(shape: ClassShape) -> bool:
    return shape.kind is ClassKind.PROTOCOL


def _overloaded(known: Method, method: Method) -> Method:
    signatures = (*known.signatures, *method.signatures)
    return Method(method.name, signatures, method.form, method.abstract, method.final)


def _read_method(module: ModuleShape, node: ast.FunctionDef | ast.AsyncFunctionDef, *, in_class: bool) -> Method:
    decorators = {ast.unparse(_called(one)).rpartition(".")[2] for one in node.decorator_list}
    form = MethodForm.PLAIN
    if "classmethod" in decorators or node.name == "__new__":
        form = MethodForm.CLASS
    elif "staticmethod" in decorators:
        form = MethodForm.STATIC
    params = list(_read_params(module, node.args))
    if in_class and form is not MethodForm.STATIC:
        params = params[1:]
    returns = Type(_unquoted(node.returns), module) if node.returns is not None else None
    signature = Signature(tuple(params), returns, isinstance(node, ast.AsyncFunctionDef))
    return Method(node.name, (signature,), form, "abstractmethod" in decorators, "final" in decorators)


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
    """Take the quotes off types that are written as strings; those inside ``Literal`` are values."""
    return _Unquote().visit(node) if any(isinstance(part, ast.Constant) for part in ast.walk(node)) else node


class _Unquote(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if ast.unparse(node.value).rpartition(".")[2] != "Literal":
            self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, str):
            return node
        try:
            return ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return node
