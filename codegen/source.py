"""The SPI modules as libcst trees, and where each of their names comes from. Text in, no import of it."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from codegen.errors import CodegenError, Problem
from pipelex.spi.imports import type_checking_guard_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from codegen.project import Project


@dataclass(frozen=True)
class Definition:
    """A top-level name of a module.

    Attributes:
        name: The name.
        node: The class, the function or the line that defines it.
        docstring: The string below a constant that documents it, where there is one.
        overloads: The signatures that callers see of an overloaded function; then ``node`` is its implementation.
    """

    name: str
    node: cst.ClassDef | cst.FunctionDef | cst.SimpleStatementLine
    docstring: cst.SimpleStatementLine | None = None
    overloads: tuple[cst.FunctionDef, ...] = ()


@dataclass
class SourceModule:
    """An SPI module, read.

    Attributes:
        name: Its dotted name.
        path: Its file, relative to the project.
        tree: Its libcst tree.
        docstring: Its docstring's line, where it has one.
        definitions: Its top-level names, in the order of the source.
        imports: What its imports bind: name to ``module:name``; ``module:`` for the module itself.
        exported: Its ``__all__``; ``None`` where it has none.
    """

    name: str
    path: str
    tree: cst.Module
    docstring: cst.SimpleStatementLine | None = None
    definitions: dict[str, Definition] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    exported: list[str] | None = None

    def line_of(self, node: cst.CSTNode) -> int:
        """Return the line of a node. Positions are computed when an error asks for one, never otherwise."""
        positions = MetadataWrapper(self.tree, unsafe_skip_copy=True).resolve(PositionProvider)
        return positions[node].start.line if node in positions else 0

    def problem(self, node: cst.CSTNode, where: str, text: str) -> Problem:
        """Make a problem of a node.

        Args:
            node: The node at fault.
            where: The signature at fault.
            text: What is wrong with it and what was expected.
        """
        return Problem(self.path, self.line_of(node), where, text)


def read_module(project: Project, name: str, path: str) -> SourceModule:
    """Parse a module and take stock of its top level.

    Args:
        project: Where it is read from.
        name: Its dotted name.
        path: Its file, relative to the project.

    Raises:
        CodegenError: It is not valid Python.
    """
    module = SourceModule(name=name, path=path, tree=parse(path, project.read(path)))
    statements = list(module.tree.body)
    if statements and is_docstring(statements[0]):
        module.docstring = cst.ensure_type(statements.pop(0), cst.SimpleStatementLine)
    for statement, following in zip(statements, [*statements[1:], None], strict=True):
        _take_stock(module, statement, following)
    return module


def parse(path: str, text: str) -> cst.Module:
    """Parse the text of a module.

    Args:
        path: Its file, for the error.
        text: The text.

    Raises:
        CodegenError: It is not valid Python.
    """
    try:
        return cst.parse_module(text)
    except cst.ParserSyntaxError as exc:
        problem = Problem(path, exc.raw_line, "", f"not valid Python: {exc.message}")
        try:
            ast.parse(text)
        except SyntaxError as plainer:  # Python's own words, and its own count of lines
            problem = Problem(path, plainer.lineno or 0, "", f"not valid Python: {plainer.msg}")
        raise CodegenError(problem) from exc


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield a node and all below it, in the order of the text; the matchers of libcst take as long to import as a run.

    Args:
        node: The node.
    """
    yield node
    for child in node.children:
        yield from walk(child)


def is_docstring(node: cst.CSTNode | None) -> bool:
    """Return whether a statement is a string that documents what is around it.

    Args:
        node: The statement.
    """
    match node:
        case cst.SimpleStatementLine(body=[cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString())]):
            return True
    return False


