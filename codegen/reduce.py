"""From an implementation to its signature: what a stub states about a class, a function or a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import libcst as cst

from codegen.source import assigned_name, decorator_names, dotted_name, is_docstring, is_overload, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codegen.errors import Problem
    from codegen.source import Definition, SourceModule

_NO_SIGNATURE = {"__reduce__"}
"""Methods that a class needs to work and that are not called or overridden."""
_FIELD_OPTIONS = {"init", "kw_only", "compare", "hash", "repr"}
"""The arguments of ``field()`` that decide how plugins can give and see a field."""
_FACTORIES = {"dict", "frozenset", "list", "set", "tuple"}
_STATED_NAMES = {"__hash__", "__match_args__", "__slots__"}
"""The special names of which an assignment in a class changes what plugins can do with its objects."""
_ASSIGNABLE = (*_STATED_NAMES, "__doc__", "__module__", "__qualname__", "__test__", "__get_pydantic_", "__pydantic_")
"""The special names that a class may assign: those that its stub states, and those that no plugin uses."""
_FINAL = cst.Decorator(decorator=cst.Name("final"))
_DECORATORS = {
    "property",
    "classmethod",
    "staticmethod",
    "abstractmethod",
    "overload",
    "override",
    "final",
    "deprecated",
}
_NEEDS_312 = "need Python 3.12, and older ones read the stubs"
Statement: TypeAlias = cst.SimpleStatementLine | cst.BaseCompoundStatement
NodeT = TypeVar("NodeT", bound=cst.CSTNode)
_BLANK_LINE = cst.EmptyLine(indent=False)
_DOTS = cst.SimpleStatementLine(body=[cst.Expr(cst.Ellipsis())])


@dataclass(frozen=True)
class SymbolPart:
    """A part of a published symbol that is checked, and named in errors, by itself.

    Attributes:
        where: The symbol and the part, as ``module:Class.method``.
        node: What the stub states.
        origin: The node of the source that it comes from.
    """

    where: str
    node: cst.CSTNode
    origin: cst.CSTNode


@dataclass(frozen=True)
class Reduced:
    """A published symbol as the stub states it.

    Attributes:
        statements: The whole.
        parts: Its parts.
    """

    statements: tuple[Statement, ...]
    parts: tuple[SymbolPart, ...]


@dataclass(frozen=True)
class _Kind:
    """What kind of class a class is, as far as its stub depends on it."""

    is_enum: bool
    is_dataclass: bool
    has_hooks: bool


@dataclass(frozen=True)
class _Attribute:
    """A public attribute: its line in the stub, the string that documents it, and where it comes from."""

    name: str
    line: cst.SimpleStatementLine
    docstring: list[cst.SimpleStatementLine]
    origin: cst.CSTNode


class Reducer:
    """Reduces the definitions of one module.

    Args:
        module: The module.
        has_hooks: Returns whether a class, by name, is one whose underscored methods drivers override.
        is_published: Returns whether a name, as ``module:name``, is published.
        refuse: Takes note of a problem.
    """

    def __init__(
        self,
        module: SourceModule,
        *,
        has_hooks: Callable[[str], bool],
        is_published: Callable[[str], bool],
        refuse: Callable[[Problem], None],
    ) -> None:
        self._module = module
        self._has_hooks = has_hooks
        self._is_published = is_published
        self._refuse = refuse

    def reduce(self, definition: Definition) -> Reduced:
        """Reduce one definition.

        Args:
            definition: A published one, or a type variable that one uses.
        """
        where = f"{self._module.name}:{definition.name}"
        node = definition.node
        if isinstance(node, cst.ClassDef):
            return self._reduce_class(node, where)
        if isinstance(node, cst.FunctionDef):
            seen = definition.overloads or (node,)
            functions = [self._reduce_function(one, where, in_class=False) for one in seen]
            functions = [one.with_changes(leading_lines=[_BLANK_LINE, _BLANK_LINE]) for one in functions]
            parts = (SymbolPart(where, one, origin) for one, origin in zip(functions, seen, strict=True))
            return Reduced(tuple(functions), tuple(parts))
        self._refuse_line(node, where)
        line = _without_comments(node).with_changes(leading_lines=[_BLANK_LINE])
        docstring = (_plain_line(definition.docstring),) if definition.docstring else ()
        return Reduced((line, *docstring), (SymbolPart(where, line, node),))

    def _reduce_class(self, node: cst.ClassDef, where: str) -> Reduced:
        kind = self._kind_of(node)
        self._refuse_unrendered(node, where, kind)
        header = _without_comments(
            node.with_changes(leading_lines=[_BLANK_LINE, _BLANK_LINE], lines_after_decorators=[], body=_suite(None))
        )
        parts = [SymbolPart(where, header, node)]
        attributes = list(self._class_attributes(node, where, kind))
        attributes += self._instance_attributes(node, where, taken={attribute.name for attribute in attributes})
        methods = list(self._methods(node, where, kind))
        statements: list[Statement] = list(_docstring_of(node))
        for place, attribute in enumerate(attributes):
            leading = [_BLANK_LINE] if statements and place == 0 else []
            statements += [attribute.line.with_changes(leading_lines=leading), *attribute.docstring]
            parts.append(SymbolPart(f"{where}.{attribute.name}", attribute.line, attribute.origin))
        for name, function, origin in methods:
            leading = [_BLANK_LINE] if statements else []
            statements.append(function.with_changes(leading_lines=leading))
            parts.append(SymbolPart(f"{where}.{name}", function, origin))
        body = cst.IndentedBlock(body=statements) if statements else _suite(None)
        return Reduced((header.with_changes(body=body),), tuple(parts))

    def _refuse_unrendered(self, node: cst.ClassDef, where: str, kind: _Kind) -> None:
        """Refuse what plugins can see of a class and no stub would show."""
        self._refuse_type_parameters(node, where)
        for statement in node.body.body:
            if isinstance(statement, cst.If | cst.Try | cst.With | cst.For | cst.While):
                text = "a member that is there on a condition: no stub shows it; define it in any case"
                self._problem(statement, where, text)
            if isinstance(statement, cst.ClassDef) and not statement.name.value.startswith("_"):
                text = (
                    f"no stub shows the class '{statement.name.value}' in it; define it in the module, and publish it"
                )
                self._problem(statement, where, text)
            name = assigned_name(statement)
            if name is not None and name.startswith("__") and not name.startswith(_ASSIGNABLE):
                self._problem(statement, where, f"no stub shows what is assigned to '{name}'; define it as a method")
            if name is None and isinstance(statement, cst.FunctionDef):
                name = statement.name.value
            if name is None or name in _NO_SIGNATURE or _is_published_method(name, kind):
                continue
            if self._is_protocol(node) or _is_abstract(statement):
                text = f"plugins must have '{name}', which no stub shows; give it a public name"
                self._problem(statement, where, text)
            if kind.is_dataclass and _is_required(statement):
                text = f"the constructor takes '{name}', which no stub shows; give it a default, or field(init=False)"
                self._problem(statement, where, text)

    def _is_protocol(self, node: cst.ClassDef) -> bool:
        bases = (dotted_name(_head(base.value)) for base in node.bases)
        return "typing:Protocol" in {self._module.imports.get(base) for base in bases}

    def _refuse_line(self, node: cst.SimpleStatementLine, where: str) -> None:
        match node.body[0]:
            case cst.TypeAlias():
                self._problem(node, where, f"'type' statements {_NEEDS_312}; expected 'X: TypeAlias = ...'")
            case cst.Assign(value=cst.Call(func=func)) if dotted_name(func).rpartition(".")[2] == "TypeVarTuple":
                text = "no comparison of versions reads a variable number of types; expected TypeVars, or a ParamSpec"
                self._problem(node, where, text)

    def _refuse_type_parameters(self, node: cst.ClassDef | cst.FunctionDef, where: str) -> None:
        if node.type_parameters is not None:
            self._problem(node, where, f"type parameters in brackets {_NEEDS_312}; expected a TypeVar")

    def _kind_of(self, node: cst.ClassDef) -> _Kind:
        bases = {self._module.imports.get(dotted_name(base.value), "") for base in node.bases}
        return _Kind(
            is_enum=any(base.startswith("enum:") for base in bases),
            is_dataclass="dataclass" in decorator_names(node),
            has_hooks=self._has_hooks(node.name.value),
        )

    def _class_attributes(self, node: cst.ClassDef, where: str, kind: _Kind) -> Iterator[_Attribute]:
        """Yield the public assignments of a class's body, each with the string that documents it."""
        body = list(node.body.body)
        for statement, following in zip(body, [*body[1:], None], strict=True):
            name = assigned_name(statement)
            if name is None or not isinstance(statement, cst.SimpleStatementLine):
                continue
            if kind.is_dataclass and _is_keyword_mark(statement):
                yield _Attribute(name, _plain_line(statement), [], statement)
            if name.startswith("_") and name not in _STATED_NAMES:
                continue
            line = statement if kind.is_enum else self._reduce_attribute(statement, f"{where}.{name}", kind)
            docstring = [_plain_line(following)] if is_docstring(following) else []
            yield _Attribute(name, _plain_line(line), docstring, statement)

    def _reduce_attribute(self, statement: cst.SimpleStatementLine, where: str, kind: _Kind) -> cst.SimpleStatementLine:
        small = statement.body[0]
        if isinstance(small, cst.Assign) and where.endswith(".__slots__"):
            return statement.with_changes(body=[small.with_changes(value=_public_slots(small.value))])
        if isinstance(small, cst.Assign):  # a new value for what a base declares; its type is the base's
            plain = self._plain_value(small.value)
            if plain is None:
                self._problem(statement, where, "its type cannot be read from its value; expected an annotation")
                return statement
            return statement.with_changes(body=[small.with_changes(value=plain)])
        declaration = cst.ensure_type(small, cst.AnnAssign)
        value = _field_default(declaration.value) if kind.is_dataclass else declaration.value
        if value is not None:
            value = self._plain_value(value) or (cst.Ellipsis() if kind.is_dataclass else None)
        if kind.is_dataclass and isinstance(declaration.value, cst.Call):
            value = self._field_call(statement, where, declaration.value, value)
        equal = cst.MaybeSentinel.DEFAULT
        return statement.with_changes(body=[declaration.with_changes(value=value, equal=equal)])

    def _field_call(
        self, statement: cst.SimpleStatementLine, where: str, call: cst.Call, default: cst.BaseExpression | None
    ) -> cst.BaseExpression | None:
        """Return what the stub gives a field: its default, in ``field(...)`` where that states how it is passed.

        A type checker takes three dots for a default in ``x: T = ...`` alone, and not in ``field(default=...)``.
        """
        if dotted_name(call.func).rpartition(".")[2] != "field":
            return default
        arguments = _arguments(call)
        kept = {name: value for name, value in arguments.items() if name in _FIELD_OPTIONS}
        if not isinstance(default, cst.Ellipsis):
            stated = {"default": default} if default is not None else {}
            return _stated(call, stated | kept) if kept else default
        factory = arguments.get("default_factory")
        if factory is not None and self._is_known_factory(dotted_name(factory)):
            return _stated(call, {"default_factory": factory} | kept)
        if kept.keys() - {"repr"}:
            expected = ", ".join(sorted(_FACTORIES))
            text = f"no stub shows its default beside {', '.join(kept)}; expected a literal, or one of {expected}"
            self._problem(statement, where, text)
        return default

    def _instance_attributes(self, node: cst.ClassDef, where: str, taken: set[str]) -> Iterator[_Attribute]:
        """Yield a declaration of each public ``self.x`` that ``__init__`` sets and the class does not declare."""
        functions = (child for child in node.body.body if isinstance(child, cst.FunctionDef))
        init = next((child for child in functions if child.name.value == "__init__"), None)
        if init is None:
            return
        annotations = {
            param.name.value: param.annotation for param in (*init.params.params, *init.params.kwonly_params)
        }
        for name, annotation, value, statement in self_assignments(init):
            if name.startswith("_") or name in taken:
                continue
            taken.add(name)
            passed_on = annotations.get(value.value) if isinstance(value, cst.Name) else None
            type_ = annotation or passed_on
            if type_ is None:
                text = "set without a type; expected 'self.x: T = ...', or a parameter of __init__ as the value"
                self._problem(statement, f"{where}.{name}", text)
                continue
            declaration = cst.AnnAssign(target=cst.Name(name), annotation=type_, value=None)
            yield _Attribute(name, cst.SimpleStatementLine(body=[declaration]), [], statement)

    def _methods(
        self, node: cst.ClassDef, where: str, kind: _Kind
    ) -> Iterator[tuple[str, cst.FunctionDef, cst.FunctionDef]]:
        functions = [child for child in node.body.body if isinstance(child, cst.FunctionDef)]
        overloaded = {child.name.value for child in functions if is_overload(child)}
        final = {child.name.value for child in functions if "final" in decorator_names(child)} & overloaded
        for child in functions:
            name = child.name.value
            is_seen = name not in overloaded or is_overload(child)  # callers see the overloads alone
            if is_seen and _is_published_method(name, kind):
                reduced = self._reduce_function(child, f"{where}.{name}", in_class=True)
                if name in final:
                    final.remove(name)  # a stub has it on the first overload, a module on the implementation
                    reduced = reduced.with_changes(decorators=[_FINAL, *reduced.decorators])
                yield name, reduced, child

    def _reduce_function(self, node: cst.FunctionDef, where: str, *, in_class: bool) -> cst.FunctionDef:
        self._refuse_type_parameters(node, where)
        self._check_decorators(node, where)
        self._check_annotations(node, where, in_class=in_class)
        reduced = node.with_changes(
            params=node.params.visit(_Defaults(self._plain_value)),
            body=_suite(next(iter(_docstring_of(node)), None)),
            leading_lines=[],
            lines_after_decorators=[],
            asynchronous=None if _is_async_generator(node) else node.asynchronous,
        )
        return _without_comments(reduced)

    def _check_decorators(self, node: cst.FunctionDef, where: str) -> None:
        for name in decorator_names(node):
            if name.rpartition(".")[2] not in {*_DECORATORS, "setter", "deleter"}:
                text = f"the decorator '{name}' hides its type; expected one of {', '.join(sorted(_DECORATORS))}"
                self._problem(node, where, text)

    def _check_annotations(self, node: cst.FunctionDef, where: str, *, in_class: bool) -> None:
        params = node.params
        own = [*params.posonly_params, *params.params]
        if in_class and "staticmethod" not in decorator_names(node):
            own = own[1:]
        stars = [star for star in (params.star_arg, params.star_kwarg) if isinstance(star, cst.Param)]
        for param in (*own, *params.kwonly_params, *stars):
            if param.annotation is None:
                self._problem(node, where, f"parameter '{param.name.value}' has no type; expected an annotation")
        if node.returns is None:
            self._problem(node, where, "no return type; expected an annotation")

    def _plain_value(self, value: cst.BaseExpression) -> cst.BaseExpression | None:
        """Return a value as a stub states it, ``None`` where it is none of the following.

        A literal is stated, a member of an enum that is ours, what a published class or a container makes of such
        values, and a constant of the module by its value: a change of it is a change of the contract.
        """
        if isinstance(value, cst.Name) and value.value in self._module.definitions:
            return self._constant_value(value.value)
        return value if self._is_plain_value(value) else None

    def _is_plain_value(self, value: cst.BaseExpression) -> bool:
        match value:
            case cst.Attribute(value=cst.Name(value=root), attr=cst.Name()):
                return root in self._module.definitions or self._module.imports.get(root, "").startswith("pipelex.")
            case cst.Name(value="None" | "True" | "False") | cst.Ellipsis():
                return True
            case cst.UnaryOperation(operator=cst.Minus(), expression=cst.Integer() | cst.Float()):
                return True
            case cst.Tuple():
                return all(self._is_plain_value(one.value) for one in value.elements)
            case cst.Call() if self._is_known_factory(dotted_name(value.func)):
                return all(self._is_plain_value(one.value) for one in value.args)
        return isinstance(value, cst.Integer | cst.Float | cst.SimpleString)

    def _constant_value(self, name: str) -> cst.BaseExpression | None:
        """Return the value of a constant of the module, where it is plain itself."""
        match self._module.definitions[name].node:
            case cst.SimpleStatementLine(body=[cst.Assign(value=cst.BaseExpression() as value)]):
                return self._plain_value(value)
            case cst.SimpleStatementLine(body=[cst.AnnAssign(value=cst.BaseExpression() as value)]):
                return self._plain_value(value)
        return None

    def _is_known_factory(self, name: str) -> bool:
        """Return whether a stub may state what makes a default: a container, or what is published."""
        return name in _FACTORIES or self._is_published(self._module.imports.get(name, f"{self._module.name}:{name}"))

    def _problem(self, node: cst.CSTNode, where: str, text: str) -> None:
        self._refuse(self._module.problem(node, where, text))


