"""Uses of a symbol whose change no rewrite can follow: each is left to the author, or gets what the entry writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.upgrading.rewrites.parameters import give
from pipelex.upgrading.rewrites.step import plain

if TYPE_CHECKING:
    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step

_FIELD_DEFAULTS = frozenset({"field-default-changed", "field-default-removed"})
_PARAMETER_DEFAULTS = frozenset({"parameter-default-changed", "parameter-default-removed"})


def leave_uses(step: Step, change: ApiChange) -> None:
    """Leave whatever uses a symbol to the author, with what the entry asks for.

    A use is a call, an implementation, an access to a member, a class derived from it; of a field whose default
    changed, the making of a record without it. Where a module has none of these, the import of the name is one.

    Args:
        step: The module.
        change: The change.
    """
    reason = change.todo or change.migration
    if not reason:
        return
    if change.kind in _FIELD_DEFAULTS:
        owner, _, field = change.symbol.rpartition(".")
        _state_default(step, change, owner, field)
        return
    if change.kind in _PARAMETER_DEFAULTS and change.migration:
        _state_default(step, change, plain(change.symbol), change.migration.partition("=")[0].strip())
        return
    symbol = plain(change.symbol)
    uses: list[cst.CSTNode] = [*step.implementers(symbol), *step.calls(symbol), *step.partials(symbol)]
    uses += [*step.members(change.symbol), *step.derived(symbol)]
    for node in uses or _imports(step, symbol):
        step.leave(node, change, reason)


def _state_default(step: Step, change: ApiChange, symbol: str, name: str) -> None:
    """Write the old default out in the calls that leave an argument out, or leave them to the author."""
    for call in step.calls(symbol):
        if name not in step.given(call, symbol):
            give(step, call, change, name)


def _imports(step: Step, symbol: str) -> list[cst.CSTNode]:
    import libcst as cst

    module, _, name = symbol.partition(":")
    found: list[cst.CSTNode] = []
    for node in step.source.nodes(cst.ImportFrom):
        assert isinstance(node, cst.ImportFrom)
        is_from = node.module is not None and not node.relative and step.source.code(node.module) == module
        if is_from and not isinstance(node.names, cst.ImportStar):
            found += [node] if any(alias.evaluated_name == name for alias in node.names) else []
    return found
