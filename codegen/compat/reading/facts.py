"""What of the contract no stub shows: the entry-point group, what a plugin may contribute, what a user may configure.

``spi.toml`` states these facts, the lock of a version keeps them, and here two versions are compared by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.compat.drafting.draft import CALLS
from codegen.compat.model import CompatFinding, Direction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from codegen.spec import Spec

    Facts = Mapping[str, frozenset[str]]

PLUGIN = "pipelex.plugins.contract:PipelexPlugin"
REGISTRAR = "pipelex.plugins.registrar:PluginRegistrar"
_GROUP, _CONTRIBUTIONS, _KEYS, OPEN = "entry_point_group", "contributions", "configuration", "open_enums"


def facts_of_spec(spec: Spec) -> Facts:
    """Return the facts that ``spi.toml`` states.

    Args:
        spec: The spec.
    """
    return {
        _GROUP: frozenset({spec.entry_point_group}),
        _CONTRIBUTIONS: frozenset(spec.contributions),
        _KEYS: frozenset(spec.configuration),
        OPEN: spec.open_enums(),
    }


def facts_of_lock(data: Mapping[str, object]) -> Facts:
    """Return the facts that a lock keeps.

    Args:
        data: The lock, parsed.
    """
    found = {}
    for key in (_GROUP, _CONTRIBUTIONS, _KEYS, OPEN):
        value = data.get(key, [])
        found[key] = frozenset(
            [value] if isinstance(value, str) else map(str, value if isinstance(value, list) else [])
        )
    return found


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


def _finding(kind: str, symbol: str, ends: dict[str, str], who: str) -> CompatFinding:
    part = ends.get("from", "") or ends.get("to", "")
    id_ = ":".join(one for one in (kind, symbol, part) if one)
    old, new = ends.get("from", ""), ends.get("to", "")
    direction = CALLS if kind.startswith("enum-") else Direction.IMPLEMENTS
    return CompatFinding(id_, kind, symbol, direction, (), old, new, bool(who), who=who, detail=ends)
