"""The ``[[next.change]]`` entries of ``spi.toml``: what each kind says, and which findings an entry declares.

An entry says what a maintainer meant; a finding is what a comparison of two stub trees saw. One entry may declare
several findings (a regrouped signature is some parameters less and one more), and every entry declares at least one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from codegen.compat.model import CompatFinding, Verdict
    from codegen.spec import Change

Rewrite = Literal["derived", "code", "by hand", "none"]
"""How plugins follow: the codemod needs no more than from and to; it needs code; nobody can tell it; not at all."""


class KindRule(NamedTuple):
    """What an entry of a kind has to say, and what it declares.

    Attributes:
        says: What the change is, with ``{symbol}``, its ``{name}``, ``{from}`` and ``{to}`` to be filled in.
        needs: Which of ``from`` and ``to`` it has to give.
        rewrite: How plugins follow.
        declares: The kinds of finding that it declares beside its own.
    """

    says: str
    needs: tuple[str, ...] = ()
    rewrite: Rewrite = "by hand"
    declares: tuple[str, ...] = ()


_FROM_TO = ("from", "to")

KIND_RULES: Mapping[str, KindRule] = {
    # names
    "symbol-added": KindRule("`{name}` is published", rewrite="none"),
    "symbol-removed": KindRule("`{name}` is no longer published"),
    "symbol-moved": KindRule(
        "`{symbol}` moved to `{to}`", ("to",), "derived", ("symbol-removed", "symbol-added", "module-moved")
    ),
    "symbol-renamed": KindRule("`{name}` is now `{to}`", ("to",), "derived", ("symbol-removed", "symbol-added")),
    "module-moved": KindRule(
        "the names of `{symbol}` moved to `{to}`",
        ("to",),
        "derived",
        ("symbol-moved", "symbol-removed", "symbol-added"),
    ),
    # callables
    "parameter-added": KindRule("`{name}` takes `{to}`", ("to",), "code"),
    "parameter-removed": KindRule("`{name}` no longer takes `{from}`", ("from",), "derived"),
    "parameter-renamed": KindRule(
        "parameter `{from}` of `{name}` is now `{to}`", _FROM_TO, "derived", ("parameter-removed", "parameter-added")
    ),
    "parameters-regrouped": KindRule(
        "the parameters `{from}` of `{name}` became `{to}`",
        _FROM_TO,
        "code",
        ("parameter-removed", "parameter-added", "parameter-renamed", "parameter-retyped", "signature-changed"),
    ),
    "parameter-reordered": KindRule("the positional parameters of `{name}` stand in another order"),
    "parameter-kind-changed": KindRule("how a parameter of `{name}` is passed changed"),
    "parameter-retyped": KindRule("a parameter of `{name}` has another type", _FROM_TO),
    "parameter-default-added": KindRule("a parameter of `{name}` may be left out", rewrite="none"),
    "parameter-default-removed": KindRule("a parameter of `{name}` may no longer be left out"),
    "parameter-default-changed": KindRule("a parameter of `{name}` that is left out means another value"),
    "return-retyped": KindRule("`{name}` returns another type", _FROM_TO),
    "return-wrapped": KindRule("`{name}` returns `{to}`, no longer `{from}`", _FROM_TO, "code", ("return-retyped",)),
    "async-changed": KindRule("`{name}` is {to}, no longer {from}", _FROM_TO, "derived", ("return-retyped",)),
    "signature-changed": KindRule("the signature of `{name}` changed"),
    "typevar-changed": KindRule("a type variable of `{name}` changed"),
    # members
    "method-added": KindRule("`{name}` was added", rewrite="none"),
    "method-removed": KindRule("`{name}` was removed"),
    "method-renamed": KindRule(
        "`{name}` is now `{to}`", ("to",), "derived", ("method-removed", "method-added", "abstract-added")
    ),
    "method-kind-changed": KindRule("`{name}` became a property, a class method or the like"),
    "hook-added": KindRule("the hook `{name}` was added", rewrite="none"),
    "hook-removed": KindRule("the hook `{name}` was removed"),
    "hook-renamed": KindRule(
        "the hook `{name}` is now `{to}`",
        ("to",),
        "derived",
        ("hook-removed", "hook-added", "method-renamed", "method-removed", "abstract-added", "abstract-removed"),
    ),
    "abstract-added": KindRule(
        "every plugin writes `{name}`", (), "code", ("hook-added", "method-added", "protocol-member-added")
    ),
    "abstract-removed": KindRule("`{name}` need no longer be written", rewrite="none"),
    "protocol-member-added": KindRule("plugins have `{name}`", (), "code", ("attribute-added", "method-added")),
    "protocol-member-removed": KindRule("`{name}` is no longer asked for", rewrite="none"),
    "attribute-added": KindRule("`{name}` was added", rewrite="none"),
    "attribute-removed": KindRule("`{name}` was removed"),
    "attribute-retyped": KindRule("`{name}` has another type", _FROM_TO),
    "field-added": KindRule("`{name}` was added", rewrite="none"),
    "field-removed": KindRule("`{name}` was removed"),
    "field-retyped": KindRule("`{name}` has another type", _FROM_TO),
    "field-renamed": KindRule(
        "field `{name}` is now `{to}`", ("to",), "derived", ("field-removed", "field-added", "attribute-removed")
    ),
    "attribute-read-only": KindRule("attribute `{name}` can no longer be set"),
    "attribute-writable": KindRule("attribute `{name}` can now be set"),
    "attribute-value-changed": KindRule("attribute `{name}` has another value"),
    "field-reordered": KindRule("the positional fields of `{name}` stand in another order"),
    "field-kind-changed": KindRule("how a field of `{name}` is given changed"),
    "field-default-added": KindRule("a field of `{name}` may be left out", rewrite="none"),
    "field-default-removed": KindRule("a field of `{name}` may no longer be left out"),
    "field-default-changed": KindRule("a field of `{name}` that is left out means another value"),
    "record-frozen": KindRule("the fields of `{name}` can no longer be set"),
    "record-unfrozen": KindRule("the fields of `{name}` can now be set", rewrite="none"),
    # classes
    "base-added": KindRule("`{name}` derives from one more base", rewrite="none"),
    "base-removed": KindRule("`{name}` no longer derives from a base"),
    "base-changed": KindRule("`{name}` derives from another base"),
    "class-kind-changed": KindRule("`{name}` is another kind of class"),
    "class-final": KindRule("`{name}` can no longer be derived from"),
    "class-not-final": KindRule("`{name}` can now be derived from", rewrite="none"),
    "symbol-kind-changed": KindRule("`{name}` is another kind of thing"),
    "runtime-checkable-added": KindRule("`{name}` can be asked for with isinstance", rewrite="none"),
    "runtime-checkable-removed": KindRule("`{name}` can no longer be asked for with isinstance"),
    # enums and constants
    "enum-member-added": KindRule("`{name}` was added", rewrite="none"),
    "enum-member-removed": KindRule("`{name}` was removed"),
    "enum-member-renamed": KindRule(
        "`{name}` is now `{to}`", ("to",), "derived", ("enum-member-removed", "enum-member-added")
    ),
    "enum-member-revalued": KindRule("`{name}` has another value", _FROM_TO),
    "constant-changed": KindRule("`{name}` has another value", _FROM_TO),
    "constant-retyped": KindRule("`{name}` has another type", _FROM_TO),
    # what no stub shows
    "entry-point-group-changed": KindRule("the entry-point group is now `{to}`", _FROM_TO, "derived"),
    # what only the type checker saw
    "incompatible": KindRule("`{name}` changed incompatibly"),
}
"""Every kind of entry. Those of a finding bear its name; the others say in one what are several findings."""

IGNORED_FINDINGS = frozenset({"api-version-changed"})
"""What a bump itself brings about."""


def says(change: Change) -> str:
    """Say in one line what a change is.

    Args:
        change: The entry.
    """
    values = {
        "symbol": change.symbol,
        "name": change.symbol.partition(":")[2],
        "from": change.from_ or "",
        "to": change.to or "",
    }
    return KIND_RULES[change.kind].says.format_map(values)


def declares(change: Change, finding: CompatFinding) -> bool:
    """Tell whether an entry declares a finding.

    Args:
        change: The entry.
        finding: The finding.
    """
    rule = KIND_RULES[change.kind]
    if finding.kind != change.kind and finding.kind not in rule.declares:
        return False
    if not _same_place(change, finding):
        return False
    return finding.kind != change.kind or _same_ends(change, finding)


def _same_place(change: Change, finding: CompatFinding) -> bool:
    """Compare symbols: an entry's own, its new name, or a name of the module that moved."""
    places = {_plain(change.symbol)}
    if change.kind == "module-moved":
        modules = {change.symbol.partition(":")[0], change.to}
        return finding.symbol.partition(":")[0] in modules
    if change.to is not None and change.kind in {"symbol-moved", "symbol-renamed"}:
        places.add(new_reference(change))
    elif change.to is not None and change.kind.endswith("-renamed") and change.kind != "parameter-renamed":
        places.add(f"{_plain(change.symbol).rpartition('.')[0]}.{change.to}")
    return _plain(finding.symbol) in places


