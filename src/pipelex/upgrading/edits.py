"""Edits of a text: what is replaced, by what, and because of which change of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.spi.changes import ApiChange

MARK = "TODO(pipelex):"
"""What marks the lines that an author has to look at."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One replacement in a text.

    Attributes:
        start: Where it begins.
        end: Where it ends; an insertion where it begins.
        text: What stands there afterwards.
        line: The line that it begins on, before.
        change: The change that asks for it.
        what: What it does, in a few words.
    """

    start: int
    end: int
    text: str
    line: int
    change: ApiChange
    what: str


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """Something that only the author can decide.

    Attributes:
        line: The line, before.
        start: Where the statement begins.
        reason: What has to be decided.
        change: The change that asks for it; ``None`` where the type checker found it afterwards.
    """

    line: int
    start: int
    reason: str
    change: ApiChange | None


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return a text with edits made; of two that overlap, one is the very same as the other.

    Args:
        text: The text.
        edits: The edits.

    Raises:
        ValueError: Two edits want different things of the same place.
    """
    parts = []
    at = 0
    unique = dict.fromkeys((edit.start, edit.end, edit.text) for edit in sorted(edits, key=lambda edit: edit.start))
    for start, end, new in sorted(unique, key=lambda item: (item[0], item[1])):
        if start < at:
            msg = f"two edits at {start}"
            raise ValueError(msg)
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


def marked(text: str, undecided: Iterable[Undecided]) -> str:
    """Return a text with a comment above each line that is undecided.

    Args:
        text: The text.
        undecided: What is.
    """
    comments: dict[int, list[str]] = {}
    for item in undecided:
        reason = f"{MARK} {item.reason}"
        if reason not in comments.setdefault(item.start, []):
            comments[item.start].append(reason)
    for start, reasons in sorted(comments.items(), reverse=True):
        line_start = text.rfind("\n", 0, start) + 1
        indent = text[line_start:start] if not text[line_start:start].strip() else ""
        lines = "".join(f"{indent}# {reason}\n" for reason in reasons)
        text = text[:line_start] + lines + text[line_start:]
    return text
