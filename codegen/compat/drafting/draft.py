"""A finding before the type checker has answered, and the rules by which its answers decide who is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from codegen.compat.model import CompatFinding, Direction
from codegen.compat.reading.directions import one_word, short

if TYPE_CHECKING:
    from codegen.compat.reading.directions import Path
    from codegen.compat.reading.pair import Pair

Fails = Callable[[set[int]], set[Direction]]
"""Given the questions that were answered with no: who is broken."""
Ways = Mapping[Direction, "Path"]
IMPLEMENTS, CALLS = Direction.IMPLEMENTS, Direction.CALLS
OVERRIDDEN = "an override in a plugin's subclass no longer fits"


class Noted(TypedDict, total=False):
    """A note, and the questions one of which has to be answered with no for it; as :class:`Draft` has them."""

    note: str
    note_if: tuple[int, ...]


_WHO = (
    (("symbol-",), "plugins that import {name}"),
    (("enum-member-added",), "plugins that match all members of {owner}"),
    (("constant-",), "plugins that read {name}"),
    (("base-",), "plugins that pass {name} for what it was, or catch it as that"),
    (("class-final",), "plugins that derive from {name}"),
    (("runtime-",), "plugins that ask for {name} with isinstance"),
    (("record-frozen",), "plugins that set the fields of {name}"),
    (("record-unfrozen",), "plugins that derive a frozen dataclass from {name}"),
    (("hash-",), "plugins that hash an object of {name}: put it into a set, use it as a key"),
    (("ordering-",), "plugins that compare objects of {name} with <"),
    (("equality-",), "plugins that compare objects of {owner}"),
    (("match-args-",), "plugins that match {name} by position"),
    (("member-final",), "plugins that override {name}"),
    (("type-parameters-",), "plugins that mention {name} in a type"),
    (("undecided",), "could not tell: no rule judges this change"),
    (("typevar-",), "plugins that use what is generic in {name}"),
)
"""Who is broken, by the kind of finding."""


@dataclass
class Draft:
    """A finding before the type checker has spoken.

    Attributes:
        kind: The kind of finding.
        symbol: What changed, under its old name.
        ways: The directions of it, and why.
        old: The old signature.
        new: The new signature.
        fails: Returns who is broken.
        detail: The change for a program.
        part: The part of the symbol, for the id.
        note: What a reader should know beside.
        note_if: The questions one of which has to be answered with no for the note; none: it is there in any case.
        only_breaking: Whether it is silent unless it is a break.
    """

    kind: str
    symbol: str
    ways: Ways
    old: str = ""
    new: str = ""
    fails: Fails = lambda _failed: set()
    detail: dict[str, str] = field(default_factory=dict)
    part: str = ""
    note: str = ""
    only_breaking: bool = False
    note_if: tuple[int, ...] = ()
    broken: set[Direction] = field(default_factory=set)
    cascades: list[str] = field(default_factory=list)

    def finding(self) -> CompatFinding:
        """Return the finding, without a witness."""
        relevant = {way: path for way, path in self.ways.items() if way in self.broken} or self.ways
        return CompatFinding(
            id=":".join(part for part in (self.kind, self.symbol, self.part) if part),
            kind=self.kind,
            symbol=self.symbol,
            direction=one_word(dict(self.ways)),
            path=next(iter(relevant.values()), ()),
            old=self.old,
            new=self.new,
            breaking=bool(self.broken),
            who=who(self.kind, self.symbol, self.broken),
            detail=self.detail,
            cascades=tuple(sorted(self.cascades)),
            note=self.note,
        )


def undecided_draft(pair: Pair, symbol: str, what: str, texts: tuple[str, str] = ("", "")) -> Draft:
    """Return the draft of a change that nothing judges: it counts as a break until an entry declares it.

    Args:
        pair: The trees.
        symbol: What changed.
        what: What of it, in a few words.
        texts: The old text and the new one.
    """
    ways = pair.was.of(symbol) or pair.was.of(symbol.rpartition(".")[0])
    fails = always(*(ways or {CALLS: (), IMPLEMENTS: ()}))
    note = f"no rule judges {what}; if plugins have to follow, an entry of kind 'undecided' with a todo declares it"
    return Draft("undecided", symbol, ways, *texts, fails, {"aspect": what}, note=note)


def who(kind: str, symbol: str, broken: set[Direction]) -> str:
    """Return in a few words which plugins a break breaks.

    Args:
        kind: The kind of finding.
        symbol: What changed.
        broken: Who is broken.
    """
    name = short(symbol)
    if not broken:
        return ""
    owner = name.rpartition(".")[0] or name
    for prefixes, sentence in _WHO:
        if kind.startswith(prefixes):
            return sentence.format(name=name, owner=owner)
    verbs = {IMPLEMENTS: "implement", CALLS: "call"}
    if kind.startswith(("field-", "record-")):
        verbs = {IMPLEMENTS: "fill in", CALLS: "read"}
    elif kind.startswith(("enum-", "attribute-", "class-")):
        verbs = {IMPLEMENTS: "supply", CALLS: "use"}
    elif kind.startswith(("protocol-member", "abstract-")):
        verbs, name = {IMPLEMENTS: "implement", CALLS: "use"}, owner
    return f"plugins that {' or '.join(verbs[way] for way in sorted(broken))} {name}"


def always(*broken: Direction) -> Fails:
    """Return the rule that plugins are broken, whatever the type checker reports.

    Args:
        broken: Who.
    """
    return lambda _failed: set(broken)


def fails_if(way: Direction, number: int) -> Fails:
    """Return the rule that plugins are broken if a question was answered with no."""
    return lambda failed: {way} if number in failed else set()
