"""The changes of a class: how it works, its bases, its members."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from codegen.compat.drafting.draft import CALLS, IMPLEMENTS, OVERRIDDEN, Noted, always, fails_if
from codegen.compat.drafting.signatures import events
from codegen.compat.reading.directions import CONSTRUCTOR
from codegen.compat.reading.spelling import Flow
from codegen.compat.reading.synthesized import (
    PRINTING,
    REPLACING,
    constructed_as,
    has_from_outside,
    is_hashable,
    is_ordered,
    left_abstract,
    match_args,
    replaced_method,
)
from pipelex.spi.stub_tree import (
    STRUCTURAL,
    STRUCTURAL_BASES,
    Attribute,
    ClassKind,
    ClassShape,
    Method,
    MethodForm,
    Signature,
    field_params,
    in_order,
    reference,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Unpack

    from codegen.compat.drafting.draft import Fails, Ways
    from codegen.compat.drafting.drafts import Drafter
    from codegen.compat.drafting.signatures import Event
    from codegen.compat.model import Direction
    from codegen.compat.reading.directions import Path
    from pipelex.spi.stub_tree import Member, TreeShape


class _More(Noted, total=False):
    """What a draft has beside; as :meth:`Drafter.add` takes it."""

    texts: tuple[str, str]
    detail: Mapping[str, str]


_MOVING = {"parameter-added", "parameter-reordered", "parameter-kind-changed"}
"""The changes of a field by which other fields may replace it."""


class ClassDrafter:
    """Drafts the findings of one class.

    Args:
        drafter: Where they go.
        old: The class in the old tree.
        new: The class in the new tree.
    """

    def __init__(self, drafter: Drafter, old: ClassShape, new: ClassShape) -> None:
        self._drafter, self._old, self._new = drafter, old, new
        self._pair, self._sheet = drafter.pair, drafter.sheet
        self._key = old.key
        self._ways = self._pair.was.of(old.key)
        self._supplied = self._pair.was.has(old.key, Flow.OUT)
        self._received = self._pair.was.has(old.key, Flow.IN)
        self._has_keys = ClassKind.TYPED_DICT is old.kind is new.kind
        is_dictionary = [one.kind is ClassKind.TYPED_DICT for one in (old, new)]
        self._records = old.is_record and new.is_record and is_dictionary[0] == is_dictionary[1]

    def run(self) -> None:
        """Draft what changed."""
        self._header()
        self._bases()
        if ClassKind.ENUM in {self._old.kind, self._new.kind}:
            self._enum_members()
        self._synthesized()
        if self._old.is_opaque or self._new.is_opaque:
            self._members()
            return
        if self._records:
            self._fields()
        self._members()
        self._inherited()

    def _add(self, kind: str, member: str, ways: Ways, fails: Fails | None = None, **more: Unpack[_More]) -> None:
        symbol = f"{self._key}.{member}" if member else self._key
        self._drafter.add(kind, symbol, ways, fails, **more)

    # --- the class itself -----------------------------------------------------------------------------

    def _header(self) -> None:
        old, new = self._old, self._new
        texts = (self._drafter.plain.header(old), self._drafter.plain.header(new))
        if old.kind is not new.kind:
            detail = {"from": old.kind.value, "to": new.kind.value}
            self._add("class-kind-changed", "", self._ways, always(*self._ways), detail=detail, texts=texts)
        if old.final != new.final:
            fails = always(IMPLEMENTS) if new.final else None
            self._add("class-final" if new.final else "class-not-final", "", self._ways, fails, texts=texts)
        self._drafter.deprecation(self._key, self._ways, (old.deprecated, new.deprecated), texts)
        if old.runtime_checkable != new.runtime_checkable:
            added = new.runtime_checkable
            kind = f"runtime-checkable-{'added' if added else 'removed'}"
            self._add(kind, "", self._ways, None if added else always(CALLS), texts=texts)
        if self._records and old.frozen != new.frozen:  # a frozen dataclass derives from frozen ones alone
            fails = always(CALLS) if new.frozen else always(IMPLEMENTS) if not new.final else None
            self._add("record-frozen" if new.frozen else "record-unfrozen", "", self._ways, fails, texts=texts)
        if not self._same_variables():
            fails = always(IMPLEMENTS, CALLS)
            self._add("type-parameters-changed", "", self._ways, fails, texts=texts)

    def _same_variables(self) -> bool:
        """Return whether the class is generic in the same variables, in the same order."""
        new = tuple(self._pair.identity.canonical(key) for key in self._new.type_variables)
        if len(new) != len(self._old.type_variables):
            return False
        return sorted(new) != sorted(self._old.type_variables) or new == self._old.type_variables

    def _synthesized(self) -> None:
        """Compare what the class has without writing it; what a base lost is that base's finding."""
        texts = (self._drafter.plain.header(self._old), self._drafter.plain.header(self._new))
        old_options, new_options = self._old.options, self._new.options
        if old_options.eq != new_options.eq:
            self._add("equality-changed", "", self._ways, always(CALLS), texts=texts)
        if old_options.repr != new_options.repr:
            self._add("representation-changed", "", self._ways, None, texts=texts)
        for word, has in (("hash", is_hashable), ("ordering", is_ordered)):
            had, has_now = has(self._pair.old, self._old), has(self._pair.new, self._new)
            if had != has_now and not self._of_a_base(has):
                fails = always(CALLS) if had else None
                note = self._clash("__lt__") if word == "ordering" and has_now else ""
                self._add(f"{word}-{'removed' if had else 'added'}", "", self._ways, fails, texts=texts, note=note)
        if (self._records and old_options.match_args != new_options.match_args) or self._states_other_patterns():
            fails = always(CALLS) if self._patterns_differ() else None
            self._add("match-args-changed", "", self._ways, fails, texts=texts)

    def _of_a_base(self, has: Callable[[TreeShape, ClassShape], bool]) -> bool:
        """Return whether a published base differs in the same way."""
        pair = self._pair
        for ancestor in pair.old.lineage(self._old)[1:]:
            other = pair.new.shapes.get(pair.identity.pairs.get(ancestor.key, ""))
            if isinstance(other, ClassShape) and has(pair.old, ancestor) != has(pair.new, other):
                return True
        return False

    def _states_other_patterns(self) -> bool:
        """Return whether the classes state other ``__match_args__`` by hand."""
        old, new = (one.members.get("__match_args__") for one in (self._old, self._new))
        return getattr(old, "value", None) != getattr(new, "value", None)

    def _patterns_differ(self) -> bool:
        """Return whether a pattern that takes fields by position may mean others now."""
        old, new = match_args(self._pair.old, self._old), match_args(self._pair.new, self._new)
        return new[: len(old)] != old

    def _bases(self) -> None:
        pair = self._pair
        old = [reference(base) for base in self._old.bases]
        new = [pair.identity.canonical(reference(base)) for base in self._new.bases]
        gone = [base for base in old if base not in new and base not in STRUCTURAL_BASES]
        come = [base for base in new if base not in old and base not in STRUCTURAL_BASES]
        self._base_arguments()
        if not gone and not come:
            return
        kept = {pair.identity.canonical(key) for key in pair.new.ancestry(self._new)}
        lost = pair.old.ancestry(self._old) - kept
        kind = "base-changed" if gone and come else "base-removed" if gone else "base-added"
        texts = (self._drafter.plain.header(self._old), self._drafter.plain.header(self._new))
        detail = {"from": ", ".join(gone), "to": ", ".join(come)}
        note = "a plugin's subclass may have names that the new base has" if come and self._may_derive else ""
        is_structural = {self._old.kind, self._new.kind} <= STRUCTURAL
        is_break = (lost and not is_structural) or any(self._replaced_from_outside(name) for name in REPLACING)
        self._add(kind, "", self._ways, always(CALLS) if is_break else None, detail=detail, texts=texts, note=note)

    def _replaced_from_outside(self, name: str) -> bool:
        """Return whether a new base outside the tree brings a special method that replaces another way."""
        old, new = (self._pair.old, self._old), (self._pair.new, self._new)
        return has_from_outside(*new, name) and not has_from_outside(*old, name) and old[0].find(old[1], name) is None

    def _base_arguments(self) -> None:
        """Ask about bases that are the same but for what they are generic in."""
        words = self._drafter.words
        after = {self._pair.identity.canonical(reference(base)): base for base in self._new.bases}
        for base in self._old.bases:
            other = after.get(reference(base))
            if other is None or reference(base) in STRUCTURAL_BASES or words.old(base) == words.new(other):
                continue
            number = self._sheet.ask_type(base, other, Flow.IN, (self._old, self._new))
            texts = (self._drafter.plain.header(self._old), self._drafter.plain.header(self._new))
            detail = {"from": words.plain_old(base), "to": words.plain_new(other)}
            self._add("base-changed", "", self._ways, fails_if(CALLS, number), detail=detail, texts=texts)

    def _enum_members(self) -> None:
        old, new = self._values(self._old), self._values(self._new)
        gone, come = [name for name in old if name not in new], [name for name in new if name not in old]
        for name in list(gone):
            same = [other for other in come if new[other] == old[name]]
            if len(same) == 1:
                gone.remove(name)
                come.remove(same[0])
                self._enum_member("enum-member-renamed", name, old[name], new[same[0]], to=same[0])
        for name in gone:
            self._enum_member("enum-member-removed", name, old[name], None)
        for name in come:
            self._enum_member("enum-member-added", name, None, new[name])
        for name, value in old.items():
            if name in new and value != new[name]:
                self._enum_member("enum-member-revalued", name, value, new[name])

    def _values(self, enum: ClassShape) -> dict[str, str | None]:
        return {one.name: one.value for one in enum.enum_members}

    def _enum_member(self, kind: str, name: str, old: str | None, new: str | None, to: str = "") -> None:
        detail = {"member": name}
        if to or None not in {old, new}:
            detail |= {"from": name if to else old or "", "to": to or new or ""}
        texts = (f"{name} = {old}" if old else "", f"{to or name} = {new}" if new else "")
        fails = always(*self._ways)
        if kind == "enum-member-added":  # an enum that is declared open is judged by who reads spi.toml
            fails = always(CALLS) if self._received else always()
        self._add(kind, name, self._ways, fails, detail=detail, texts=texts)

    # --- records --------------------------------------------------------------------------------------

    def _fields(self) -> None:
        if self._old.options.init != self._new.options.init:
            before = self._find(self._pair.old, self._old, CONSTRUCTOR)
            after = self._find(self._pair.new, self._new, CONSTRUCTOR)
            if isinstance(before, Method) and isinstance(after, Method):
                self._drafter.callable(f"{self._key}.{CONSTRUCTOR}", before, after, dict.fromkeys([CALLS], ()))
        old, new = self._made_of(self._pair.old, self._old), self._made_of(self._pair.new, self._new)
        whole = Method(CONSTRUCTOR, (old,)), Method(CONSTRUCTOR, (new,))
        found = events(old, new, self._drafter.words)
        total = self._sheet.ask_callable(*whole, CALLS) if found and self._supplied else None
        for event in found:
            self._field(event, whole[0], total)
        olds, news = self._own_fields
        for before in olds.values():
            after = news.get(before.name)
            if after is not None:
                self._counted(before, after)
            if after is not None and self._old.frozen == self._new.frozen:
                self._writability(before, after, self._field_ways(before.name))
                self._held(before, after, self._field_ways(before.name))

    def _made_of(self, tree: TreeShape, shape: ClassShape) -> Signature:
        """Return the parameters that the fields compared here make; in one of the trees a base may declare them."""
        names = {name for side in self._own_fields for name in side}
        records = (at for at in reversed(tree.lineage(shape)) if at.is_record)
        params = in_order(param for at in records for param in field_params(at))
        return Signature(tuple(one for one in params if one.name in names), None)

    @cached_property
    def _own_records(self) -> tuple[list[ClassShape], list[ClassShape]]:
        """The records whose fields are compared here, in either tree: a base of both has findings of its own."""
        pair = self._pair
        old, new = pair.old.lineage(self._old), pair.new.lineage(self._new)
        keys = {at.key for at in old[1:]} & {pair.identity.canonical(at.key) for at in new[1:]}
        of_new = [at for at in reversed(new) if at.is_record and pair.identity.canonical(at.key) not in keys]
        return [at for at in reversed(old) if at.is_record and at.key not in keys], of_new

    @cached_property
    def _own_fields(self) -> tuple[dict[str, Attribute], dict[str, Attribute]]:
        """The fields of these records, in either tree."""
        old, new = ({one.name: one for at in side for one in at.fields} for side in self._own_records)
        return old, new

    def _counted(self, old: Attribute, new: Attribute) -> None:
        """Compare in which of the methods that a record gets a field counts."""
        differ = old.synthesized ^ new.synthesized
        ways = self._field_ways(old.name)
        if differ & {"compare", "hash"}:
            self._add("equality-changed", old.name, ways, always(CALLS), texts=self._texts(old, new))
        if "repr" in differ:
            self._add("representation-changed", old.name, ways, None, texts=self._texts(old, new))

    def _field(self, event: Event, whole: Method, total: int | None) -> None:
        kind = event.kind.replace("parameter-", "field-")
        olds, news = self._own_fields
        if event.part in {"parameter-removed": news, "parameter-added": olds}.get(event.kind, {}):
            kind = "field-kind-changed"  # it is there on both sides; the constructor takes it on one
        detail = {("field" if key == "parameter" else key): value for key, value in event.detail.items()}
        before, after = olds.get(event.part), news.get(event.part) or news.get(detail.get("to", ""))
        plain = self._drafter.plain
        is_gone = event.kind == "parameter-removed"
        texts = (
            plain.member(before) if before else event.detail.get("from", ""),
            plain.member(after) if after and not is_gone else event.detail.get("to", ""),
        )
        questions: list[int] = []
        if total is not None and not event.by_rule:
            variant = replace(whole, signatures=(event.variant,))
            questions = [self._sheet.ask_callable(whole, variant, CALLS)]
        fails = self._field_rule(event, questions, total, before, after)
        noted: Noted = {"note": self._clash(event.part)} if kind == "field-added" else {}
        if kind == "field-retyped" and before is not None and after is not None:
            noted = self._redeclared(before, after)
        if kind == "field-default-added" and self._has_keys:
            noted = {"note": "a dictionary type of a plugin's own, in which the key must be there, no longer fits"}
        self._add(kind, event.part, self._field_ways(event.part), fails, detail=detail, texts=texts, **noted)

    def _field_ways(self, name: str) -> Ways:
        ways: dict[Direction, Path] = {}
        flows = self._pair.was.flows.get(self._key, {})
        if Flow.OUT in flows:
            ways[IMPLEMENTS] = (*flows[Flow.OUT], f"whose {name} the plugin fills in" if name else "made by the plugin")
        if Flow.IN in flows:
            ways[CALLS] = (*flows[Flow.IN], f"whose {name} is read" if name else "which is unpacked")
        return ways

    def _field_rule(
        self, event: Event, questions: list[int], total: int | None, before: Attribute | None, after: Attribute | None
    ) -> Fails:
        unpacked = self._received and ClassKind.NAMED_TUPLE in {self._old.kind, self._new.kind}
        unpacked = (unpacked and event.kind == "parameter-added") or self._patterns_differ()
        is_kept = event.part in self._own_fields[1]
        reads: list[int] = []
        owner = (self._old, self._new)
        if event.kind == "parameter-retyped" and before is not None and after is not None:
            if self._received:
                reads.append(self._sheet.ask_type(before.type, after.type, Flow.IN, owner))
            if self._received and before.writable and after.writable:
                reads.append(self._sheet.ask_type(before.type, after.type, Flow.OUT, owner))

        def fails(failed: set[int]) -> set[Direction]:
            broken = set()
            if (event.by_rule and self._supplied) or (total in failed and any(one in failed for one in questions)):
                broken.add(IMPLEMENTS)
            if event.kind == "parameter-renamed" or (event.kind == "parameter-removed" and not is_kept):
                broken |= set(self._field_ways(event.part))
            if any(one in failed for one in reads):
                broken.add(CALLS)
            if unpacked and event.kind in _MOVING:
                broken.add(CALLS)
            if self._has_keys and event.kind == "parameter-default-added" and self._received:
                broken.add(CALLS)  # a key that is read may be missing
            return broken

        return fails

    # --- members --------------------------------------------------------------------------------------

    def _members(self) -> None:
        old, new = self._own(self._old), self._own(self._new)
        gone = [name for name in old if self._find(self._pair.new, self._new, name) is None]
        come = [name for name in new if self._find(self._pair.old, self._old, name) is None]
        for name in list(gone):
            same = [other for other in come if self._is_renamed(old[name], new[other])]
            if len(same) == 1:
                gone.remove(name)
                come.remove(same[0])
                self._renamed(old[name], new[same[0]])
        for name in gone:
            self._removed(old[name])
        for name in come:
            self._added(new[name])
        for name in dict.fromkeys([*old, *new]):
            before = self._find(self._pair.old, self._old, name)
            after = self._find(self._pair.new, self._new, name)
            if before is not None and after is not None:
                self._changed(before, after)

    def _own(self, shape: ClassShape) -> dict[str, Member]:
        fields = {one.name for one in shape.fields} if self._records else set()
        own = {name: member for name, member in shape.members.items() if name not in fields}
        members = {one.name for one in shape.enum_members} if shape.is_opaque else set()  # they have rules of their own
        own = {name: one for name, one in own.items() if name not in members}
        if CONSTRUCTOR in own:
            return own
        return {CONSTRUCTOR if name == "__new__" else name: member for name, member in own.items()}

    def _find(self, tree: TreeShape, shape: ClassShape, name: str) -> Member | None:
        """Return a member, own or inherited."""
        return constructed_as(tree, shape) if name == CONSTRUCTOR else tree.find(shape, name)

    def _is_renamed(self, old: Member, new: Member) -> bool:
        before, after = self._drafter.before.member(old), self._drafter.after.member(new)
        return isinstance(old, Method) and before.replace(f"{old.name}(", "(") == after.replace(f"{new.name}(", "(")

    def _renamed(self, old: Member, new: Member) -> None:
        kind = "hook-renamed" if self._is_hook(old) else "method-renamed"
        ways = self._ways_of(old)
        detail = {"from": old.name, "to": new.name}
        self._add(kind, old.name, ways, always(*ways), detail=detail, texts=self._texts(old, new))

    def _removed(self, member: Member) -> None:
        ways = self._ways_of(member)
        fails = always(*ways)
        kind, note = "method-removed" if isinstance(member, Method) else "attribute-removed", ""
        if self._old.kind is ClassKind.PROTOCOL:
            kind, fails = "protocol-member-removed", always(*({CALLS} & set(ways)))
        elif self._is_hook(member):
            kind = "hook-removed"
        elif member.name in PRINTING or (member.name == "__hash__" and isinstance(member, Attribute)):
            fails, note = always(), "each object has one, which takes its place"
        self._add(kind, member.name, ways, fails, texts=self._texts(member, None), note=note)

    def _added(self, member: Member) -> None:
        ways = self._pair.now.of(f"{self._new.key}.{member.name}")
        fails = always(IMPLEMENTS) if self._supplied else always()
        kind, note = "method-added" if isinstance(member, Method) else "attribute-added", ""
        if self._new.kind is ClassKind.PROTOCOL:
            kind = "protocol-member-added"
        elif member.abstract:
            kind = "abstract-added"
        elif has_from_outside(self._pair.old, self._old, member.name):
            self._drafter.undecided(f"{self._key}.{member.name}", "a member that replaces one of a base")
            return
        elif not _asks_of_subclasses(member):
            fails, note = self._replacing(member)
            kind = "hook-added" if self._is_hook(member) else kind
        note = note or self._clash(member.name)
        self._add(kind, member.name, ways, fails, texts=self._texts(None, member), note=note)

    def _replacing(self, new: Member) -> tuple[Fails, str]:
        """Return who is broken by a member that did not exist, and why: a special method may replace another way."""
        if new.name in REPLACING:
            return always(CALLS), f"Python calls it when {REPLACING[new.name]}"
        before = replaced_method(self._pair.old, self._old, new.name)
        if before is None or not isinstance(new, Method):
            return always(*({CALLS} if before is not None else ())), ""
        made = tuple(replace(one, returns=None) for one in new.signatures) if new.name == "__new__" else new.signatures
        after = replace(before, signatures=made)
        return fails_if(CALLS, self._sheet.ask_callable(before, after, CALLS, (self._old, self._new))), ""

    @property
    def _overridden_note(self) -> str:
        """What a reader should know of a property that can do more than before."""
        return "a property of a plugin's subclass can no longer override it" if self._may_derive else ""

    @property
    def _may_derive(self) -> bool:
        return self._drafter.may_derive((self._old, self._new))

    def _clash(self, name: str) -> str:
        """Return what a reader should know of an added member: a subclass may have that name already."""
        return f"may clash with a '{name}' that a plugin's subclass has of its own" if self._may_derive else ""

    def _changed(self, old: Member, new: Member) -> None:
        symbol, ways = f"{self._key}.{old.name}", self._ways_of(old)
        if self._drafter.before.member(old) == self._drafter.after.member(new) and not _writability_differs(old, new):
            return
        texts = self._texts(old, new)
        if old.abstract != new.abstract and type(old) is type(new) and not self._is_protocol_value(old):
            is_written = self._supplied or self._old.kind is ClassKind.PROTOCOL
            kind = "abstract-added" if new.abstract else "abstract-removed"
            fails = always(IMPLEMENTS) if new.abstract and is_written else None
            self._add(kind, old.name, ways, fails, texts=texts)
        if isinstance(old, Attribute) and isinstance(new, Attribute):
            self._attribute(old, new, ways)
        elif isinstance(old, Method) and isinstance(new, Method):
            self._held(old, new, ways)
            if old.form is not new.form:  # a class method and a static method are called alike, and written otherwise
                is_called_alike = MethodForm.PLAIN not in {old.form, new.form}
                fails = always(*(set(ways) - ({CALLS} if is_called_alike else set())))
                note = OVERRIDDEN if self._may_derive else ""
                self._add("method-kind-changed", old.name, ways, fails, texts=texts, note=note)
            self._drafter.callable(symbol, old, new, ways, (self._old, self._new))
        else:
            self._add("method-kind-changed", old.name, ways, always(*ways), texts=texts)

    def _is_protocol_value(self, member: Member) -> bool:
        """Return whether a member is an attribute of a protocol: whoever implements it writes it in any case."""
        return isinstance(member, Attribute) and self._old.kind is ClassKind.PROTOCOL

    def _held(self, old: Member, new: Member, ways: Ways) -> None:
        """Compare how a member is held: by the class or its objects, and whether a subclass may write it anew."""
        texts = self._texts(old, new)
        if old.final != new.final and (isinstance(old, Method) or old.is_property):
            kind, fails = ("member-final", always(IMPLEMENTS)) if new.final else ("member-not-final", None)
            self._add(kind, old.name, ways, fails, texts=texts)
        if isinstance(old, Attribute) and isinstance(new, Attribute) and old.in_class != new.in_class:
            self._add("attribute-kind-changed", old.name, ways, always(IMPLEMENTS, CALLS), texts=texts)

    def _attribute(self, old: Attribute, new: Attribute, ways: Ways) -> None:
        texts = self._texts(old, new)
        words = self._drafter.words
        read, written = (old.type, new.type), (old.writable, new.writable)
        pairs = [(one, other) for one, other in (read, written) if one is not None and other is not None]
        differ = [(one, other) for one, other in pairs if words.old(one) != words.new(other)]
        if differ:
            detail = {"from": words.plain_old(differ[0][0]), "to": words.plain_new(differ[0][1])}
            fails = self._retyped(old, new, ways)
            noted = self._redeclared(old, new)
            self._add("attribute-retyped", old.name, ways, fails, detail=detail, texts=texts, **noted)
        if old.type is not None and new.type is not None:  # one without a type gives what a base declares a value
            self._writability(old, new, ways)
        self._held(old, new, ways)
        self._drafter.deprecation(f"{self._key}.{old.name}", ways, (old.deprecated, new.deprecated), texts)
        is_default = not old.in_class and (self._old.is_record or self._new.is_record)
        if old.value != new.value and not is_default and "..." not in {old.value, new.value}:
            detail = {"from": old.value or "", "to": new.value or ""}
            broken = always(CALLS) if old.value is not None else None
            self._add("attribute-value-changed", old.name, ways, broken, detail=detail, texts=texts)

    def _redeclared(self, old: Attribute, new: Attribute) -> Noted:
        """Return what a reader should know of an attribute that a plugin's subclass declares anew."""
        if not self._may_derive:
            return {}
        owner = (self._old, self._new)
        questions = [self._sheet.ask_type(old.type, new.type, Flow.OUT, owner)]
        if old.writable and new.writable:
            questions.append(self._sheet.ask_type(old.writable, new.writable, Flow.IN, owner))
        return {"note": OVERRIDDEN, "note_if": tuple(questions)}

    def _writability(self, old: Attribute, new: Attribute, ways: Ways) -> None:
        texts = self._texts(old, new)
        is_written = self._supplied and (old.abstract or self._old.kind is ClassKind.PROTOCOL)
        if old.writable and not new.writable:
            self._add("attribute-read-only", old.name, ways, always(*({CALLS} & set(ways))), texts=texts)
        elif new.writable and not old.writable:
            note = self._overridden_note if old.is_property and not is_written else ""
            fails = always(IMPLEMENTS) if self._has_keys or is_written else None
            self._add("attribute-writable", old.name, ways, fails, texts=texts, note=note)
        elif old.deletable != new.deletable:
            kind = "attribute-not-deletable" if old.deletable else "attribute-deletable"
            fails = always(*({CALLS} & set(ways))) if old.deletable else always(IMPLEMENTS) if is_written else None
            note = self._overridden_note if old.is_property and not old.deletable and not is_written else ""
            self._add(kind, old.name, ways, fails, texts=texts, note=note)

    def _retyped(self, old: Attribute, new: Attribute, ways: Ways) -> Fails:
        questions = []
        for way in ways:
            flow = Flow.OUT if way is IMPLEMENTS else Flow.IN
            owner = (self._old, self._new)
            questions.append((way, self._sheet.ask_type(old.type, new.type, flow, owner)))
            if old.writable and new.writable:
                questions.append((way, self._sheet.ask_type(old.writable, new.writable, flow.back, owner)))
        return lambda failed: {way for way, number in questions if number in failed}

    def _inherited(self) -> None:
        """A new base may ask for methods, too, and bring special ones that replace another way."""
        pair = self._pair
        before = pair.old.ancestry(self._old)
        for ancestor in pair.new.lineage(self._new)[1:]:
            if pair.identity.canonical(ancestor.key) in before:
                continue
            for member in ancestor.members.values():
                if member.abstract and pair.new.find(self._new, member.name) is member:
                    fails = always(IMPLEMENTS) if self._supplied else None
                    texts = self._texts(None, member)
                    self._add("abstract-added", member.name, self._ways, fails, texts=texts)
                elif member.name in REPLACING and pair.old.find(self._old, member.name) is None:
                    self._added(member)
        left = left_abstract(pair.new, self._new) - left_abstract(pair.old, self._old)
        for name in sorted(left if self._supplied else ()):
            self._add("abstract-added", name, self._ways, always(IMPLEMENTS))

    def _ways_of(self, member: Member) -> Ways:
        """Return the directions of a member, as the class that declares it has them."""
        if self._old.is_opaque:  # whoever has a member of an enum may use what the enum defines
            return {CALLS: next(iter(self._ways.values()), ())}
        for ancestor in self._pair.old.lineage(self._old):
            if member.name in ancestor.members:
                return self._pair.was.of(f"{ancestor.key}.{member.name}")
        return self._pair.was.of(f"{self._key}.{member.name}") if member.name == CONSTRUCTOR else {}

    def _is_hook(self, member: Member) -> bool:
        return isinstance(member, Method) and member.is_hook and ClassKind.PROTOCOL is not self._old.kind

    def _texts(self, old: Member | None, new: Member | None) -> tuple[str, str]:
        plain = self._drafter.plain
        return (plain.member(old) if old else "", plain.member(new) if new else "")


def _asks_of_subclasses(member: Member) -> bool:
    """Return whether a class that derives must give an argument that it has not given before."""
    if not isinstance(member, Method) or member.name != "__init_subclass__":
        return False
    return any(not param.optional for param in member.signature.params)


def _writability_differs(old: Member, new: Member) -> bool:
    if not isinstance(old, Attribute) or not isinstance(new, Attribute):
        return False
    return bool(old.writable) != bool(new.writable)
