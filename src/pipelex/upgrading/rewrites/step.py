"""What a rewrite is given: one module, what its expressions are, and where its edits go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelex.upgrading.edits import ConflictError, Edit, Undecided, apply, marks
from pipelex.upgrading.rewrites.items import arguments_of, elements_of, parameters_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import libcst as cst

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.edits import Kept
    from pipelex.upgrading.rewrites.items import ItemList
    from pipelex.upgrading.source_text import SourceText
    from pipelex.upgrading.type_index import ModuleIndex, Span


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
        old: The stubs of the old version.
        new: The stubs of the new version.
        edits: What is to be edited.
        undecided: What the author has to decide.
        imports: What the edits need to import, as ``module:name``; the change that requires it, and whether
            it is needed when the module runs, beyond its annotations.
        lists: The lists of parameters and arguments that are edited, by the node that has them.
        gained: The functions that get a parameter, with its name: what they call can pass it on.
    """

    source: SourceText
    index: ModuleIndex
    old: SpiTree
    new: SpiTree
    edits: list[Edit] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    imports: dict[str, tuple[ApiChange, bool]] = field(default_factory=dict)
    lists: dict[cst.CSTNode, ItemList] = field(default_factory=dict)
    gained: set[tuple[cst.CSTNode, str]] = field(default_factory=set)

    def replace(self, start: int, end: int, text: str, change: ApiChange, what: str, *, rank: int = 0) -> None:
        """Replace a stretch of the text."""
        if self.source.text[start:end] != text:
            self.replace_parts(start, end, (text,), change, what, rank=rank)

    def replace_parts(
        self, start: int, end: int, parts: tuple[str | Kept, ...], change: ApiChange, what: str, *, rank: int = 0
    ) -> None:
        """Replace a stretch of the text by a new one that keeps pieces of it."""
        line = self.source.line_at(start)
        self.edits.append(Edit(start=start, end=end, parts=parts, line=line, change=change, what=what, rank=rank))

    def parameters(self, function: cst.FunctionDef | cst.Lambda) -> ItemList:
        """Return the parameters of a function, to be edited."""
        return self.lists.setdefault(function, parameters_of(self.source, function))

    def arguments(self, call: cst.Call) -> ItemList:
        """Return the arguments of a call, to be edited."""
        return self.lists.setdefault(call, arguments_of(self.source, call))

    def targets(self, targets: cst.Tuple) -> ItemList:
        """Return the targets of a ``del``, to be edited."""
        return self.lists.setdefault(targets, elements_of(self.source, targets))

    def outer(self, node: cst.BaseExpression) -> tuple[int, int]:
        """Return the place of an expression, the brackets around it included."""
        start, end = self.source.start(node), self.source.end(node)
        for _ in node.lpar:
            start = self.source.text.rfind("(", 0, start)
            end = self.source.text.find(")", end) + 1
        return start, end

    def leave(self, node: cst.CSTNode, change: ApiChange, reason: str) -> None:
        """Leave something to the author."""
        self.leave_line(self.source.line(node), change, reason)

    def leave_line(self, line: int, change: ApiChange, reason: str) -> None:
        """Leave a line to the author."""
        start = self.source.statement_start(line)
        text = f"plugin API {change.version}: {change.says.replace('`', '')}: {' '.join(reason.split())}"
        left = Undecided(line=line, start=start, reason=text)
        if left not in self.undecided:
            self.undecided.append(left)

    def finish(self) -> str:
        """Make the edits, and mark what is undecided.

        Where two edits require different texts for one place, the second one is left to the author.

        Returns:
            The new text.
        """
        for items in self.lists.values():
            self.edits += items.edits()
        self.lists.clear()
        while True:
            try:
                return apply(self.source.text, [*self.edits, *marks(self.source.text, self.undecided)])
            except ConflictError as exc:
                edit = exc.replacement
                if edit not in self.edits:  # a mark inside a replaced text, which no rewrite makes
                    raise
                self.edits = [other for other in self.edits if other is not edit]
                assert isinstance(edit, Edit)
                self.leave_line(edit.line, edit.change, f"another change is made here already; {edit.what}")

    # --- who calls and who implements a symbol -----------------------------------------------------

    def calls(self, symbol: str) -> Iterator[cst.Call]:
        """Yield the calls of a symbol."""
        return self._calls_in(self.index.calls, symbol)

    def own_calls(self, symbol: str) -> Iterator[cst.Call]:
        """Yield the calls of the plugin's own functions that implement a symbol."""
        return self._calls_in(self.index.own_calls, symbol)

    def all_calls(self, symbol: str) -> list[cst.Call]:
        """Return the calls of a symbol, and those of the plugin's own functions that implement it."""
        return list(dict.fromkeys([*self.calls(symbol), *self.own_calls(symbol)]))

    def partials(self, symbol: str) -> Iterator[cst.Call]:
        """Yield the ``functools.partial`` calls that bind arguments of a symbol or of what implements it."""
        return self._calls_in(self.index.partials, symbol)

    def replaced(self, symbol: str) -> Iterator[cst.Call]:
        """Yield the ``dataclasses.replace`` calls on records of a class."""
        return self._calls_in(self.index.replaced, symbol)

    def _calls_in(self, index: Mapping[Span, Iterable[str]], symbol: str) -> Iterator[cst.Call]:
        import libcst as cst

        for node in self.source.nodes(cst.Call):
            assert isinstance(node, cst.Call)
            if any(plain(called) == symbol for called in index.get(self.source.span(node), ())):
                yield node

    def implementers(self, symbol: str) -> list[cst.FunctionDef | cst.Lambda]:
        """Return the functions and lambdas that implement a symbol."""
        return [*self.implementations(symbol), *self.lambdas(symbol)]

    def around(self, node: cst.CSTNode, symbol: str) -> cst.FunctionDef | cst.Lambda | None:
        """Return the innermost function around a node that implements a symbol."""
        around = list(self.source.ancestors(node))
        return next((function for item in around for function in self.implementers(symbol) if function is item), None)

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

    def assigned(self, symbol: str) -> Iterator[cst.Name]:
        """Yield the names by which classes of the plugin assign a member of a published class in their bodies."""
        import libcst as cst

        owner, _, member = symbol.rpartition(".")
        for node in self.derived(owner):
            for statement in self.source.nodes(cst.AssignTarget, cst.AnnAssign):
                assert isinstance(statement, cst.AssignTarget | cst.AnnAssign)
                target = statement.target
                if not isinstance(target, cst.Name) or target.value != member:
                    continue
                around = self.source.ancestors(statement)
                if next((item for item in around if isinstance(item, cst.FunctionDef | cst.ClassDef)), None) is node:
                    yield target

    def matched(self, symbol: str, field: str) -> Iterator[cst.Name]:
        """Yield the keywords of a field in the patterns that match records of a class."""
        import libcst as cst

        for node in self.source.nodes(cst.MatchClass):
            assert isinstance(node, cst.MatchClass)
            if symbol in self.index.patterns.get(self.source.span(node), ()):
                yield from (item.key for item in node.kwds if item.key.value == field)

    def positions(self, symbol: str) -> list[str]:
        """Return the names of the parameters of a symbol that may be given by position, ``self`` left out.

        Args:
            symbol: ``module:function``, ``module:Class.method``, a call shape or a class.
        """
        signature = self.old.tree.signature(symbol)
        return [param.name for param in signature.params if param.by_position] if signature is not None else []

    def given(self, call: cst.Call, symbol: str) -> dict[str, cst.Arg]:
        """Return the arguments of a call of a symbol by the names of its parameters."""
        given = {item.keyword.value: item for item in call.args if item.keyword is not None}
        by_position = (item for item in call.args if item.keyword is None and not item.star)
        for name, item in zip(self.positions(symbol), by_position, strict=False):
            given.setdefault(name, item)
        return given
