"""Names that moved to another module or bear another name: imports, and what they bind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pipelex.upgrading.rewrites.uses import leave_strings

if TYPE_CHECKING:
    from collections.abc import Iterable

    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.rewrites.step import Step
    from pipelex.upgrading.source_text import SourceText

KINDS = frozenset({"symbol-moved", "symbol-renamed", "module-moved"})


class Move(NamedTuple):
    """Where a name is from now on."""

    module: str
    name: str
    change: ApiChange


def rewrite(step: Step, changes: Iterable[ApiChange]) -> None:
    """Rewrite the imports of names that moved or were renamed, and what refers to them.

    Args:
        step: The module.
        changes: The changes of these kinds.
    """
    import libcst as cst

    changes = list(changes)
    for node in step.source.nodes(cst.ImportFrom):
        assert isinstance(node, cst.ImportFrom)
        if node.module is None or node.relative:
            continue
        module = step.source.code(node.module)
        if isinstance(node.names, cst.ImportStar):
            for change in changes:
                if change.symbol.partition(":")[0] == module:
                    step.leave(node, change, "a star import hides which names it takes")
            continue
        moves = {alias: move for alias in node.names if (move := _move(module, alias, changes)) is not None}
        if moves:
            _rewrite_import(step, node, module, moves)
    _leave_whole_modules(step, changes)
    for change in changes:
        module, _, name = change.symbol.partition(":")
        gone = [] if module in step.new.published else [module]
        leave_strings(step, change, name, f"{module}.{name}", f"{module}:{name}", *gone)


def _move(module: str, alias: cst.ImportAlias, changes: list[ApiChange]) -> Move | None:
    name = alias.evaluated_name
    for change in changes:
        old_module, _, old_name = change.symbol.partition(":")
        if old_module != module:
            continue
        if change.kind == "module-moved":
            return Move(change.new.partition(":")[0], name, change)
        if old_name == name:
            new_module, _, new_name = change.new.rpartition(":")
            return Move(new_module or module, new_name, change)
    return None


def _rewrite_import(step: Step, node: cst.ImportFrom, module: str, moves: dict[cst.ImportAlias, Move]) -> None:
    import libcst as cst

    assert not isinstance(node.names, cst.ImportStar)
    assert node.module is not None
    texts = {alias: _taken(step, node, alias, move) for alias, move in moves.items()}
    targets = {move.module for move in moves.values()}
    stay = [alias for alias in node.names if alias not in moves]
    source = step.source
    if targets == {module} or (not stay and len(targets) == 1):
        change = next(iter(moves.values())).change
        target = targets.pop()
        step.replace(source.start(node.module), source.end(node.module), target, change, f"imports from {target}")
        for alias, text in texts.items():
            step.replace(source.start(alias), source.end(alias), text, moves[alias].change, f"imports {text}")
        return
    gone = [alias for alias in moves if moves[alias].module != module]
    for alias in moves.keys() - set(gone):
        step.replace(
            source.start(alias), source.end(alias), texts[alias], moves[alias].change, f"imports {texts[alias]}"
        )
    _take_out(step, node, gone, moves)
    _put_in(step, node, gone, moves, texts)


def _take_out(
    step: Step, node: cst.ImportFrom, gone: list[cst.ImportAlias], moves: dict[cst.ImportAlias, Move]
) -> None:
    """Take names out of a list of several, or the statement out where none stays."""
    import libcst as cst

    assert not isinstance(node.names, cst.ImportStar)
    names, source = list(node.names), step.source
    if len(gone) == len(names):
        change = moves[gone[0]].change
        module = moves[gone[0]].module
        taken = [_taken(step, node, alias, moves[alias]) for alias in gone if moves[alias].module == module]
        text = f"from {module} import {', '.join(taken)}"
        step.replace(source.start(node), source.end(node), text, change, f"imports from {module}")
        return
    kept = [alias for alias in names if alias not in gone]
    for alias in gone:
        place = names.index(alias)
        change = moves[alias].change
        what = f"no longer imports {alias.evaluated_name} from there"
        if any(other in kept for other in names[place + 1 :]):
            step.replace(source.start(alias), source.start(names[place + 1]), "", change, what)
        else:
            last = max(names.index(other) for other in kept)
            step.replace(source.end(names[max(place - 1, last)]), source.end(alias), "", change, what)


def _put_in(
    step: Step,
    node: cst.ImportFrom,
    gone: list[cst.ImportAlias],
    moves: dict[cst.ImportAlias, Move],
    texts: dict[cst.ImportAlias, str],
) -> None:
    """Write the imports of names that went to other modules: into one that stands beside it, or below it."""
    import libcst as cst

    assert not isinstance(node.names, cst.ImportStar)
    source = step.source
    modules = list(dict.fromkeys(moves[alias].module for alias in gone))
    if len(gone) == len(node.names):
        modules = modules[1:]  # the first one took the statement's place
    for module in modules:
        taken = [texts[alias] for alias in gone if moves[alias].module == module]
        change = next(moves[alias].change for alias in gone if moves[alias].module == module)
        beside = _import_beside(step, node, module)
        if beside is not None:
            last = beside.names[-1] if not isinstance(beside.names, cst.ImportStar) else None
            assert last is not None
            at = source.item_end(last)
            step.replace(at, at, "".join(f", {text}" for text in taken), change, f"imports from {module}")
            continue
        at = source.line_end(source.end(node))
        line = f"\n{source.indent_at(source.start(node))}from {module} import {', '.join(taken)}"
        step.replace(at, at, line, change, f"imports from {module}")


def _import_beside(step: Step, node: cst.ImportFrom, module: str) -> cst.ImportFrom | None:
    """Return an import from a module in the very block of another import."""
    import libcst as cst

    def block_of(inner: cst.CSTNode) -> cst.CSTNode | None:
        return next(
            (around for around in step.source.ancestors(inner) if isinstance(around, cst.IndentedBlock | cst.Module)),
            None,
        )

    for other in step.source.nodes(cst.ImportFrom):
        assert isinstance(other, cst.ImportFrom)
        same = other.module is not None and not other.relative and step.source.code(other.module) == module
        if same and not isinstance(other.names, cst.ImportStar) and block_of(other) is block_of(node):
            return other
    return None


def _taken(step: Step, node: cst.ImportFrom, alias: cst.ImportAlias, move: Move) -> str:
    """Return what an import takes after the change, and rename what refers to it where that is safe."""
    old = alias.evaluated_name
    if alias.evaluated_alias is not None:
        return f"{move.name} as {alias.evaluated_alias}"
    if move.name == old:
        return old
    if not _rename_references(step, node, old, move):
        return f"{move.name} as {old}"  # the module keeps calling it what it did: always right
    return move.name


def _rename_references(step: Step, node: cst.ImportFrom, old: str, move: Move) -> bool:
    """Rename what refers to an imported name; ``False`` where the new name would not mean the same everywhere."""
    import libcst as cst
    from libcst.metadata import ImportAssignment

    scope = step.source.scope(node)
    if scope is None or is_exported(step.source, old) or _is_taken(step, move.name):
        return False
    bound = [item for item in scope.assignments if item.name == old]
    if not all(isinstance(item, ImportAssignment) and isinstance(item.node, cst.ImportFrom) for item in bound):
        return False
    for item in bound:
        for access in item.references:
            if any(not isinstance(other, ImportAssignment) for other in access.referents):
                return False
    for item in bound:
        for access in item.references:
            _rename_reference(step, access.node, old, move)
    return True


def _rename_reference(step: Step, node: cst.CSTNode, old: str, move: Move) -> None:
    import libcst as cst

    source = step.source
    if isinstance(node, cst.Attribute):
        while isinstance(node, cst.Attribute):
            node = node.value
    if isinstance(node, cst.Name) and node.value == old:
        step.replace(source.start(node), source.end(node), move.name, move.change, f"{old} is {move.name}")
    elif isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        text = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", move.name, source.code(node))
        step.replace(source.start(node), source.end(node), text, move.change, f"{old} is {move.name}")


def is_exported(source: SourceText, name: str) -> bool:
    """Return whether the module's own ``__all__`` has a name: then others may import it from here.

    Args:
        source: The module.
        name: The name.
    """
    import libcst as cst

    for node in source.nodes(cst.Assign, cst.AnnAssign, cst.AugAssign):
        code = source.code(node)
        if code.startswith("__all__") and re.search(rf"""["']{re.escape(name)}["']""", code):
            return True
    return False


def _is_taken(step: Step, name: str) -> bool:
    """Tell whether any scope of the module binds a name: it would hide the import, or be hidden by it."""
    return any(item.name == name for scope in step.source.scopes() for item in getattr(scope, "assignments", ()))


def _leave_whole_modules(step: Step, changes: list[ApiChange]) -> None:
    """Leave access through a module to the author: the check forbids it, and it can mean much."""
    import libcst as cst

    for change in changes:
        module, _, name = change.symbol.partition(":")
        for node in step.source.nodes(cst.Import):
            assert isinstance(node, cst.Import)
            if any(alias.evaluated_name == module for alias in node.names):
                step.leave(node, change, f"import {name or 'the names'} by 'from ... import'")
