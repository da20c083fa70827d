"""Which rule an import of something of pipelex falls under: the shared part of the PX2xx rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.checking.findings import Finding
    from pipelex.checking.rules.rule import Rule
    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.subject import Subject
    from pipelex.reading.source import SourceModule
    from pipelex.spi.imports import Import

ROOT = "pipelex"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is wrong with an import.

    Attributes:
        rule: The id of the rule that it falls under.
        message: What is wrong.
        expected: What was expected.
    """

    rule: str
    message: str
    expected: str


def is_ours(name: str) -> bool:
    """Return whether a module's name is in this package.

    Args:
        name: The name.
    """
    return name == ROOT or name.startswith(f"{ROOT}.")


def imports_of_ours(subject: Subject) -> Iterator[tuple[SourceModule, Import]]:
    """Yield the imports of something of pipelex that is not the target's own."""
    for module in subject.modules:
        for one in module.imports:
            if is_ours(one.module) and not _is_own(subject, module, one):
                yield module, one


def _is_own(subject: Subject, module: SourceModule, one: Import) -> bool:
    own = subject.target.is_own
    if one.module in subject.spi.published or one.module in subject.spi.packages:
        return one.name is not None and own(module.name, f"{one.module}.{one.name}")
    return own(module.name, one.module)


def shape_of(one: Import, spi: SpiTree) -> Shape | None:
    """Return what is wrong with an import, or nothing.

    Args:
        one: The import of something of pipelex.
        spi: What is published.
    """
    if one.name is None:
        return _whole_module(one.module, spi)
    inner = f"{one.module}.{one.name}"
    if one.module in spi.published:
        return _from_module(one.module, one.name, spi)
    if inner in spi.published or inner in spi.packages:
        return _whole_module(inner, spi)
    if one.module in spi.packages and one.name == "*":
        return Shape(rule="PX205", message=f"'from {one.module} import *'", expected="the names, one by one")
    if one.module in spi.packages:
        return Shape(rule="PX201", message=f"'{inner}' is not part of the plugin API", expected=_hint(one.name, spi))
    return Shape(rule="PX201", message=f"'{one.module}' is not part of the plugin API", expected=_hint(one.name, spi))


def _whole_module(module: str, spi: SpiTree) -> Shape:
    if module not in spi.published and module not in spi.packages:
        return Shape(rule="PX201", message=f"'{module}' is not part of the plugin API", expected=_hint(None, spi))
    names = ", ".join(sorted(spi.published.get(module, ()))[:3]) or "..."
    expected = f"'from {module} import {names}'" if module in spi.published else "names, imported from their modules"
    return Shape(rule="PX206", message=f"'{module}' is imported as a whole", expected=expected)


def _from_module(module: str, name: str, spi: SpiTree) -> Shape | None:
    if name in spi.published[module]:
        return None
    if name == "*":
        return Shape(rule="PX205", message=f"'from {module} import *'", expected="the names, one by one")
    if name in spi.home:
        message = f"'{name}' is not defined in '{module}', which only imports it"
        return Shape(rule="PX202", message=message, expected=_hint(name, spi))
    if name.startswith("_"):
        return Shape(rule="PX204", message=f"'{name}' is private to '{module}'", expected="a published name")
    from difflib import get_close_matches

    published = sorted(spi.published[module])
    near = get_close_matches(name, published, n=1)
    expected = f"'{near[0]}'" if near else f"one of: {', '.join(published)}"
    return Shape(rule="PX203", message=f"'{module}' does not publish '{name}'", expected=expected)


def _hint(name: str | None, spi: SpiTree) -> str:
    if name in spi.home:
        return f"'from {spi.home[name]} import {name}'"
    return "one of the symbols of docs/spi.md, imported from its module"


def findings_of(rule: Rule, subject: Subject) -> Iterator[Finding]:
    """Yield the imports that fall under one of the rules.

    Args:
        rule: The rule.
        subject: What to look at.
    """
    for module, one in imports_of_ours(subject):
        shape = shape_of(one, subject.spi)
        if shape is not None and shape.rule == rule.id:
            yield rule.finding(
                module.place(one.node),
                shape.message,
                expected=shape.expected,
                last_line=one.node.end_lineno or one.node.lineno,
            )