def _plain(symbol: str) -> str:
    """Leave out ``__call__``: of a call shape, the protocol and its only method are one."""
    return symbol.removesuffix(".__call__")


def new_reference(change: Change) -> str:
    """Return the new ``module:name`` of a symbol that moved or was renamed.

    Args:
        change: The entry; its ``to`` is a ``module:name``, or a new name in the same module.
    """
    to = change.to or ""
    module = change.symbol.partition(":")[0]
    return to if ":" in to else f"{module}:{to}"


def _same_ends(change: Change, finding: CompatFinding) -> bool:
    """Compare what is said of the change itself, as far as both say it."""
    if finding.kind == "parameter-added":
        return finding.detail.get("parameter") in {None, parameter_name(change.to or "")}
    if finding.kind == "parameter-removed":
        return finding.detail.get("parameter") in {None, change.from_}
    if finding.kind != "parameter-renamed":
        return True
    pairs = ((finding.detail.get("from"), change.from_), (finding.detail.get("to"), change.to))
    return all(seen is None or seen == said for seen, said in pairs)


def parameter_name(text: str) -> str:
    """Return the name of a parameter that is written out (``"timeout: float | None = None"``).

    Args:
        text: The parameter.
    """
    return text.partition(":")[0].partition("=")[0].strip().lstrip("*")