def _take_stock(module: SourceModule, statement: cst.BaseStatement, following: cst.BaseStatement | None) -> None:
    if isinstance(statement, cst.ClassDef | cst.FunctionDef):
        name = statement.name.value
        known = module.definitions.get(name)
        overloads = known.overloads if known is not None else ()
        if isinstance(statement, cst.FunctionDef) and is_overload(statement):
            overloads = (*overloads, statement)
        module.definitions[name] = Definition(name, statement, overloads=overloads)
    elif isinstance(statement, cst.If):
        for inner in _for_type_checkers(statement):
            _note_imports(module, inner)
    elif isinstance(statement, cst.SimpleStatementLine):
        _note_imports(module, statement)
        target = assigned_name(statement)
        if target == "__all__":
            module.exported = _string_list(statement)
        elif target is not None:
            docstring = following if is_docstring(following) else None
            module.definitions[target] = Definition(
                target, statement, docstring if isinstance(docstring, cst.SimpleStatementLine) else None
            )


def is_overload(node: cst.FunctionDef) -> bool:
    """Return whether a function is one of the signatures of an overloaded one.

    Args:
        node: The function.
    """
    return any(name.rpartition(".")[2] == "overload" for name in decorator_names(node))


def _for_type_checkers(statement: cst.If) -> Sequence[cst.CSTNode]:
    """Return the statements that a type checker sees of an ``if`` on ``TYPE_CHECKING``; of any other one, none."""
    guard = type_checking_guard_in(cst.Module([]).code_for_node(statement.test))
    if guard:
        return statement.body.body
    otherwise = statement.orelse
    return otherwise.body.body if guard is False and isinstance(otherwise, cst.Else) else ()


def assigned_name(statement: cst.CSTNode) -> str | None:
    """Return the one name that a line assigns to, with or without annotation, or ``None``.

    Args:
        statement: The line.
    """
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return None
    small = statement.body[0]
    target: cst.BaseExpression | None = None
    if isinstance(small, cst.AnnAssign):
        target = small.target
    elif isinstance(small, cst.TypeAlias):
        target = small.name
    elif isinstance(small, cst.Assign) and len(small.targets) == 1:
        target = small.targets[0].target
    return target.value if isinstance(target, cst.Name) else None


def _string_list(statement: cst.SimpleStatementLine) -> list[str]:
    value = cst.ensure_type(statement.body[0], cst.Assign | cst.AnnAssign).value  # type: ignore[arg-type]  # a union is a type to isinstance
    return [str(node.evaluated_value) for node in walk(value) if isinstance(node, cst.SimpleString)]


_AS_CHECKERS_SEE_IT = {"pipelex.records:dataclass": "dataclasses:dataclass"}


def _note_imports(module: SourceModule, statement: cst.CSTNode) -> None:
    if not isinstance(statement, cst.SimpleStatementLine):
        return
    for small in statement.body:
        if isinstance(small, cst.ImportFrom) and small.module is not None:
            for alias in () if isinstance(small.names, cst.ImportStar) else small.names:
                reference = f"{dotted_name(small.module)}:{dotted_name(alias.name)}"
                module.imports[_bound_name(alias)] = _AS_CHECKERS_SEE_IT.get(reference, reference)
        elif isinstance(small, cst.Import):
            for alias in small.names:
                module.imports[_bound_name(alias).partition(".")[0]] = f"{dotted_name(alias.name)}:"


def _bound_name(alias: cst.ImportAlias) -> str:
    return dotted_name(alias.asname.name) if alias.asname else dotted_name(alias.name)


def dotted_name(node: cst.CSTNode) -> str:
    """Spell a name or a dotted name.

    Args:
        node: The name or attribute; anything else is spelled as nothing.
    """
    if isinstance(node, cst.Attribute):
        return f"{dotted_name(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def decorator_names(node: cst.ClassDef | cst.FunctionDef) -> Iterator[str]:
    """Name the decorators of a class or function, without their arguments.

    Args:
        node: The class or function.
    """
    for decorator in node.decorators:
        expression = decorator.decorator
        yield dotted_name(expression.func if isinstance(expression, cst.Call) else expression)
