"""Edits of a text as a tree: an edit may keep pieces of what it replaces, and the edits in those pieces are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipelex.spi.changes import ApiChange

MARK = "TODO(pipelex):"
"""The beginning of a comment that an author has to look at."""


class Kept(NamedTuple):
    """A piece of the old text within a replacement; the edits inside it are made.

    Attributes:
        start: Its first offset.
        end: The offset behind it.
    """

    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A new text for a stretch of the old one.

    Attributes:
        start: The offset of the replaced text.
        end: The offset behind it; equal to ``start`` for an insertion.
        parts: The new text: strings, and pieces of the old text that are kept.
        rank: Of two replacements of the same place, the one with the higher rank is the outer one.
    """

    start: int
    end: int
    parts: tuple[str | Kept, ...]
    rank: int = 0

    def is_inside(self, piece: Kept) -> bool:
        """Return whether it lies in a piece of the text; an insertion at either end does not.

        Args:
            piece: The piece.
        """
        if self.start == self.end:
            return piece.start < self.start < piece.end
        return piece.start <= self.start and self.end <= piece.end


@dataclass(frozen=True, kw_only=True)
class Edit(Replacement):
    """One replacement, and why it is made.

    Attributes:
        line: The line of ``start`` before the edit, from 1.
        change: The change that requires it.
        what: A description in a few words.
    """

    line: int
    change: ApiChange
    what: str


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """Something that only the author can decide.

    Attributes:
        line: The line before the edits, from 1.
        start: The offset of the statement.
        reason: What has to be decided.
    """

    line: int
    start: int
    reason: str


class ConflictError(Exception):
    """Two replacements require different texts for the same place.

    Args:
        replacement: The one that cannot be made beside the others.
    """

    def __init__(self, replacement: Replacement) -> None:
        super().__init__(f"offset {replacement.start}")
        self.replacement = replacement


def apply(text: str, replacements: Iterable[Replacement]) -> str:
    """Return a text with replacements made.

    One inside another is made where the outer one keeps the old text, and dropped where it does not.

    Args:
        text: The text.
        replacements: The replacements, in the order in which insertions at one place are made.

    Raises:
        ConflictError: Two of them require different texts for the same place.
    """
    unique: dict[object, Replacement] = {}
    for one in sorted(replacements, key=_outer_first):
        unique.setdefault((one.start, one.end, one.parts), one)
    ordered = list(unique.values())
    return _Rendering(text, ordered).of(Kept(0, len(text)), ordered)


def _outer_first(one: Replacement) -> tuple[int, bool, int, int]:
    return one.start, one.start < one.end, -one.end, -one.rank


class _Rendering(NamedTuple):
    """A text and all its replacements, the outer ones first."""

    text: str
    everything: list[Replacement]

    def of(self, piece: Kept, pending: Sequence[Replacement]) -> str:
        """Return a piece of the text with the replacements inside it made."""
        parts: list[str] = []
        at = piece.start
        while pending:
            outer, *pending = pending
            if outer.start < at:
                raise ConflictError(outer)
            inner = [one for one in pending if one.is_inside(Kept(outer.start, outer.end))]
            pending = [one for one in pending if one not in inner]
            parts += [self.text[at : outer.start], *self._parts(outer, inner)]
            at = outer.end
        return "".join([*parts, self.text[at : piece.end]])

    def _parts(self, outer: Replacement, inner: Sequence[Replacement]) -> Iterator[str]:
        """Yield the new text of a replacement, with those inside what it keeps made."""
        place = (outer.start, outer.end, outer.rank)
        for other in inner:
            if place == (other.start, other.end, other.rank) and place[:2] not in outer.parts:
                raise ConflictError(other)
        for part in outer.parts:
            if isinstance(part, str):
                yield part
            else:
                is_within = outer.start <= part.start and part.end <= outer.end
                among = inner if is_within else self.everything
                yield self.of(part, [one for one in among if one.is_inside(part)])


def marks(text: str, undecided: Iterable[Undecided]) -> list[Replacement]:
    """Return the comments to insert above what is undecided, each once.

    Args:
        text: The text.
        undecided: What the author has to decide.
    """
    comments: dict[tuple[int, str], Replacement] = {}
    for item in undecided:
        line_start = text.rfind("\n", 0, item.start) + 1
        indent = text[line_start : item.start]
        comment = f"{'' if indent.strip() else indent}# {MARK} {item.reason}\n"
        comments[line_start, comment] = Replacement(start=line_start, end=line_start, parts=(comment,))
    return list(comments.values())
