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
        message: What the type checker says there.
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
        kind: What kind of change it is (``"parameter-renamed"``); :data:`KINDS` lists them all.
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
            declared: Tells of a finding whether an entry declares it; ``None``: there are no entries.
        """
        return tuple(finding for finding in self.breaks if declared is None or not declared(finding))


if TYPE_CHECKING:
    Declared = Callable[[CompatFinding], bool]

KINDS: Mapping[str, str] = {
    # symbols
    "symbol-added": "a name is published",
    "symbol-removed": "a name is no longer published",
    "symbol-moved": "a name is published from another module",
    "symbol-renamed": "a name is published under another one",
    "symbol-kind-changed": "a class became a function, a function a constant, or the like",
    # callables: functions, methods, hooks, call shapes, constructors
    "parameter-added": "a parameter was added",
    "parameter-removed": "a parameter was removed",
    "parameter-renamed": "a parameter has another name",
    "parameter-reordered": "the positional parameters stand in another order",
    "parameter-kind-changed": "a parameter became keyword-only, positional-only, or neither",
    "parameter-retyped": "a parameter has another type",
    "parameter-default-added": "a parameter may now be left out",
    "parameter-default-removed": "a parameter may no longer be left out",
    "parameter-default-changed": "a parameter that is left out means another value",
    "return-retyped": "another type is returned",
    "async-changed": "a function became async, or is no longer",
    "signature-changed": "a signature changed in a way that no other kind names",
    "typevar-changed": "the bound, the constraints or the variance of a type variable changed",
    # members of classes
    "method-added": "a method was added",
    "method-removed": "a method was removed",
    "method-renamed": "a method has another name",
    "method-kind-changed": "a method became a property, a class method, final, or the like",
    "hook-added": "a hook that a driver may override was added",
    "hook-removed": "a hook that a driver overrides was removed",
    "hook-renamed": "a hook that a driver overrides has another name",
    "abstract-added": "a method must now be implemented",
    "abstract-removed": "a method need no longer be implemented",
    "protocol-member-added": "a protocol that plugins satisfy asks for one more member",
    "protocol-member-removed": "a protocol that plugins satisfy asks for one member less",
    "attribute-added": "an attribute was added",
    "attribute-removed": "an attribute was removed",
    "attribute-retyped": "an attribute has another type",
    "attribute-read-only": "an attribute can no longer be set",
    "attribute-writable": "an attribute can now be set",
    "attribute-value-changed": "a class attribute has another value",
    # records
    "field-added": "a field was added to a record",
    "field-removed": "a field was removed from a record",
    "field-renamed": "a field of a record has another name",
    "field-retyped": "a field of a record has another type",
    "field-reordered": "the positional fields of a record stand in another order",
    "field-kind-changed": "a field of a record became keyword-only, or is no longer",
    "field-default-added": "a field of a record may now be left out",
    "field-default-removed": "a field of a record may no longer be left out",
    "field-default-changed": "a field of a record that is left out means another value",
    "record-frozen": "the fields of a record can no longer be set",
    "record-unfrozen": "the fields of a record can now be set",
    # classes
    "base-added": "a class derives from one more base",
    "base-removed": "a class no longer derives from a base",
    "base-changed": "a class derives from another base",
    "class-kind-changed": "a class became a protocol, a record, an enum, or is no longer",
    "class-final": "a class can no longer be derived from",
    "class-not-final": "a class can now be derived from",
    "runtime-checkable-added": "a protocol can now be asked for with isinstance",
    "runtime-checkable-removed": "a protocol can no longer be asked for with isinstance",
    # enums and constants
    "enum-member-added": "a member was added to an enum",
    "enum-member-removed": "a member was removed from an enum",
    "enum-member-renamed": "a member of an enum has another name",
    "enum-member-revalued": "a member of an enum has another value",
    "constant-changed": "a constant has another value",
    "constant-retyped": "a constant has another type",
    "api-version-changed": "the API version was raised",
    # what only the type checker saw
    "incompatible": "the type checker refuses the new symbol where the old one stood, for no reason named above",
}
"""Every kind of finding, and what it says."""
