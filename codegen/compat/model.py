"""The result of comparing two stub trees: the interface to everything that uses it, as reports, bumps and codemods."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Direction(StrEnum):
    """Who writes the code behind a published name."""

    IMPLEMENTS = "plugin implements"
    """The plugin writes or supplies it; core calls or reads it."""
    CALLS = "plugin calls"
    """Core writes or supplies it; the plugin calls or reads it."""
    BOTH = "both"


@dataclass(frozen=True)
class Witness:
    """The smallest plugin found that a change breaks: clean on the old tree, failing on the new one.

    Attributes:
        source: Its source.
        line: The line of it that fails on the new tree, counted from 1.
        code: The code of the type checker's error there.
        message: What the type checker reports there.
    """

    source: str
    line: int
    code: str
    message: str


@dataclass(frozen=True)
class CompatFinding:
    """One change of the contract.

    Attributes:
        id: Its name, unique in a verdict and the same in every run: ``kind:symbol``, and the part where there is one.
        kind: What kind of change it is (``"parameter-renamed"``); ``pipelex.spi.change_kinds`` lists them all.
        symbol: What changed, under its old name: ``module:name``, ``module:Class.member``.
        direction: Who writes the code behind it.
        path: Why: the steps from ``PipelexPlugin``, or from what a plugin imports, to the symbol.
        old: The old signature; empty where there was none.
        new: The new signature; empty where there is none.
        breaking: Whether a plugin that was fine can fail.
        who: Which plugins, in a few words; empty where none.
        witness: The smallest plugin that breaks; ``None`` where none was found or asked for.
        detail: The change for a program: ``from`` and ``to`` of what is renamed, moved or retyped, ``parameter``,
            ``default``, ``field``, ``member``, ``value``, as far as they apply; all of them text.
        cascades: Other published symbols that are incompatible because of this change, and for no other reason.
        note: What a reader should know beside; empty as a rule.
    """

    id: str
    kind: str
    symbol: str
    direction: Direction
    path: tuple[str, ...]
    old: str
    new: str
    breaking: bool
    who: str = ""
    witness: Witness | None = None
    detail: Mapping[str, str] = field(default_factory=dict)
    cascades: tuple[str, ...] = ()
    note: str = ""

    @property
    def undecided(self) -> bool:
        """Whether no rule judges the change. It counts as a break until an entry states what plugins have to do."""
        return self.kind == "undecided"

    @property
    def confirmed(self) -> bool:
        """Whether a witness proves the break. A break without one is reported all the same, as unconfirmed."""
        return self.witness is not None

    @property
    def bump_required(self) -> bool:
        """Whether the API version must be raised."""
        return self.breaking


@dataclass(frozen=True)
class Verdict:
    """All that changed between two stub trees.

    Attributes:
        old: The label of the old tree.
        new: The label of the new tree.
        findings: What changed: breaks first, then additions and the rest, each group in the order of its symbols.
            Only roots: what is broken because of something else is in that finding's ``cascades``.
        witnesses: Whether witnesses were looked for.
    """

    old: str
    new: str
    findings: tuple[CompatFinding, ...]
    witnesses: bool = True

    @property
    def breaks(self) -> tuple[CompatFinding, ...]:
        """The findings that break plugins."""
        return tuple(finding for finding in self.findings if finding.breaking)

    @property
    def additions(self) -> tuple[CompatFinding, ...]:
        """The findings that break none."""
        return tuple(finding for finding in self.findings if not finding.breaking)

    @property
    def compatible(self) -> bool:
        """Whether every plugin that was fine on the old tree is fine on the new one."""
        return not self.breaks

    def undeclared(self, declared: Declared | None) -> tuple[CompatFinding, ...]:
        """Return the breaks that no ``[[change]]`` entry declares.

        Args:
            declared: Returns of a finding whether an entry declares it; ``None``: there are no entries.
        """
        return tuple(finding for finding in self.breaks if declared is None or not declared(finding))


if TYPE_CHECKING:
    Declared = Callable[[CompatFinding], bool]
