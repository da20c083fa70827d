"""Edits of a list in brackets: the parameters of a function, the arguments of a call, the targets of a ``del``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pipelex.upgrading.edits import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import libcst as cst

    from pipelex.spi.changes import ApiChange
    from pipelex.upgrading.edits import Kept
    from pipelex.upgrading.source_text import SourceText

    Item = cst.Param | cst.ParamStar | cst.ParamSlash | cst.Arg | cst.Element | cst.ImportAlias
    Parts = tuple[str | Kept, ...]


class _New(NamedTuple):
    parts: Parts
    change: ApiChange
    what: str


@dataclass
class ItemList:
    """A list whose items are removed, replaced and appended; all of it becomes edits that do not overlap.

    Attributes:
        source: The module.
        items: The items in the order of the text, the separators ``*`` and ``/`` of parameters included.
        fallback: The offset at which the first item of an empty list is inserted.
    """

    source: SourceText
    items: Sequence[Item]
    fallback: int
    _removed: dict[int, tuple[ApiChange, str]] = field(default_factory=dict)
    _replaced: dict[int, _New] = field(default_factory=dict)
    _appended: list[_New] = field(default_factory=list)

    def remove(self, item: Item, change: ApiChange, what: str) -> None:
        """Remove an item."""
        self._removed.setdefault(self._place(item), (change, what))

    def replace(self, item: Item, parts: Parts, change: ApiChange, what: str) -> None:
        """Replace an item."""
        self._replaced[self._place(item)] = _New(parts, change, what)

    @property
    def keeps_any(self) -> bool:
        """Whether any item remains."""
        return len(self._removed) < len(self.items)

    def behind(self, item: Item) -> int:
        """Return the offset behind an item and its comma."""
        return _end_with_comma(self.source, item)

    def append(self, parts: Parts, change: ApiChange, what: str) -> None:
        """Append an item: behind the last one, before a ``**`` parameter."""
        new = _New(parts, change, what)
        if new not in self._appended:
            self._appended.append(new)

    def _place(self, item: Item) -> int:
        return next(number for number, other in enumerate(self.items) if other is item)

    def edits(self) -> Iterator[Edit]:
        """Yield the edits."""
        self._remove_idle_separators()
        kept = [number for number in range(len(self.items)) if number not in self._removed]
        anchor = next((number for number in reversed(kept) if not _is_last_always(self.items[number])), None)
        behind = (anchor if anchor is not None else -1) + 1
        if self._appended and behind in self._removed:  # what is appended takes the place of what is removed there
            del self._removed[behind]
            joined = [part for new in self._appended for part in (*new.parts, ", ")][:-1]
            self._replaced[behind] = _New(tuple(joined), self._appended[0].change, self._appended[0].what)
            kept = sorted([*kept, behind])
        elif self._appended:
            yield from self._insertions(anchor)
        yield from self._removals(kept)
        for number, new in self._replaced.items():
            item = self.items[number]
            yield self._edit(self.source.start(item), self.source.item_end(item), new.parts, new.change, new.what)

    def _remove_idle_separators(self) -> None:
        """Remove a ``*`` or ``/`` that nothing is left for."""
        import libcst as cst

        last: tuple[ApiChange, str] | None = None
        used = bool(self._appended)
        for number in reversed(range(len(self.items))):
            item = self.items[number]
            if number in self._removed:
                last = self._removed[number]
            elif isinstance(item, cst.ParamStar):
                if not used and last is not None:
                    self._removed[number] = last
                return
            elif not _is_last_always(item):
                used = True

    def _removals(self, kept: list[int]) -> Iterator[Edit]:
        for number, (change, what) in self._removed.items():
            start, end = place_of(self.source, self.items, number, kept)
            yield self._edit(start, end, (), change, what)

    def _insertions(self, anchor: int | None) -> Iterator[Edit]:
        """Insert behind an item; on a line of its own, comma and comment included, where that item has one."""
        import libcst as cst

        source = self.source
        if anchor is None:
            for place, new in enumerate(self._appended):
                at = self.source.start(self.items[0]) if self.items else self.fallback
                glue = ", " if self.items or place + 1 < len(self._appended) else ""
                yield self._edit(at, at, (*new.parts, glue) if glue else new.parts, new.change, new.what)
            return
        item = self.items[anchor]
        start, end = source.start(item), source.item_end(item)
        line_start = source.text.rfind("\n", 0, start) + 1
        if source.text[line_start:start].strip():
            for new in self._appended:
                yield self._edit(end, end, (", ", *new.parts), new.change, new.what)
            return
        has_comma = isinstance(item.comma, cst.Comma)
        behind = source.line_end(_end_with_comma(source, item))
        rest = source.text[_end_with_comma(source, item) : behind].strip()
        indent = source.text[line_start:start]
        if rest and not rest.startswith("#"):  # the next item, or the closing bracket, is on the same line
            for new in self._appended:
                yield self._edit(end, end, (f",\n{indent}", *new.parts), new.change, new.what)
            return
        for place, new in enumerate(self._appended):
            is_last = place + 1 == len(self._appended)
            if not has_comma and place == 0:
                yield self._edit(end, end, (",",), new.change, new.what)
            comma = "," if has_comma or not is_last or anchor + 1 < len(self.items) else ""
            yield self._edit(behind, behind, (f"\n{indent}", *new.parts, comma), new.change, new.what)

    def _edit(self, start: int, end: int, parts: Parts, change: ApiChange, what: str) -> Edit:
        return Edit(start=start, end=end, parts=parts, line=self.source.line_at(start), change=change, what=what)


def place_of(source: SourceText, items: Sequence[Item], number: int, kept: Sequence[int]) -> tuple[int, int]:
    """Return what to remove with an item: its lines where it has them alone, else the comma behind it or before it.

    Args:
        source: The module.
        items: The items of the list.
        number: The item.
        kept: The items that remain.
    """
    item, start = items[number], source.start(items[number])
    line_start, end = source.text.rfind("\n", 0, start) + 1, _end_with_comma(source, item)
    line_end = source.line_end(end)
    if not source.text[line_start:start].strip() and source.text[end:line_end].strip()[:1] in {"", "#"}:
        return line_start, min(line_end + 1, len(source.text))
    if any(other > number for other in kept):
        return start, source.start(items[number + 1])
    if any(other < number for other in kept):
        return source.item_end(items[number - 1]), source.item_end(item)
    return start, source.start(items[number + 1]) if number + 1 < len(items) else end


def _end_with_comma(source: SourceText, item: Item) -> int:
    import libcst as cst

    return source.end(item.comma) if isinstance(item.comma, cst.Comma) else source.item_end(item)


def _is_last_always(item: Item) -> bool:
    """Return whether an item is ``**parameter``, which no parameter may follow."""
    import libcst as cst

    return isinstance(item, cst.Param) and item.star == "**"


def parameters_of(source: SourceText, function: cst.FunctionDef | cst.Lambda) -> ItemList:
    """Return the parameters of a function.

    Args:
        source: The module.
        function: The function.
    """
    import libcst as cst

    params = function.params
    everything: list[object] = [*params.posonly_params, params.posonly_ind, *params.params, params.star_arg]
    everything += [*params.kwonly_params, params.star_kwarg]
    items = [item for item in everything if isinstance(item, cst.Param | cst.ParamStar | cst.ParamSlash)]
    return ItemList(source, items, source.start(function.body))


def arguments_of(source: SourceText, call: cst.Call) -> ItemList:
    """Return the arguments of a call.

    Args:
        source: The module.
        call: The call.
    """
    return ItemList(source, call.args, source.end(call) - 1)


def elements_of(source: SourceText, elements: cst.Tuple) -> ItemList:
    """Return the elements of a tuple.

    Args:
        source: The module.
        elements: The tuple.
    """
    import libcst as cst

    items = [item for item in elements.elements if isinstance(item, cst.Element)]
    return ItemList(source, items, source.end(elements))
