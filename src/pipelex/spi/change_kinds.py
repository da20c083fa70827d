"""The kinds of change of the contract: one table for ``spi.toml``, comparing versions, the docs and the upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Rewrite = Literal["derived", "code", "by hand", "none"]
"""How plugins follow: the codemod needs no more than from and to; it needs code; only an author can; not at all."""


class ChangeKind(NamedTuple):
    """A kind of change.

    Attributes:
        sentence: What the change is, with ``{symbol}``, its ``{name}``, ``{from}`` and ``{to}`` to be filled in.
        needs: Which of ``from`` and ``to`` an entry of this kind has to give.
        rewrite: How plugins follow.
        declares: The kinds of finding that an entry declares beside its own.
    """

    sentence: str
    needs: tuple[str, ...] = ()
    rewrite: Rewrite = "by hand"
    declares: tuple[str, ...] = ()

    def of(self, symbol: str, old: str, new: str) -> str:
        """Return the sentence of one change.

        Args:
            symbol: What changed, as ``module:name`` or ``module:Class.member``.
            old: What it was, as far as the kind has it.
            new: What it is now.
        """
        values = {"symbol": symbol, "name": symbol.partition(":")[2], "from": old, "to": new}
        return self.sentence.format_map(values)


_FROM_TO = ("from", "to")

CHANGE_KINDS: Mapping[str, ChangeKind] = {
    # names
    "symbol-added": ChangeKind("`{name}` is published", rewrite="none"),
    "symbol-removed": ChangeKind("`{name}` is no longer published"),
    "symbol-moved": ChangeKind(
        "`{symbol}` moved to `{to}`", ("to",), "derived", ("symbol-removed", "symbol-added", "module-moved")
    ),
    "symbol-renamed": ChangeKind("`{name}` is now `{to}`", ("to",), "derived", ("symbol-removed", "symbol-added")),
    "module-moved": ChangeKind(
        "the names of `{symbol}` moved to `{to}`",
        ("to",),
        "derived",
        ("symbol-moved", "symbol-removed", "symbol-added"),
    ),
    # callables
    "parameter-added": ChangeKind("`{name}` takes `{to}`", ("to",), "code"),
    "parameter-removed": ChangeKind("`{name}` no longer takes `{from}`", ("from",), "derived"),
    "parameter-renamed": ChangeKind(
        "parameter `{from}` of `{name}` is now `{to}`", _FROM_TO, "derived", ("parameter-removed", "parameter-added")
    ),
    "parameters-regrouped": ChangeKind(
        "the parameters `{from}` of `{name}` became `{to}`",
        _FROM_TO,
        "code",
        ("parameter-removed", "parameter-added", "parameter-renamed", "parameter-retyped", "signature-changed"),
    ),
    "parameter-reordered": ChangeKind("the positional parameters of `{name}` stand in another order"),
    "parameter-kind-changed": ChangeKind("how a parameter of `{name}` is passed changed"),
    "parameter-retyped": ChangeKind("a parameter of `{name}` has another type", _FROM_TO),
    "parameter-default-added": ChangeKind("a parameter of `{name}` may be left out", rewrite="none"),
    "parameter-default-removed": ChangeKind("a parameter of `{name}` may no longer be left out"),
    "parameter-default-changed": ChangeKind("a parameter of `{name}` that is left out means another value"),
    "return-retyped": ChangeKind("`{name}` returns another type", _FROM_TO),
    "return-wrapped": ChangeKind("`{name}` returns `{to}`, no longer `{from}`", _FROM_TO, "code", ("return-retyped",)),
    "async-changed": ChangeKind("`{name}` is {to}, no longer {from}", _FROM_TO, "derived", ("return-retyped",)),
    "signature-changed": ChangeKind("the signature of `{name}` changed"),
    "typevar-changed": ChangeKind("a type variable of `{name}` changed"),
    # members
    "method-added": ChangeKind("`{name}` was added", rewrite="none"),
    "method-removed": ChangeKind("`{name}` was removed"),
    "method-renamed": ChangeKind(
        "`{name}` is now `{to}`", ("to",), "derived", ("method-removed", "method-added", "abstract-added")
    ),
    "method-kind-changed": ChangeKind("`{name}` became a property, a class method or the like"),
    "hook-added": ChangeKind("the hook `{name}` was added", rewrite="none"),
    "hook-removed": ChangeKind("the hook `{name}` was removed"),
    "hook-renamed": ChangeKind(
        "the hook `{name}` is now `{to}`",
        ("to",),
        "derived",
        ("hook-removed", "hook-added", "method-renamed", "method-removed", "abstract-added", "abstract-removed"),
    ),
    "abstract-added": ChangeKind(
        "every plugin writes `{name}`", (), "code", ("hook-added", "method-added", "protocol-member-added")
    ),
    "abstract-removed": ChangeKind("`{name}` need no longer be written", rewrite="none"),
    "protocol-member-added": ChangeKind("plugins have `{name}`", (), "code", ("attribute-added", "method-added")),
    "protocol-member-removed": ChangeKind("`{name}` is no longer asked for", rewrite="none"),
    "attribute-added": ChangeKind("`{name}` was added", rewrite="none"),
    "attribute-removed": ChangeKind("`{name}` was removed"),
    "attribute-retyped": ChangeKind("`{name}` has another type", _FROM_TO),
    "field-added": ChangeKind("`{name}` was added", rewrite="none"),
    "field-removed": ChangeKind("`{name}` was removed"),
    "field-retyped": ChangeKind("`{name}` has another type", _FROM_TO),
    "field-renamed": ChangeKind(
        "field `{name}` is now `{to}`", ("to",), "derived", ("field-removed", "field-added", "attribute-removed")
    ),
    "attribute-read-only": ChangeKind("attribute `{name}` can no longer be set"),
    "attribute-writable": ChangeKind("attribute `{name}` can now be set"),
    "attribute-deletable": ChangeKind("attribute `{name}` can now be deleted", rewrite="none"),
    "attribute-not-deletable": ChangeKind("attribute `{name}` can no longer be deleted"),
    "attribute-value-changed": ChangeKind("attribute `{name}` has another value"),
    "field-reordered": ChangeKind("the positional fields of `{name}` stand in another order"),
    "field-kind-changed": ChangeKind("how a field of `{name}` is given changed"),
    "field-default-added": ChangeKind("a field of `{name}` may be left out", rewrite="none"),
    "field-default-removed": ChangeKind("a field of `{name}` may no longer be left out"),
    "field-default-changed": ChangeKind("a field of `{name}` that is left out means another value"),
    "attribute-kind-changed": ChangeKind("attribute `{name}` moved between the class and its objects"),
    "member-final": ChangeKind("`{name}` can no longer be overridden"),
    "member-not-final": ChangeKind("`{name}` can now be overridden", rewrite="none"),
    "record-frozen": ChangeKind("the fields of `{name}` can no longer be set"),
    "record-unfrozen": ChangeKind("the fields of `{name}` can now be set", rewrite="none"),
    "deprecation-changed": ChangeKind("`{name}` is deprecated, or no longer", rewrite="none"),
    # what a class has without writing it
    "hash-added": ChangeKind("objects of `{name}` can be hashed", rewrite="none"),
    "hash-removed": ChangeKind("objects of `{name}` can no longer be hashed"),
    "ordering-added": ChangeKind("objects of `{name}` can be compared with `<`", rewrite="none"),
    "ordering-removed": ChangeKind("objects of `{name}` can no longer be compared with `<`"),
    "equality-changed": ChangeKind("objects of `{name}` are equal by another rule"),
    "representation-changed": ChangeKind("objects of `{name}` are printed in another way", rewrite="none"),
    "match-args-changed": ChangeKind("patterns of `{name}` take other fields by position"),
    # classes
    "base-added": ChangeKind("`{name}` derives from one more base", rewrite="none"),
    "base-removed": ChangeKind("`{name}` no longer derives from a base"),
    "base-changed": ChangeKind("`{name}` derives from another base"),
    "type-parameters-changed": ChangeKind("`{name}` is generic in other type variables"),
    "class-kind-changed": ChangeKind("`{name}` is another kind of class"),
    "class-final": ChangeKind("`{name}` can no longer be derived from"),
    "class-not-final": ChangeKind("`{name}` can now be derived from", rewrite="none"),
    "symbol-kind-changed": ChangeKind("`{name}` is another kind of thing"),
    "runtime-checkable-added": ChangeKind("`{name}` can be asked for with isinstance", rewrite="none"),
    "runtime-checkable-removed": ChangeKind("`{name}` can no longer be asked for with isinstance"),
    # enums and constants
    "enum-member-added": ChangeKind("`{name}` was added", rewrite="none"),
    "enum-member-removed": ChangeKind("`{name}` was removed"),
    "enum-member-renamed": ChangeKind(
        "`{name}` is now `{to}`", ("to",), "derived", ("enum-member-removed", "enum-member-added")
    ),
    "enum-member-revalued": ChangeKind("`{name}` has another value", _FROM_TO),
    "constant-changed": ChangeKind("`{name}` has another value", _FROM_TO),
    "constant-retyped": ChangeKind("`{name}` has another type", _FROM_TO),
    "constant-final": ChangeKind("`{name}` can no longer be set"),
    "constant-not-final": ChangeKind("`{name}` can now be set, and is no longer its own literal type"),
    # what no stub shows
    "entry-point-group-changed": ChangeKind("the entry-point group is now `{to}`", _FROM_TO, "derived"),
    "contribution-added": ChangeKind("plugins may contribute `{to}`", ("to",), "none"),
    "contribution-removed": ChangeKind("plugins can no longer contribute `{from}`", ("from",)),
    "configuration-key-added": ChangeKind("users may set `{to}`", ("to",), "none"),
    "configuration-key-removed": ChangeKind("users can no longer set `{from}`", ("from",)),
    "enum-opened": ChangeKind("a revision may add members to `{name}`", rewrite="none"),
    "enum-closed": ChangeKind("no revision adds members to `{name}`", rewrite="none"),
    # what only the type checker saw, and what no rule knows
    "incompatible": ChangeKind("`{name}` changed incompatibly", declares=("undecided",)),
    "undecided": ChangeKind("`{name}` changed in a way that no rule judges"),
}
"""Every kind. Most are kinds of finding too, of the same name; the others declare several findings in one entry."""