def _is_published_method(name: str, kind: _Kind) -> bool:
    if name in _NO_SIGNATURE:
        return False
    if name.startswith("__"):
        return name.endswith("__")
    return kind.has_hooks or not name.startswith("_")


def _is_abstract(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.FunctionDef) and any(
        name.rpartition(".")[2] == "abstractmethod" for name in decorator_names(statement)
    )


def _docstring_of(node: cst.ClassDef | cst.FunctionDef) -> Iterator[cst.SimpleStatementLine]:
    first = node.body.body[0] if node.body.body else None
    if is_docstring(first):
        yield _plain_line(first)


def _plain_line(line: cst.CSTNode | None) -> cst.SimpleStatementLine:
    return _without_comments(cst.ensure_type(line, cst.SimpleStatementLine).with_changes(leading_lines=[]))


def _suite(docstring: cst.SimpleStatementLine | None) -> cst.BaseSuite:
    if docstring is None:
        return cst.SimpleStatementSuite(body=[cst.Expr(cst.Ellipsis())])
    return cst.IndentedBlock(body=[docstring, _DOTS])


def self_assignments(
    init: cst.FunctionDef,
) -> Iterator[tuple[str, cst.Annotation | None, cst.BaseExpression | None, cst.CSTNode]]:
    """Yield what ``__init__`` sets on its instance: name, annotation, value and the statement.

    Args:
        init: The function.
    """
    for node in walk(init.body):
        match node:
            case cst.AnnAssign(target=cst.Attribute(value=cst.Name(value="self"), attr=name)):
                yield name.value, node.annotation, node.value, node
            case cst.Assign(targets=[cst.AssignTarget(target=cst.Attribute(value=cst.Name(value="self"), attr=name))]):
                yield name.value, None, node.value, node


