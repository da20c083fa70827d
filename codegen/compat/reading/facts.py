"""What of the contract no stub shows: the entry-point group, what a plugin may contribute, what a user may configure.

``spi.toml`` states these facts, and the source the defaults that a stub shows as dots. The lock of a version keeps
them, and here two versions are compared by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.compat.drafting.draft import CALLS
from codegen.compat.model import CompatFinding, Direction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codegen.contract import Contract

    Facts = Mapping[str, frozenset[str]]

PLUGIN = "pipelex.plugins.contract:PipelexPlugin"
REGISTRAR = "pipelex.plugins.registrar:PluginRegistrar"
_GROUP, _CONTRIBUTIONS, _KEYS, OPEN = "entry_point_group", "contributions", "configuration", "open_enums"
_DEFAULTS = "unshown_defaults"


def facts_of(contract: Contract) -> Facts:
    """Return the facts that ``spi.toml`` states, and the defaults that the stubs do not show.

    Args:
        contract: The contract.
    """
    from codegen.unshown import unshown_defaults

    spec = contract.spec_file.spec
    return {
        _GROUP: frozenset({spec.entry_point_group}),
        _CONTRIBUTIONS: frozenset(spec.contributions),
        _KEYS: frozenset(spec.configuration),
        OPEN: spec.open_enums(),
        _DEFAULTS: unshown_defaults(contract),
    }


def facts_of_lock(data: Mapping[str, object]) -> Facts:
    """Return the facts that a lock keeps.

    Args:
        data: The lock, parsed.
    """
    found = {}
    for key in (_GROUP, _CONTRIBUTIONS, _KEYS, OPEN, _DEFAULTS):
        value = data.get(key, [])
        found[key] = frozenset(
            [value] if isinstance(value, str) else map(str, value if isinstance(value, list) else [])
        )
    return found


def entry_point_group(facts: Facts) -> str:
    """Return the group in which core looks for plugins.

    Args:
        facts: The facts of a tree; those that come without any are of the group of today.
    """
    return next(iter(facts.get(_GROUP, ())), "pipelex.plugins")


def compare_facts(old: Facts, new: Facts) -> Iterator[CompatFinding]:
    """Yield what changed; nothing where a tree comes without facts.

    Args:
        old: The facts of the old version.
        new: Those of the new one.
    """
    if not old or not new:
        return
    if old[_GROUP] != new[_GROUP]:
        ends = {"from": ", ".join(sorted(old[_GROUP])), "to": ", ".join(sorted(new[_GROUP]))}
        yield _finding("entry-point-group-changed", PLUGIN, ends, "every plugin: none is found in the new group")
    for key, kind, symbol, who in (
        (_CONTRIBUTIONS, "contribution", REGISTRAR, "plugins that contribute it"),
        (_KEYS, "configuration-key", PLUGIN, "users who set it"),
    ):
        for name in sorted(old[key] - new[key]):
            yield _finding(f"{kind}-removed", symbol, {"from": name}, who)
        for name in sorted(new[key] - old[key]):
            yield _finding(f"{kind}-added", symbol, {"to": name}, "")
    for symbol in sorted(old[OPEN] ^ new[OPEN]):
        yield _finding("enum-opened" if symbol in new[OPEN] else "enum-closed", symbol, {}, "")
    yield from _defaults(old[_DEFAULTS], new[_DEFAULTS])


def _defaults(old: frozenset[str], new: frozenset[str]) -> Iterator[CompatFinding]:
    """Yield the defaults that are made in another way; one that is shown on one side is in the stubs."""
    before, after = (dict(line.split(" = ", 1) for line in lines) for lines in (old, new))
    for name in sorted(before.keys() & after.keys()):
        if before[name] == after[name]:
            continue
        symbol, _, parameter = name.removesuffix(")").partition("(")
        kind, word = ("parameter-default-changed", "parameter") if parameter else ("field-default-changed", "field")
        detail = {word: parameter or symbol.rpartition(".")[2], "from": before[name], "to": after[name]}
        id_ = f"{kind}:{symbol}:{parameter}" if parameter else f"{kind}:{symbol}"
        texts = (before[name], after[name])
        who = "plugins that leave it out"
        yield CompatFinding(id_, kind, symbol, CALLS, (), *texts, breaking=True, who=who, detail=detail)


def _finding(kind: str, symbol: str, ends: dict[str, str], who: str) -> CompatFinding:
    part = ends.get("from", "") or ends.get("to", "")
    id_ = ":".join(one for one in (kind, symbol, part) if one)
    old, new = ends.get("from", ""), ends.get("to", "")
    direction = CALLS if kind.startswith("enum-") else Direction.IMPLEMENTS
    return CompatFinding(id_, kind, symbol, direction, (), old, new, bool(who), who=who, detail=ends)
