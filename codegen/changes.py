"""The ``[[next.change]]`` entries of ``spi.toml``: the sentence of each, and which findings an entry declares.

An entry states what a maintainer meant; a finding is what a comparison of two stub trees saw. One entry may declare
several findings (a regrouped signature is some parameters less and one more), and every entry declares at least one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipelex.spi.change_kinds import CHANGE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from codegen.compat.model import CompatFinding, Verdict
    from codegen.spec import Change

IGNORED_FINDINGS = frozenset({"api-version-changed"})
"""What a bump itself brings about."""


_BY_ENDS = {
    *("parameter-renamed", "entry-point-group-changed"),
    *(f"{what}-{how}" for what in ("contribution", "configuration-key") for how in ("added", "removed")),
}
"""The kinds of which a symbol may have several, told apart by ``from`` and ``to``."""


def summary_of(change: Change) -> str:
    """Return the sentence of an entry.

    Args:
        change: The entry.
    """
    return CHANGE_KINDS[change.kind].of(change.symbol, change.from_ or "", change.to or "")


def summary_of_finding(finding: CompatFinding) -> str:
    """Return the sentence of a finding, which is that of an entry of its kind.

    Args:
        finding: The finding.
    """
    ends = {"from": finding.old, "to": finding.new}
    if "parameter" in finding.detail:
        ends = dict.fromkeys(ends, finding.detail["parameter"])
    ends |= finding.detail
    return CHANGE_KINDS[finding.kind].of(finding.symbol, ends["from"], ends["to"])


def declares(change: Change, finding: CompatFinding) -> bool:
    """Return whether an entry declares a finding.

    Args:
        change: The entry.
        finding: The finding.
    """
    rule = CHANGE_KINDS[change.kind]
    if finding.kind != change.kind and finding.kind not in rule.declares:
        return False
    if not _same_place(change, finding):
        return False
    return finding.kind != change.kind or _same_ends(change, finding)


def entry_for(finding: CompatFinding) -> list[str]:
    """Return the entry that declares a finding, as lines of TOML; what only an author knows is left to fill in.

    Args:
        finding: The finding.
    """
    rule, detail = CHANGE_KINDS[finding.kind], finding.detail
    ends = {key: detail[key] for key in ("from", "to") if key in detail}
    if finding.kind == "parameter-added" and detail.get("type"):
        ends = {"to": f"{detail['parameter']}: {detail['type']}"}
    elif finding.kind == "parameter-removed":
        ends = {"from": detail["parameter"]}
    ends |= {key: getattr(finding, "old" if key == "from" else "new") for key in rule.needs if key not in ends}
    values = {"kind": finding.kind, "symbol": finding.symbol, **ends, "why": "..."}
    if rule.rewrite == "code":
        values["migration"] = "..."
    elif rule.rewrite == "by hand":
        values["todo"] = "..."
    return ["[[next.change]]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())]


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
    """Compare what is stated of the change itself, as far as both state it."""
    if finding.kind == "parameter-added":
        return finding.detail.get("parameter") in {None, parameter_name(change.to or "")}
    if finding.kind == "parameter-removed":
        return finding.detail.get("parameter") in {None, change.from_}
    if finding.kind not in _BY_ENDS:
        return True
    pairs = ((finding.detail.get("from"), change.from_), (finding.detail.get("to"), change.to))
    return all(seen is None or seen == stated for seen, stated in pairs)


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


def match(changes: Sequence[Change], findings: Iterable[CompatFinding]) -> Matching:
    """Hold entries against findings, both ways.

    Args:
        changes: The entries.
        findings: What the comparison saw.
    """
    seen = [finding for finding in findings if finding.kind not in IGNORED_FINDINGS]
    undeclared = [
        finding for finding in seen if finding.breaking and not any(declares(change, finding) for change in changes)
    ]
    idle = [index for index, change in enumerate(changes) if not any(declares(change, finding) for finding in seen)]
    return Matching(tuple(undeclared), tuple(idle))


def declared_in(changes: Sequence[Change]) -> Callable[[CompatFinding], bool]:
    """Return the function by which an entry declares a finding.

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
