"""Rendering: the templates, and literals laid out as ``ruff format`` would, which then has nothing to do."""

from __future__ import annotations

import json
import textwrap
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pipelex.spi.python_text import LINE_LENGTH, call, imports


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
    environment.filters.update(
        quote=quote, cell=cell, literal=literal, array=array, call=call, imports=imports, constant=constant
    )
    return environment


def template(name: str) -> Template:
    """Return a template of ``codegen/templates``.

    Args:
        name: Its file name.
    """
    return _environment().get_template(name)


def cell(text: str) -> str:
    """Write a text as a cell of a Markdown table, in which a bar would end the cell, in code as well.

    Args:
        text: The text.
    """
    return " ".join(text.split()).replace("|", "\\|")


def quote(text: str) -> str:
    """Write a string as a Python or TOML literal in double quotes.

    Args:
        text: The string.
    """
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """Write a string as a Python literal, in the quotes that ``ruff format`` would choose.

    Args:
        text: The string.
    """
    return repr(text) if '"' in text else quote(text)


def array(items: list[str], indent: int, head: str = "") -> str:
    """Write a tuple of strings as an argument of a call, one string a line where it does not fit on one.

    Args:
        items: The strings.
        indent: How far the line is indented.
        head: The text before the bracket on its line.
    """
    texts = [quote(item) for item in items]
    if len(texts) == 1:
        return f"({texts[0]},)"
    return call(head, texts, indent).removeprefix(head)


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