def walk_params(function: cst.FunctionDef) -> Iterator[cst.Param]:
    """Yield the parameters of a function that may have a default.

    Args:
        function: The function.
    """
    params = function.params
    yield from (*params.posonly_params, *params.params, *params.kwonly_params)


def default_of(value: cst.BaseExpression) -> cst.BaseExpression | None:
    """Return what makes the default of an attribute, given what is assigned to it: the factory, where one does.

    Args:
        value: What is assigned.
    """
    default = _field_default(value)
    if isinstance(default, cst.Ellipsis) and isinstance(value, cst.Call):
        return _arguments(value)["default_factory"]
    return default


def _field_default(value: cst.BaseExpression | None) -> cst.BaseExpression | None:
    """Return the default of a dataclass field: what ``field(...)`` states, dots where a factory makes it."""
    if not isinstance(value, cst.Call) or dotted_name(value.func) != "field":
        return value
    arguments = _arguments(value)
    if "default" in arguments:
        return arguments["default"]
    return cst.Ellipsis() if "default_factory" in arguments else None


def _arguments(call: cst.Call) -> dict[str, cst.BaseExpression]:
    return {argument.keyword.value: argument.value for argument in call.args if argument.keyword is not None}


def _stated(call: cst.Call, given: dict[str, cst.BaseExpression]) -> cst.Call:
    """Return a call with other keywords."""
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    arguments = [cst.Arg(value, keyword=cst.Name(name), equal=equal) for name, value in given.items()]
    return call.with_changes(args=arguments)


