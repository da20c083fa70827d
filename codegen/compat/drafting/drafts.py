"""What changed between two trees, found by comparing shapes; what it means is asked of the type checker or of a rule.

Rules decide alone only where a checker sees nothing: names that are gone, values of enums and constants, defaults, new
abstract methods, bases, how a class works.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codegen.compat.drafting.class_drafts import ClassDrafter
from codegen.compat.drafting.draft import (
    CALLS,
    IMPLEMENTS,
    OVERRIDDEN,
    Draft,
    Fails,
    Noted,
    Ways,
    always,
    fails_if,
    undecided_draft,
)
from codegen.compat.drafting.signatures import Words, events
from codegen.compat.reading.directions import CONSTRUCTOR, short
from codegen.compat.reading.outline import Canonical, Outline
from codegen.compat.reading.spelling import Flow, mentions
from pipelex.spi.stub_tree import (
    AliasShape,
    ClassKind,
    ClassShape,
    ConstantShape,
    FunctionShape,
    Method,
    VariableShape,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from codegen.compat.asking.sheet import Sheet
    from codegen.compat.drafting.signatures import Event
    from codegen.compat.model import Direction
    from codegen.compat.reading.directions import Path
    from codegen.compat.reading.pair import Pair
    from pipelex.spi.stub_tree import Shape

    Owner = tuple[ClassShape, ClassShape]

API_VERSION = "pipelex.plugins.contract:PLUGIN_API_VERSION"


class Drafter:
    """Drafts the findings of a pair of trees.

    Args:
        pair: The trees.
        sheet: Where questions are asked.
    """

    def __init__(self, pair: Pair, sheet: Sheet) -> None:
        self.pair = pair
        self.sheet = sheet
        self._drafts: list[Draft] = []
        self.plain = Outline()
        self.before = Outline(Canonical(str))
        self.after = Outline(Canonical(pair.identity.canonical))
        self.words = Words(self.before.type, self.after.type, self.plain.type, self.plain.type)

    def run(self) -> list[Draft]:
        """Return the drafts."""
        identity = self.pair.identity
        for key in identity.removed:
            old = self.pair.old.shapes[key]
            self.add("symbol-removed", key, self.pair.was.of(key), always(CALLS), texts=(self.plain.shape(old), ""))
        for key in identity.added:
            new = self.pair.new.shapes[key]
            self.add("symbol-added", key, self.pair.now.of(key), texts=("", self.plain.shape(new)))
        for key, new_key in self.pair.compared():
            self._symbol(key, self.pair.old.shapes[key], self.pair.new.shapes[new_key])
        self._reexported()
        return self._drafts

    def _reexported(self) -> None:
        """Compare what a module lets others import from it without defining it."""
        canonical, modules = self.pair.identity.canonical, self.pair.new.modules
        for name, module in self.pair.old.modules.items():
            new = modules.get(name)
            for bound, target in module.reexported.items():
                now = new.reexported.get(bound, f"{name}:{bound}" if bound in new.shapes else "") if new else ""
                if not now:
                    self.add("symbol-removed", f"{name}:{bound}", {CALLS: ()}, always(CALLS), texts=(target, ""))
                elif canonical(now) != target:
                    self.add("symbol-kind-changed", f"{name}:{bound}", {CALLS: ()}, always(CALLS), texts=(target, now))

    def add(
        self,
        kind: str,
        symbol: str,
        ways: Ways,
        fails: Fails | None = None,
        *,
        texts: tuple[str, str] = ("", ""),
        detail: Mapping[str, str] | None = None,
        part: str = "",
        note: str = "",
        note_if: tuple[int, ...] = (),
        only_breaking: bool = False,
    ) -> None:
        """Add a draft.

        Args:
            kind: The kind of finding.
            symbol: What changed.
            ways: Its directions.
            fails: Returns who is broken; no plugin by default.
            texts: The old signature and the new one.
            detail: The change for a program.
            part: The part of the symbol, for the id.
            note: What a reader should know beside.
            note_if: The questions one of which has to be answered with no for the note.
            only_breaking: Whether it is silent unless it is a break.
        """
        rule, given = fails or always(), dict(detail or {})
        self._drafts.append(Draft(kind, symbol, ways, *texts, rule, given, part, note, only_breaking, note_if))

    def undecided(self, symbol: str, what: str) -> None:
        """Add the draft of a change that nothing judges.

        Args:
            symbol: What changed.
            what: What of it, in a few words.
        """
        self._drafts.append(undecided_draft(self.pair, symbol, what))

    # --- symbols --------------------------------------------------------------------------------------

    def _symbol(self, key: str, old: Shape, new: Shape) -> None:
        self.sheet.subject = key
        if key != new.key and not isinstance(old, VariableShape):
            kind = "symbol-moved" if short(key) == short(new.key) else "symbol-renamed"
            detail = {"from": key, "to": new.key}
            self.add(kind, key, self.pair.was.of(key), always(CALLS), texts=(key, new.key), detail=detail)
        if isinstance(old, ClassShape) and isinstance(new, ClassShape):
            ClassDrafter(self, old, new).run()
        elif isinstance(old, FunctionShape) and isinstance(new, FunctionShape):
            self.callable(key, old.method, new.method, self.pair.was.of(key))
        elif isinstance(old, ConstantShape) and isinstance(new, ConstantShape):
            self._constant(key, old, new)
        elif isinstance(old, VariableShape) and isinstance(new, VariableShape):
            self._variable(key, old, new)
        elif isinstance(old, AliasShape) and isinstance(new, AliasShape):
            self._alias(key, old, new)
        elif type(old) is not type(new):
            texts = (self.plain.shape(old), self.plain.shape(new))
            self.add("symbol-kind-changed", key, self.pair.was.of(key), always(CALLS), texts=texts)

    def _constant(self, key: str, old: ConstantShape, new: ConstantShape) -> None:
        texts = (self.plain.shape(old), self.plain.shape(new))
        ways = self.pair.was.of(key)
        if old.is_final != new.is_final:
            kind = "constant-final" if new.is_final else "constant-not-final"
            is_break = new.is_final or old.value not in {None, "..."}  # a final literal is its own type: that is lost
            self.add(kind, key, ways, always(CALLS) if is_break else None, texts=texts)
        is_widened = old.is_literal and new.is_final and not new.is_literal  # a checker no longer knows the value
        if is_widened or self.before.type(old.type) != self.after.type(new.type):
            number = self.sheet.ask_type(old.type, new.type, Flow.IN)
            fails = always(CALLS) if is_widened else fails_if(CALLS, number)
            detail = {"from": self.plain.type(old.type), "to": self.plain.type(new.type)}
            self.add("constant-retyped", key, ways, fails, detail=detail, texts=texts)
        elif old.value != new.value and "..." not in {old.value, new.value}:
            detail = {"from": old.value or "", "to": new.value or ""}
            if key == API_VERSION:
                note = "the gate itself: raised by a bump, and no plugin's business"
                self.add("api-version-changed", key, ways, detail=detail, note=note, texts=texts)
            else:
                self.add("constant-changed", key, ways, always(CALLS), detail=detail, texts=texts)

    def _alias(self, key: str, old: AliasShape, new: AliasShape) -> None:
        """Ask what a plugin may write with the alias, either way; what mentions it in the SPI is judged there."""
        if self.before.type(old.type) == self.after.type(new.type):
            return
        questions = [(CALLS, self.sheet.ask_type(old.type, new.type, flow)) for flow in Flow]
        detail = {"from": self.plain.type(old.type), "to": self.plain.type(new.type)}
        texts = (self.plain.shape(old), self.plain.shape(new))
        self.add("constant-retyped", key, self.pair.was.of(key), _if_any(questions), texts=texts, detail=detail)

    def _variable(self, key: str, old: VariableShape, new: VariableShape) -> None:
        if self.before.shape(old) == self.after.shape(new):
            return
        questions = []
        ways: dict[Direction, Path] = {}
        for symbol, method, owner in self._users(key):
            for way, path in self.pair.was.of(symbol).items():
                ways.setdefault(way, path)
                questions.append((way, self.sheet.ask_variables(method, way, owner)))
        texts = (self.plain.shape(old), self.plain.shape(new))
        default = self.before.type(old.default)
        is_lost = bool(default) and default != self.after.type(new.default)  # what the name alone means
        fails = always(CALLS) if is_lost or old.variance - new.variance else _if_any(questions)
        self.add("typevar-changed", key, ways, fails, texts=texts)

    def _users(self, variable: str) -> Iterator[tuple[str, Method, ClassShape | None]]:
        """Yield the callables that mention a type variable."""
        for key, method, owner in callables(self.pair.old.shapes.values()):
            types = [param.type for one in method.signatures for param in one.params]
            types += [one.returns for one in method.signatures]
            if any(variable in mentions(type_, Flow.OUT).variables for type_ in types):
                yield key, method, owner

    # --- callables ------------------------------------------------------------------------------------

    def callable(self, symbol: str, old: Method, new: Method, ways: Ways, owner: Owner | None = None) -> None:
        """Draft what changed in a callable.

        Args:
            symbol: What it is called.
            old: The old one.
            new: The new one.
            ways: Its directions.
            owner: The class that it belongs to, in either tree.
        """
        if self.before.member(old) == self.after.member(new):
            return
        texts = (self.plain.member(old), self.plain.member(new))
        self.deprecation(symbol, ways, (old.deprecated, new.deprecated), texts)
        totals = {way: self.sheet.ask_callable(old, new, way, owner) for way in ways}
        unexplained = _if_any(list(totals.items()))
        if len(old.signatures) > 1 or len(new.signatures) > 1:
            self._overloads(symbol, old, new, ways, unexplained, noted=self.overridden(old, new, ways, owner))
            return
        known: list[Fails] = []
        for event in events(old.signature, new.signature, self.words):
            known.append(self._event(old, event, ways, totals, owner))
            overrides = self.overridden(old, replace(old, signatures=(event.variant,)), ways, owner)
            part, detail = event.part, event.detail
            self.add(event.kind, symbol, ways, known[-1], texts=texts, detail=detail, part=part, **overrides)
        if known:
            self.add("signature-changed", symbol, ways, _unless(unexplained, known), only_breaking=True, texts=texts)

    def deprecation(self, symbol: str, ways: Ways, advice: tuple[str, str], texts: tuple[str, str]) -> None:
        """Draft that something is deprecated, or no longer; plugins work as before, and checkers may report its use.

        Args:
            symbol: What it is called.
            ways: Its directions.
            advice: What the mark advises, in either tree.
            texts: The old text and the new one.
        """
        if advice[0] != advice[1]:
            self.add("deprecation-changed", symbol, ways, detail={"from": advice[0], "to": advice[1]}, texts=texts)

    def _overloads(
        self, symbol: str, old: Method, new: Method, ways: Ways, unexplained: Fails, *, noted: Noted
    ) -> None:
        """Draft a change of overloads: the defaults that changed one by one, everything else as a whole."""
        texts = (self.plain.member(old), self.plain.member(new))
        changed: dict[tuple[str, str, str], Event] = {}
        places = []
        for signature in old.signatures:
            found = (events(signature, other, self.words) for other in new.signatures)
            kept = [(place, rest) for place, rest in enumerate(found) if all(one.by_rule for one in rest)]
            if kept:
                places.append(kept[0][0])
                changed |= {(one.part, one.detail["from"], one.detail["to"]): one for one in kept[0][1]}
        for place, event in enumerate(changed.values()):
            part = f"{event.part}-{place}" if place else event.part
            fails = always(*({CALLS} & set(ways)))
            self.add(event.kind, symbol, ways, fails, texts=texts, detail=event.detail, part=part)
        if places != list(range(len(new.signatures))) or len(old.signatures) != len(new.signatures):
            self.add("signature-changed", symbol, ways, unexplained, texts=texts, **noted)

    def overridden(self, old: Method, new: Method, ways: Ways, owner: Owner | None) -> Noted:
        """Return what a reader should know of a public method that a plugin's subclass overrides all the same.

        Args:
            old: The old method.
            new: The new one.
            ways: Its directions; one that plugins implement is overridden by right.
            owner: The class that it belongs to, in either tree.
        """
        if IMPLEMENTS in ways or owner is None or old.final or old.name == CONSTRUCTOR or not self.may_derive(owner):
            return {}
        return {"note": OVERRIDDEN, "note_if": (self.sheet.ask_callable(old, new, IMPLEMENTS, owner),)}

    def may_derive(self, owner: Owner) -> bool:
        """Return whether a plugin may derive a class of its own from a class.

        Args:
            owner: The class, in either tree.
        """
        may_not = {ClassKind.PROTOCOL, ClassKind.ENUM, ClassKind.NEW_TYPE}
        is_derived = self.pair.was.has(owner[0].key, Flow.OUT) or owner[1].kind is ClassKind.TYPED_DICT
        return is_derived and not owner[1].final and owner[1].kind not in may_not

    def _event(
        self,
        old: Method,
        event: Event,
        ways: Ways,
        totals: Mapping[Direction, int],
        owner: Owner | None,
    ) -> Fails:
        if event.by_rule:  # another default: what a call without the argument means
            return always(*({CALLS} & set(ways)))
        variant = replace(old, signatures=(event.variant,))
        alone = {way: self.sheet.ask_callable(old, variant, way, owner) for way in ways}
        closed = set(ways) if event.closes else set()
        return lambda failed: closed | {way for way in ways if alone[way] in failed and totals[way] in failed}


def _if_any(questions: list[tuple[Direction, int]]) -> Fails:
    return lambda failed: {way for way, number in questions if number in failed}


def _unless(fails: Fails, others: list[Fails]) -> Fails:
    return lambda failed: set() if any(other(failed) for other in others) else fails(failed)


def callables(shapes: Iterable[Shape]) -> Iterator[tuple[str, Method, ClassShape | None]]:
    """Yield the functions and methods of a tree: what each is called, and its class.

    Args:
        shapes: The symbols of the tree.
    """
    for shape in shapes:
        if isinstance(shape, FunctionShape):
            yield shape.key, shape.method, None
        elif isinstance(shape, ClassShape):
            for member in shape.members.values():
                if isinstance(member, Method):
                    yield f"{shape.key}.{member.name}", member, shape
