"""Calls and imports as ``ruff format`` would lay them out, which then has nothing to do."""

from __future__ import annotations

LINE_LENGTH = 120


def call(head: str, arguments: list[str], indent: int = 0, brackets: str = "()") -> str:
    """Write a call on one line where it fits, one argument a line otherwise.

    Args:
        head: What stands before the bracket.
        arguments: The arguments.
        indent: How far the line is indented; its own indentation is the template's.
        brackets: The two brackets.
    """
    line = f"{head}{brackets[0]}{', '.join(arguments)}{brackets[1]}"
    if indent + len(line) <= LINE_LENGTH:
        return line
    margin = " " * indent
    inner = "".join(f"{margin}    {argument},\n" for argument in arguments)
    return f"{head}{brackets[0]}\n{inner}{margin}{brackets[1]}"


def imports(references: list[str], indent: int = 0) -> str:
    """Write ``from module import name`` lines, sorted and merged as isort would.

    Args:
        references: What to import, as ``module:name``.
        indent: How far the lines are indented; the first one's indentation is the template's.
    """
    by_module: dict[str, set[str]] = {}
    for reference in references:
        module, _, name = reference.partition(":")
        by_module.setdefault(module, set()).add(name)
    lines = [
        _import_line(module, sorted(names, key=_import_order), indent) for module, names in sorted(by_module.items())
    ]
    return f"\n{' ' * indent}".join(lines)


def _import_line(module: str, names: list[str], indent: int) -> str:
    line = f"from {module} import {', '.join(names)}"
    if indent + len(line) <= LINE_LENGTH:
        return line
    return call(f"from {module} import ", names, indent)


def _import_order(name: str) -> tuple[int, str, str]:
    """Constants before classes before functions, as isort orders by type."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name.lower(), name
