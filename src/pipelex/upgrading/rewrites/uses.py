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


def leave_strings(step: Step, change: ApiChange, name: str, *paths: str) -> None:
    """Leave what is named in a string to the author: no type shows whose it is.

    Args:
        step: The module.
        change: The change.
        name: A name, as ``getattr`` and the like take it.
        paths: Dotted paths, as ``import_module`` takes them.
    """
    import libcst as cst

    for node in step.source.nodes(cst.Call):
        assert isinstance(node, cst.Call)
        values = [item.value for item in node.args]
        is_by_name = step.source.code(node.func) in {"getattr", "setattr", "hasattr", "delattr"}
        for place, value in enumerate(values):
            text = value.evaluated_value if isinstance(value, cst.SimpleString) else None
            if text is not None and (text in paths or (is_by_name and place == 1 and text == name)):
                step.leave(node, change, f"'{text}' is named in a string")


def leave_values(step: Step, change: ApiChange, reason: str) -> None:
    """Leave a method that is not called but assigned or passed on to the author: who calls it, and how, is unknown.

    Args:
        step: The module.
        change: The change.
        reason: What is new about the method.
    """
    import libcst as cst

    bound = [call.args[0].value for call in step.partials(plain(change.symbol))]
    for node in step.members(change.symbol):
        around = step.source.parent(node)
        is_called = isinstance(around, cst.Call) and around.func is node
        if not is_called and not any(node is value for value in bound):
            step.leave(node, change, reason)
    for name in step.assigned(change.symbol):
        step.leave(name, change, reason)
    leave_strings(step, change, change.symbol.rpartition(".")[2])


def _state_default(step: Step, change: ApiChange, symbol: str, name: str) -> None:
    """Write the old default out in the calls that leave an argument out, or leave them to the author."""
    for call in step.calls(symbol):
        makers = step.index.calls[step.source.span(call)]
        derived = makers[: makers.index(symbol)] if symbol in makers else ()
        has_own = any(name in step.index.attributes.get(one, ()) for one in derived)  # and so a default of its own
        if name not in step.given(call, symbol) and not has_own:
            give(step, call, change, name)
    for call in step.partials(symbol):
        if not any(item.keyword is not None and item.keyword.value == name for item in call.args):
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
