"""What a rewrite is given: one module, what its expressions are, and where its edits go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelex.upgrading.edits import Edit, Undecided

if TYPE_CHECKING:
    from collections.abc import Iterator

    import libcst as cst

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.source_text import SourceText
    from pipelex.upgrading.type_index import ModuleIndex


def plain(symbol: str) -> str:
    """Spell a call shape, its ``__call__``, a class and its constructor as one.

    Args:
        symbol: ``module:name`` or ``module:Class.member``.
    """
    return symbol.removesuffix(".__call__").removesuffix(".__init__")


@dataclass
class Step:
    """One module on its way from one version to the next.

    Attributes:
        source: The module.
        index: What its expressions are, on the stubs of the old version.
        spi: The stubs of the old version.
        published: The module of each name that the new version publishes.
        edits: What is to be edited.
        undecided: What the author has to decide.
        imports: What the edits need to import, as ``module:name``; the change that asks for it, and whether
            it is needed when the module runs, beyond its annotations.
    """

    source: SourceText
    index: ModuleIndex
    spi: SpiTree
    published: dict[str, str]
    edits: list[Edit] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    imports: dict[str, tuple[ApiChange, bool]] = field(default_factory=dict)

    def replace(self, start: int, end: int, text: str, change: ApiChange, what: str) -> None:
        """Replace a stretch of the text."""
        line = self.source.text.count("\n", 0, start) + 1
        if self.source.text[start:end] != text:
            self.edits.append(Edit(start=start, end=end, text=text, line=line, change=change, what=what))

    def leave(self, node: cst.CSTNode, change: ApiChange, reason: str) -> None:
        """Leave something to the author."""
        self.leave_line(self.source.line(node), change, reason)

    def leave_line(self, line: int, change: ApiChange, reason: str) -> None:
        """Leave a line to the author."""
        start = self.source.statement_start(line)
        text = f"plugin API {change.version}: {change.says.replace('`', '')}: {reason}"
        self.undecided.append(Undecided(line=line, start=start, reason=text, change=change))

    # --- who calls and who implements a symbol -----------------------------------------------------

    def calls(self, symbols: set[str]) -> Iterator[cst.Call]:
        """Yield the calls of symbols."""
        import libcst as cst

        for node in self.source.nodes(cst.Call):
            assert isinstance(node, cst.Call)
            called = self.index.calls.get(self.source.span(node), ())
            if any(plain(symbol) in symbols for symbol in called):
                yield node

    def implementations(self, symbol: str) -> Iterator[cst.FunctionDef]:
        """Yield the functions that implement a symbol."""
        import libcst as cst

        for node in self.source.nodes(cst.FunctionDef):
            assert isinstance(node, cst.FunctionDef)
            symbols = self.index.implementations.get(self.source.definition(node), set())
            if any(plain(implemented) == symbol for implemented in symbols):
                yield node

    def lambdas(self, symbol: str) -> Iterator[cst.Lambda]:
        """Yield the lambdas that implement a symbol."""
        import libcst as cst

        from pipelex.upgrading.type_index import Definition

        for node in self.source.nodes(cst.Lambda):
            assert isinstance(node, cst.Lambda)
            key = Definition(self.source.line(node), "<lambda>")
            if any(plain(found) == symbol for found in self.index.implementations.get(key, ())):
                yield node

    def members(self, symbol: str) -> Iterator[cst.Attribute]:
        """Yield the attribute accesses that stand for a symbol."""
        import libcst as cst

        for node in self.source.nodes(cst.Attribute):
            assert isinstance(node, cst.Attribute)
            if symbol in self.index.members.get(self.source.span(node), ()):
                yield node

    def derived(self, symbol: str) -> Iterator[cst.ClassDef]:
        """Yield the classes that derive from a published class."""
        import libcst as cst

        for node in self.source.nodes(cst.ClassDef):
            assert isinstance(node, cst.ClassDef)
            if symbol in self.index.classes.get(self.source.definition(node), ())[1:]:
                yield node

    def positions(self, symbol: str) -> list[str]:
        """Return the names of the parameters of a symbol that may be given by position, ``self`` left out.

        Args:
            symbol: ``module:function``, ``module:Class.method``, a call shape or a class.
        """
        signature = self.spi.tree.signature(symbol)
        return [param.name for param in signature.params if param.by_position] if signature is not None else []