@dataclass(frozen=True)
class Matching:
    """Entries held against findings.

    Attributes:
        undeclared: The breaks that no entry declares.
        idle: The entries that declare nothing, by their index.
    """

    undeclared: tuple[CompatFinding, ...]
    idle: tuple[int, ...]


def match(changes: Sequence[Change], findings: Iterable[CompatFinding], *, group: tuple[str, str]) -> Matching:
    """Hold entries against findings, both ways.

    Args:
        changes: The entries.
        findings: What the comparison saw.
        group: The entry-point group as it was frozen, and as it is.
    """
    seen = [finding for finding in findings if finding.kind not in IGNORED_FINDINGS]
    undeclared = [
        finding for finding in seen if finding.breaking and not any(declares(change, finding) for change in changes)
    ]
    idle = [
        index
        for index, change in enumerate(changes)
        if not any(declares(change, finding) for finding in seen) and not _is_group_change(change, group)
    ]
    return Matching(tuple(undeclared), tuple(idle))


def _is_group_change(change: Change, group: tuple[str, str]) -> bool:
    return change.kind == "entry-point-group-changed" and (change.from_, change.to) == group and group[0] != group[1]


def declared_in(changes: Sequence[Change]) -> Callable[[CompatFinding], bool]:
    """Return what tells of a finding whether an entry declares it.

    Args:
        changes: The entries.
    """
    return lambda finding: finding.kind in IGNORED_FINDINGS or any(declares(change, finding) for change in changes)


def with_open_enums(verdict: Verdict, open_enums: Container[str]) -> Verdict:
    """Return a verdict in which a member more of an open enum is an addition, not a break.

    Args:
        verdict: The verdict.
        open_enums: The enums that ``spi.toml`` declares to be open.
    """
    findings = tuple(_if_open(finding, open_enums) for finding in verdict.findings)
    return replace(verdict, findings=tuple(sorted(findings, key=lambda finding: not finding.breaking)))


def _if_open(finding: CompatFinding, open_enums: Container[str]) -> CompatFinding:
    if finding.kind != "enum-member-added" or finding.symbol.rpartition(".")[0] not in open_enums:
        return finding
    note = "an open enum: whoever matches on it expects members that are new"
    return replace(finding, breaking=False, who="", witness=None, note=note)