def _is_required(statement: cst.CSTNode) -> bool:
    """Return whether the constructor of a dataclass cannot do without a field."""
    match statement:
        case cst.SimpleStatementLine(body=[cst.AnnAssign(annotation=annotation, value=value)]):
            if dotted_name(_head(annotation.annotation)).rpartition(".")[2] in {"ClassVar", "KW_ONLY"}:
                return False
            given = _arguments(value) if isinstance(value, cst.Call) else None
            if given is not None:
                return not {"default", "default_factory", "init"} & set(given)
            return value is None
    return False


def _public_slots(value: cst.BaseExpression) -> cst.Tuple:
    """Return the public names of ``__slots__``: that a class has slots concerns a plugin, private ones do not."""
    names = [node for node in walk(value) if isinstance(node, cst.SimpleString)]
    return cst.Tuple([cst.Element(name) for name in names if not str(name.evaluated_value).startswith("_")])


def _head(annotation: cst.BaseExpression) -> cst.BaseExpression:
    return annotation.value if isinstance(annotation, cst.Subscript) else annotation


def _is_keyword_mark(statement: cst.SimpleStatementLine) -> bool:
    """Return whether a line is ``_: KW_ONLY``."""
    match statement.body[0]:
        case cst.AnnAssign(annotation=annotation):
            return dotted_name(annotation.annotation).rpartition(".")[2] == "KW_ONLY"
    return False


