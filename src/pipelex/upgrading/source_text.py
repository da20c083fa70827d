"""A module as text with a libcst tree over it: where each node stands, what each name is bound to."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

from pipelex.spi.source_lines import source_lines
from pipelex.upgrading.errors import UpgradeError
from pipelex.upgrading.type_index import Definition, Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import libcst as cst
    from libcst.metadata import CodeRange, Scope


class SourceText:
    """A module that is to be rewritten.

    Args:
        name: Its dotted name.
        path: Its file, as it is shown.
        text: Its text.

    Raises:
        UpgradeError: It is no Python.
    """

    def __init__(self, name: str, path: str, text: str) -> None:
        import libcst as cst
        from libcst.metadata import MetadataWrapper

        self.name = name
        self.path = path
        self.text = text
        try:
            self._wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        except cst.ParserSyntaxError as exc:
            reason = f"line {exc.raw_line}: it is no Python ({exc.message.splitlines()[0]})"
            raise UpgradeError(target=path, reason=reason, fix="Correct it and run again; nothing was written") from exc
        self.tree = self._wrapper.module
        self._line_starts = [0]
        for line in source_lines(text):
            self._line_starts.append(self._line_starts[-1] + len(line))
        self._dropped = self._dropped_form_feeds()

    @cached_property
    def _positions(self) -> Mapping[cst.CSTNode, CodeRange]:
        from libcst.metadata import PositionProvider

        return self._wrapper.resolve(PositionProvider)

    @cached_property
    def _parents(self) -> Mapping[cst.CSTNode, cst.CSTNode]:
        from libcst.metadata import ParentNodeProvider

        return self._wrapper.resolve(ParentNodeProvider)

    @cached_property
    def _scopes(self) -> Mapping[cst.CSTNode, Scope | None]:
        from libcst.metadata import ScopeProvider

        return self._wrapper.resolve(ScopeProvider)

    def _dropped_form_feeds(self) -> list[int]:
        """Return how many form feeds each line begins with: libcst leaves them out, and counts columns without them."""
        code = self.tree.code
        if code == self.text:
            return [0] * len(self._line_starts)
        found = []
        for number, (line, kept) in enumerate(zip(source_lines(self.text), source_lines(code), strict=True), start=1):
            if line.lstrip("\f") != kept and line != kept:
                reason = f"line {number} has a form feed in its indentation"
                raise UpgradeError(target=self.path, reason=reason, fix="Remove it and run again; nothing was written")
            found.append(len(line) - len(kept))
        return [*found, 0]

    def nodes(self, *kinds: type[cst.CSTNode]) -> Iterator[cst.CSTNode]:
        """Yield the nodes of some kinds, in the order of the text."""
        return (node for node in self._all if isinstance(node, kinds))

    @cached_property
    def _all(self) -> list[cst.CSTNode]:
        found: list[cst.CSTNode] = []
        pending: list[cst.CSTNode] = [self.tree]
        while pending:
            node = pending.pop()
            found.append(node)
            pending.extend(reversed(node.children))
        return found

    def position(self, node: cst.CSTNode) -> CodeRange:
        """Return where a node stands."""
        found: CodeRange = self._positions[node]
        return found

    def span(self, node: cst.CSTNode) -> Span:
        """Return where a node stands, as the type index has it."""
        (start_line, start), (end_line, end) = self._place(node)
        return Span(start_line, start, end_line, end)

    def _place(self, node: cst.CSTNode) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the lines and columns at which a node begins and ends."""
        where = self.position(node)
        first, last = where.start, where.end
        return (
            (first.line, first.column + self._dropped[first.line - 1]),
            (last.line, last.column + self._dropped[last.line - 1]),
        )

    def start(self, node: cst.CSTNode) -> int:
        """Return the offset at which a node begins."""
        line, column = self._place(node)[0]
        return self._line_starts[line - 1] + column

    def end(self, node: cst.CSTNode) -> int:
        """Return the offset at which a node ends."""
        line, column = self._place(node)[1]
        return self._line_starts[line - 1] + column

    def item_end(self, node: cst.CSTNode) -> int:
        """Return the offset at which a parameter, an argument or an imported name ends, its comma left out."""
        import libcst as cst

        comma = getattr(node, "comma", None)
        if isinstance(comma, cst.Comma):
            return self.start(comma)
        last: cst.CSTNode = node
        if isinstance(node, cst.Param):  # libcst gives the place of its name alone
            last = node.default or (node.annotation.annotation if node.annotation else node.name)
        elif isinstance(node, cst.Arg):
            last = node.value
        end = self.end(last)
        for _ in getattr(last, "rpar", ()):
            end = self.text.index(")", end) + 1
        return end

    def line(self, node: cst.CSTNode) -> int:
        """Return the line on which a node begins."""
        return self.position(node).start.line

    def line_at(self, offset: int) -> int:
        """Return the line of an offset, counted from 1."""
        return bisect_right(self._line_starts, offset)

    def code(self, node: cst.CSTNode) -> str:
        """Return the text of a node."""
        return self.text[self.start(node) : self.end(node)]

    def indent_at(self, offset: int) -> str:
        """Return the white space before the first word of the line of an offset."""
        line_start = self.text.rfind("\n", 0, offset) + 1
        line = self.text[line_start:]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def line_end(self, offset: int) -> int:
        """Return the offset of the end of a line, its line break not included."""
        found = self.text.find("\n", offset)
        return len(self.text) if found < 0 else found

    def statement_start(self, line: int) -> int:
        """Return the offset of the statement around a line, which is where a comment can be put above it.

        Args:
            line: The line, from 1.
        """
        import libcst as cst

        best: tuple[int, int] | None = None
        for node in self._statements():
            where = self.position(node)
            parent = self.parent(node)
            if where.start.line <= line <= where.end.line and isinstance(parent, cst.IndentedBlock | cst.Module):
                size = where.end.line - where.start.line
                if best is None or size <= best[0]:
                    best = (size, self.start(node))
        return self._line_starts[min(line, len(self._line_starts)) - 1] if best is None else best[1]

    def _statements(self) -> Iterator[cst.CSTNode]:
        import libcst as cst

        return (node for node in self._all if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement))

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """Return the node around a node."""
        found = self._parents.get(node)
        return found if found is not None else None

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the nodes around a node, from the inside."""
        around = self.parent(node)
        while around is not None:
            yield around
            around = self.parent(around)

    def scope(self, node: cst.CSTNode) -> Scope | None:
        """Return the scope that a node stands in."""
        import libcst as cst

        for around in (node, *self.ancestors(node)):
            found = self._scopes.get(around)
            is_definition = isinstance(around, cst.FunctionDef | cst.ClassDef)
            if found is not None and (around is node or not is_definition):
                return found
        return None

    def scopes(self) -> set[Scope]:
        """Return all scopes of the module."""
        return {scope for scope in self._scopes.values() if scope is not None}

    def definition(self, node: cst.FunctionDef | cst.ClassDef) -> Definition:
        """Return how the type index names a function or a class."""
        return Definition(self.line(node.name), node.name.value)
