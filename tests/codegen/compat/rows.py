"""A row of the table of changes: what is edited in the small SPI, and what has to be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tomli

from tests.codegen.compat.small_spi import tree

if TYPE_CHECKING:
    from pathlib import Path

    from codegen.compat.model import CompatFinding
    from codegen.compat.reading.trees import StubTree

Edit = tuple[str, str, str]
"""A module, a text in it, and what stands there instead."""


@dataclass(frozen=True)
class Row:
    """One change.

    Attributes:
        id: What is changed, in a few words.
        new: The edits that make the new tree.
        expected: The findings: ``BREAK``, ``UNCONFIRMED`` (a break that a type checker cannot see), ``UNDECIDED``
            (no rule judges it) or ``fine``; then the kind, the symbol and its direction.
        old: Edits that make the old tree where it is not the small SPI as it stands; the new ones come on top.
        plugin: A plugin, written by hand, that type checkers accept on the old tree.
        refused_by: Which of them refuse it on the new tree: ``m`` mypy, ``p`` pyright, ``t`` ty.
    """

    id: str
    new: tuple[Edit, ...]
    expected: tuple[str, ...] = ()
    old: tuple[Edit, ...] = ()
    plugin: str = ""
    refused_by: str = ""

    def trees(self) -> tuple[StubTree, StubTree]:
        """Return the old tree and the new one."""
        return tree("old", *self.old), tree("new", *self.old, *self.new)


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a file; its head says what the keys mean."""
    found = []
    for one in tomli.loads(path.read_text(encoding="utf-8"))["row"]:
        edits = (tuple((module, old, new) for module, old, new in one.pop(key, [])) for key in ("new", "base"))
        new, old = edits
        if "before" in one:
            old, new = (("extra", "", one["before"]),), (("extra", one["before"], one["after"]),)
        found.append(
            Row(one["id"], new, tuple(one.get("expected", [])), old, one.get("plugin", ""), one.get("refused_by", ""))
        )
    return found


def summary(finding: CompatFinding) -> str:
    """Write a finding as the rows expect it."""
    state = "fine" if not finding.breaking else "BREAK" if finding.confirmed else "UNCONFIRMED"
    state = "UNDECIDED" if finding.undecided else state
    return f"{state} {finding.kind} {finding.symbol.partition(':')[2]} ({finding.direction.value})"


def row(id_: str, module: str, old: str, new: str, *expected: str, base: tuple[Edit, ...] = ()) -> Row:
    """Make a row of one edit."""
    return Row(id_, ((module, old, new),), expected, base)