def _is_async_generator(node: cst.FunctionDef) -> bool:
    """Calling an async generator returns the iterator at once: without a body, ``async`` would mean otherwise."""
    if node.asynchronous is None:
        return False
    search = _YieldSearch()
    node.body.visit(search)
    return search.found


class _YieldSearch(cst.CSTVisitor):
    """Looks for a ``yield`` of the function itself."""

    def __init__(self) -> None:
        self.found = False

    def visit_Yield(self, _node: cst.Yield) -> None:
        self.found = True

    def visit_FunctionDef(self, _node: cst.FunctionDef) -> bool:
        return False

    def visit_Lambda(self, _node: cst.Lambda) -> bool:
        return False


class _Defaults(cst.CSTTransformer):
    """Replaces the defaults of parameters that mean nothing to a reader by dots."""

    def __init__(self, plain_value: Callable[[cst.BaseExpression], cst.BaseExpression | None]) -> None:
        self._plain_value = plain_value

    def leave_Param(self, _original: cst.Param, updated_node: cst.Param) -> cst.Param:
        default = updated_node.default
        if default is None:
            return updated_node
        return updated_node.with_changes(default=self._plain_value(default) or cst.Ellipsis())


class _Comments(cst.CSTTransformer):
    """Drops every comment."""

    def leave_TrailingWhitespace(
        self, _original: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
    ) -> cst.TrailingWhitespace:
        if updated_node.comment is None:
            return updated_node
        return updated_node.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))

    def leave_EmptyLine(
        self, _original: cst.EmptyLine, updated_node: cst.EmptyLine
    ) -> cst.EmptyLine | cst.RemovalSentinel:
        return cst.RemoveFromParent() if updated_node.comment is not None else updated_node


def _without_comments(node: NodeT) -> NodeT:
    visited = node.visit(_Comments())
    return visited if isinstance(visited, type(node)) else node
