"""The imports of a module, read from its syntax tree: what each binds, and who gets to see it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Import(NamedTuple):
    """One imported name.

    Attributes:
        module: The absolute name of the module that the statement names.
        name: The name taken from it; ``None`` where a module itself is imported.
        bound: The name that it is bound to.
        node: The statement.
        in_function: Whether it runs only when a function is called.
        type_only: Whether a type checker alone sees it: it is under ``if TYPE_CHECKING``.
        hidden: Whether no type checker sees it: it is under ``if not TYPE_CHECKING``.
    """

    module: str
    name: str | None
    bound: str
    node: ast.Import | ast.ImportFrom
    in_function: bool = False
    type_only: bool = False
    hidden: bool = False


def read_imports(tree: ast.AST, module: str, *, is_package: bool = False) -> Iterator[Import]:
    """Yield every import of a module, wherever in the module it is.

    Args:
        tree: The module's syntax tree.
        module: Its dotted name, from which relative imports start.
        is_package: Whether it is the ``__init__`` of a package.
    """
    package = module if is_package else module.rpartition(".")[0]
    return _imports_in(tree, package, in_function=False, type_only=False, hidden=False)


def absolute_name(package: str, module: str, level: int) -> str:
    """Return the absolute name of the module that a ``from`` import names.

    Args:
        package: The package of the importing module.
        module: The name after the dots.
        level: The number of dots.
    """
    if level == 0:
        return module
    parts = package.split(".") if package else []
    base = parts[: max(len(parts) - level + 1, 0)]
    return ".".join([*base, module] if module else base)


def type_checking_guard(test: ast.expr) -> bool | None:
    """Return whether a condition holds for a type checker alone.

    ``TYPE_CHECKING`` may come from any module, be negated, or be compared with ``True`` or ``False``.

    Args:
        test: The condition of an ``if``.

    Returns:
        True for a type checker alone, False for the interpreter alone, ``None`` for any other condition.
    """
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            guard = type_checking_guard(operand)
            return None if guard is None else not guard
        case ast.Compare(left=left, ops=[ast.Is() | ast.Eq() | ast.IsNot() | ast.NotEq() as op], comparators=[right]):
            guard = type_checking_guard(left)
            if guard is not None and isinstance(right, ast.Constant):
                return guard is (bool(right.value) is isinstance(op, ast.Is | ast.Eq))
    return None


def guarded_branches(test: ast.expr) -> tuple[bool | None, bool | None]:
    """Return for whom the body of an ``if`` is, and for whom its ``else``.

    Where one of several conditions is a guard, one of the two branches is guarded as well:
    ``if TYPE_CHECKING and sys.version_info >= (3, 12)``.

    Args:
        test: The condition of the ``if``.

    Returns:
        For each branch, True for a type checker alone, False for the interpreter alone, ``None`` for both.
    """
    guard = type_checking_guard(test)
    if guard is not None:
        return guard, not guard
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            body, orelse = guarded_branches(operand)
            return orelse, body
        case ast.BoolOp(op=op, values=values):
            branch = 0 if isinstance(op, ast.And) else 1
            found = next((one for value in values if (one := guarded_branches(value)[branch]) is not None), None)
            return (found, None) if branch == 0 else (None, found)
    return None, None


def type_checking_guard_in(condition: str) -> bool | None:
    """Return the same for the text of a condition, for those who parse with another library than :mod:`ast`.

    Args:
        condition: The text.
    """
    return type_checking_guard(ast.parse(f"({condition})", mode="eval").body)


def _imports_in(node: ast.AST, package: str, *, in_function: bool, type_only: bool, hidden: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for module, name, bound in _imported(node, package):
            yield Import(module, name, bound, node, in_function, type_only, hidden)
        return
    if isinstance(node, ast.If):
        for children, guard in zip((node.body, node.orelse), guarded_branches(node.test), strict=True):
            only, never = type_only or guard is True, hidden or guard is False
            for child in children:
                yield from _imports_in(child, package, in_function=in_function, type_only=only, hidden=never)
        return
    inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, ast.expr):  # which holds no statement
            yield from _imports_in(inner, package, in_function=inside, type_only=type_only, hidden=hidden)


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str | None, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, None, alias.asname or alias.name.partition(".")[0]
        return
    module = absolute_name(package, node.module or "", node.level)
    for alias in node.names:
        yield module, alias.name, alias.asname or alias.name
