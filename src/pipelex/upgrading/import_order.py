"""Imports that were sorted stay sorted: as isort and ruff sort them by default, within the author's line length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pipelex.upgrading.edits import MARK, Replacement, apply
from pipelex.upgrading.source_text import SourceText

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import libcst as cst


def tidied(before: SourceText, text: str, width: int) -> str:
    """Return a changed module with its imports in the order that they were in before.

    Where the author's imports were sorted, the changed ones are; where they were not, nothing is moved. What the
    upgrade wrote into an import is laid out anew where it is longer than a line.

    Args:
        before: The module before the change.
        text: The module after it.
        width: The author's line length.
    """
    if text == before.text or "import" not in text:
        return text
    old = [_Statement.of(before, node) for block in _blocks(before) for node in block]
    written = {statement.text for statement in old}
    style = _Style(width, _are_names_sorted(old), any(statement.is_combined for statement in old))
    text = _with_names_laid_out(SourceText(before.name, before.path, text), written, style)
    if not all(_is_sorted(_keys(before, block)) for block in _blocks(before)):
        return text
    after = SourceText(before.name, before.path, text)
    return apply(text, [_sorted_block(after, block) for block in _blocks(after)])


class _Style(NamedTuple):
    """How an author writes imports: within what width, whether names are sorted, and those with ``as`` among others."""

    width: int
    in_order: bool
    combines: bool


class _Statement(NamedTuple):
    """An import statement: its text, and the names that it takes from a module."""

    text: str
    names: tuple[str, ...]

    @property
    def is_combined(self) -> bool:
        """Whether it takes a name under another one, and more names."""
        return len(self.names) > 1 and any(" as " in name for name in self.names)

    @classmethod
    def of(cls, source: SourceText, node: cst.SimpleStatementLine) -> _Statement:
        import libcst as cst

        inner = node.body[0]
        names: tuple[str, ...] = ()
        if isinstance(inner, cst.ImportFrom) and not isinstance(inner.names, cst.ImportStar):
            names = tuple(source.code(alias) for alias in inner.names)
        return cls(source.code(node), names)


def _blocks(source: SourceText) -> Iterator[list[cst.SimpleStatementLine]]:
    """Yield the runs of import statements without a blank line or another statement in between."""
    import libcst as cst

    for body in source.nodes(cst.Module, cst.IndentedBlock):
        block: list[cst.SimpleStatementLine] = []
        for node in body.body:  # type: ignore[attr-defined]  # both kinds of block have one
            is_import = (
                isinstance(node, cst.SimpleStatementLine)
                and len(node.body) == 1
                and isinstance(node.body[0], cst.Import | cst.ImportFrom)
            )
            is_apart = is_import and any(line.comment is None for line in node.leading_lines)
            if block and (not is_import or is_apart):
                yield block
                block = []
            block += [node] if is_import else []
        if block:
            yield block


def _is_sorted(keys: Sequence[object]) -> bool:
    return list(keys) == sorted(keys)  # type: ignore[type-var]  # the keys are of one kind that has an order


def _are_names_sorted(statements: Sequence[_Statement]) -> bool:
    return all(_is_sorted([_name_key(name) for name in statement.names]) for statement in statements)


def _natural(text: str) -> tuple[int | str, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text))


def _name_key(alias: str) -> tuple[int, tuple[int | str, ...], str]:
    """Return the sort key of an imported name: constants, then classes, then the others."""
    name = alias.partition(" ")[0]
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    return kind, _natural(name.lower()), alias


def _keys(source: SourceText, block: Sequence[cst.SimpleStatementLine]) -> list[tuple[object, ...]]:
    import libcst as cst

    keys: list[tuple[object, ...]] = []
    for node in block:
        inner = node.body[0]
        assert isinstance(inner, cst.Import | cst.ImportFrom)
        if isinstance(inner, cst.Import):
            keys.append((False, _natural(source.code(inner.names[0]).lower())))
        else:
            module = source.code(inner.module) if inner.module is not None else ""
            name = "" if isinstance(inner.names, cst.ImportStar) else source.code(inner.names[0])
            keys.append((True, _natural("." * len(inner.relative) + module.lower()), _name_key(name)))
    return keys


def _sorted_block(source: SourceText, block: Sequence[cst.SimpleStatementLine]) -> Replacement:
    """Put the statements of a block in order, each with the comments above it."""
    start = source.text.rfind("\n", 0, source.start(block[0])) + 1
    while start and MARK in (above := source.text[source.text.rfind("\n", 0, start - 1) + 1 : start]):
        start -= len(above)
    at, chunks = start, []
    for node in block:
        end = min(source.line_end(source.end(node)) + 1, len(source.text))
        chunks.append(source.text[at:end])
        at = end
    order = sorted(range(len(block)), key=_keys(source, block).__getitem__)
    lines = [chunk if chunk.endswith("\n") else f"{chunk}\n" for chunk in (chunks[place] for place in order)]
    text = "".join(lines)
    return Replacement(start=start, end=at, parts=(text if source.text[start:at].endswith("\n") else text[:-1],))


def _with_names_laid_out(source: SourceText, written: set[str], style: _Style) -> str:
    """Lay the names of changed statements out: sorted where they were, one to a line where one line is too short."""
    import libcst as cst

    edits = []
    for block in _blocks(source):
        for node in block:
            inner = node.body[0]
            if source.code(node) in written or not isinstance(inner, cst.ImportFrom):
                continue
            if isinstance(inner.names, cst.ImportStar) or _has_other_comments(inner):
                continue
            start, end = source.start(inner), source.end(inner)
            text = _laid_out(source, inner, style)
            edits.append(Replacement(start=start, end=end, parts=(text,)))
    return apply(source.text, edits)


def _has_other_comments(node: cst.ImportFrom) -> bool:
    """Return whether a list of names has comments on lines of their own, whose place in another order is unknown."""
    import libcst as cst
    import libcst.matchers as m

    everything = m.findall(node, m.EmptyLine(comment=m.Comment()))
    return bool(everything) or (node.lpar is not None and isinstance(node.names, cst.ImportStar))


def _laid_out(source: SourceText, node: cst.ImportFrom, style: _Style) -> str:
    import libcst as cst

    assert not isinstance(node.names, cst.ImportStar)
    pairs = [(source.code(alias).rstrip(", \n"), _comment_of(node, alias)) for alias in node.names]
    if style.in_order:
        pairs.sort(key=lambda pair: _name_key(pair[0]))
    apart = [] if style.combines or not style.in_order else [pair for pair in pairs if " as " in pair[0]]
    groups = [[pair for pair in pairs if pair not in apart], *([pair] for pair in apart)]
    head = source.text[source.start(node) : source.start(node.names[0])].rstrip().removesuffix("(").rstrip()
    indent = source.indent_at(source.start(node))
    is_on_lines = "\n" in source.code(node)
    statements = []
    for group in sorted(filter(None, groups), key=lambda group: _name_key(group[0][0])):
        line = f"{head} {', '.join(name for name, _ in group)}"
        names = "".join(f"{indent}    {name},{comment}\n" for name, comment in group)
        fits = not is_on_lines and len(indent) + len(line) <= style.width
        statements.append(line if fits else f"{head} (\n{names}{indent})")
    return f"\n{indent}".join(statements)


def _comment_of(node: cst.ImportFrom, alias: cst.ImportAlias) -> str:
    """Return the comment behind a name, with two spaces before it."""
    import libcst as cst

    behind: object = alias.comma.whitespace_after if isinstance(alias.comma, cst.Comma) else None
    if behind is None and node.rpar is not None:
        behind = node.rpar.whitespace_before
    comment = behind.first_line.comment if isinstance(behind, cst.ParenthesizedWhitespace) else None
    return f"  {comment.value}" if comment is not None else ""
