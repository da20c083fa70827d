"""Imports that an upgrade leaves without a use go: what a rewritten annotation no longer names, for example."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.upgrading.edits import Replacement, apply
from pipelex.upgrading.rewrites.imports import is_type_only
from pipelex.upgrading.rewrites.items import place_of
from pipelex.upgrading.rewrites.symbols import is_exported
from pipelex.upgrading.source_text import SourceText

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    import libcst as cst

    Binding = tuple[tuple[str, ...], str]


def without_unused(before: SourceText, text: str, wanted: Container[str]) -> str:
    """Return a changed module without the imports that were used before the change and are not after it.

    What was unused before, and what has a ``noqa``, stays: the author keeps it for a reason that no one can see.

    Args:
        before: The module before the change.
        text: The module after it.
        wanted: The names that other modules import from this one.
    """
    if text == before.text or "import" not in text:
        return text
    used = {binding for binding, _, is_used in _imports(before) if is_used}
    while True:  # the import of TYPE_CHECKING has no use once its block is gone
        after = SourceText(before.name, before.path, text)
        idle = [
            alias
            for binding, alias, is_used in _imports(after)
            if not is_used and binding in used and binding[1] not in wanted and not _is_kept(after, alias, binding[1])
        ]
        shorter = apply(text, _removals(after, idle))
        if shorter == text:
            return text
        text = shorter


def _imports(source: SourceText) -> Iterator[tuple[Binding, cst.ImportAlias, bool]]:
    """Yield what each import binds, in which function or class, and whether anything refers to it."""
    import libcst as cst

    for node in source.nodes(cst.Import, cst.ImportFrom):
        assert isinstance(node, cst.Import | cst.ImportFrom)
        scope = source.scope(node)
        if scope is None or isinstance(node.names, cst.ImportStar):
            continue
        around = source.ancestors(node)
        owners = tuple(item.name.value for item in around if isinstance(item, cst.FunctionDef | cst.ClassDef))
        for alias in node.names:
            name = alias.evaluated_alias or alias.evaluated_name
            is_used = any(item.references for item in scope.assignments if item.name == name)
            yield (owners, name), alias, is_used


def _is_kept(source: SourceText, alias: cst.ImportAlias, name: str) -> bool:
    """Return whether an import is there for something else than a use in the module's code."""
    line = source.text[source.start(alias) : source.line_end(source.end(alias))]
    is_reexported = alias.evaluated_alias == alias.evaluated_name
    in_type_comment = re.search(rf"#\s*type:.*\b{re.escape(name)}\b", source.text) is not None
    return is_reexported or in_type_comment or "noqa" in line or is_exported(source, name)


def _removals(source: SourceText, idle: Sequence[cst.ImportAlias]) -> Iterator[Replacement]:
    """Yield what takes imports out: of a list of names, as a statement, or with the ``if TYPE_CHECKING`` around it."""
    import libcst as cst

    gone: list[cst.BaseCompoundStatement | cst.SimpleStatementLine] = []
    for node in source.nodes(cst.SimpleStatementLine):
        assert isinstance(node, cst.SimpleStatementLine)
        inner = node.body[0]
        if not isinstance(inner, cst.Import | cst.ImportFrom) or isinstance(inner.names, cst.ImportStar):
            continue
        kept = [number for number, alias in enumerate(inner.names) if alias not in idle]
        if kept:
            for number in set(range(len(inner.names))) - {*kept}:
                start, end = place_of(source, inner.names, number, kept)
                yield Replacement(start=start, end=end, parts=())
        elif len(node.body) == 1:
            gone.append(node)
    for block in dict.fromkeys(map(source.parent, gone)):
        yield from _statement_removals(source, block, [node for node in gone if source.parent(node) is block])


def _statement_removals(
    source: SourceText, block: cst.CSTNode | None, gone: Sequence[cst.BaseStatement]
) -> Iterator[Replacement]:
    """Yield what takes statements out of their block, with all of ``if TYPE_CHECKING`` where nothing remains in it."""
    import libcst as cst

    if isinstance(block, cst.IndentedBlock) and len(gone) == len(block.body):
        around = source.parent(block)
        if isinstance(around, cst.If) and around.orelse is None and is_type_only(source, gone[0]):
            yield _without_lines(source, around)
            return
        yield Replacement(start=source.start(gone[0]), end=source.end(gone[0]), parts=("pass",))
        gone = gone[1:]
    yield from (_without_lines(source, node) for node in gone)


def _without_lines(source: SourceText, node: cst.BaseStatement) -> Replacement:
    """Take the lines of a statement out, and the blank lines that would be one group too many."""
    text = source.text
    start = text.rfind("\n", 0, source.start(node)) + 1
    end = min(source.line_end(source.end(node)) + 1, len(text))
    above = len(text[:start]) - len(_BLANK_END.sub("", text[:start]))
    below = len(text[end:]) - len(_BLANK_START.sub("", text[end:]))
    block = source.parent(node)
    if getattr(block, "body", (None,))[0] is node and not above:
        return Replacement(start=start, end=end + below, parts=())
    if end + below == len(text) or above <= below:
        return Replacement(start=start - above, end=end, parts=())
    return Replacement(start=start, end=end + below, parts=())


_BLANK_END = re.compile(r"(?:(?<=\n)[ \t\f]*\n)+\Z")
_BLANK_START = re.compile(r"\A(?:[ \t\f]*\n)+")
