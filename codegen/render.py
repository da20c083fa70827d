"""Rendering: the templates, and Python laid out as ``ruff format`` would, which then has nothing to do."""

from __future__ import annotations

import json
import textwrap
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

LINE_LENGTH = 120


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701 - Python and Markdown are rendered, no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(quote=quote, call=call, imports=imports, constant=constant)
    return environment


def template(name: str) -> Template:
    """Return a template of ``codegen/templates``.

    Args:
        name: Its file name.
    """
    return _environment().get_template(name)


def quote(text: str) -> str:
    """Write a string as a Python or TOML literal in double quotes.

    Args:
        text: The string.
    """
    return json.dumps(text, ensure_ascii=False)


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


def _import_order(name: str) -> tuple[int, str]:
    """Constants before classes before functions, as isort orders by type."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name


def constant(text: str, name: str) -> str:
    """Write the assignment of a string constant, over several lines where it is long.

    Args:
        text: The string.
        name: The constant's name.
    """
    line = f"{name} = {quote(text)}"
    if len(line) <= LINE_LENGTH:
        return line
    parts = textwrap.wrap(text, LINE_LENGTH - 8, drop_whitespace=False, break_long_words=False)
    return "\n".join([f"{name} = (", *(f"    {quote(part)}" for part in parts), ")"])
