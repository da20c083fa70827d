"""Docstrings as Markdown: Google sections apart, roles and double backticks turned into code."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libcst as cst

_ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_ITEM = re.compile(r"^ {4}(\w+): (.*)$")


@dataclass
class Docstring:
    """A docstring taken apart.

    Attributes:
        text: Its prose, paragraphs apart by an empty line.
        arguments: What its section ``Args`` states of each.
    """

    text: str
    arguments: dict[str, str] = field(default_factory=dict)


def parse_docstring(node: cst.ClassDef | cst.FunctionDef) -> Docstring:
    """Take apart the docstring of a class or function; one without has none.

    Args:
        node: The class or function.
    """
    raw = node.get_docstring(clean=False)
    prose: list[str] = []
    arguments: dict[str, str] = {}
    section, last = "", ""
    for line in inspect.cleandoc(raw or "").splitlines():
        if found := _SECTION.match(line):
            section = found[1]
        elif not section:
            prose.append(line)
        elif item := _ITEM.match(line) if section == "Args" else None:
            last = item[1]
            arguments[last] = item[2]
        elif section == "Args" and last and line.strip():
            arguments[last] += f" {line.strip()}"
    paragraphs = "\n".join(prose).strip().split("\n\n")
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return Docstring(markdown(text), {name: markdown(text) for name, text in arguments.items()})


def markdown(text: str) -> str:
    """Turn the marks of a docstring into those of Markdown.

    Args:
        text: The prose.
    """
    return _ROLE.sub(r"`\1`", text).replace("``", "`")
