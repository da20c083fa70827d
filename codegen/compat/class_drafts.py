"""The changes of a class: how it works, its bases, its members."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from codegen.compat.directions import CONSTRUCTOR
from codegen.compat.draft import CALLS, IMPLEMENTS, always, fails_if
from codegen.compat.signatures import events
from codegen.compat.spelling import Flow
from pipelex.spi.stub_tree import (
    STRUCTURAL_BASES,
    Attribute,
    ClassKind,
    ClassShape,
    Method,
    MethodForm,
    Param,
    ParamKind,
    Signature,
    field_param,
    reference,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from codegen.compat.directions import Path
    from codegen.compat.draft import Fails, Ways
    from codegen.compat.drafts import Drafter
    from codegen.compat.model import Direction
    from codegen.compat.signatures import Event
    from pipelex.spi.stub_tree import Member, TreeShape


class _More(TypedDict, total=False):
    """What a draft has beside; as :meth:`Drafter.add` takes it."""

    texts: tuple[str, str]
    detail: Mapping[str, str]
    note: str


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
        self._records = old.is_record and new.is_record

    def run(self) -> None:
        """Draft what changed."""
        self._header()
        self._bases()
        if ClassKind.ENUM in {self._old.kind, self._new.kind}:
            self._enum_members()
            return
        if self._records:
            self._fields()
        self._members()
        self._inherited_abstract()

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
        if old.runtime_checkable != new.runtime_checkable:
            added = new.runtime_checkable
            kind = f"runtime-checkable-{'added' if added else 'removed'}"
            self._add(kind, "", self._ways, None if added else always(CALLS), texts=texts)
        if self._records and old.frozen != new.frozen:
            fails = always(CALLS) if new.frozen else None
            self._add("record-frozen" if new.frozen else "record-unfrozen", "", self._ways, fails, texts=texts)

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
        self._add(kind, "", self._ways, always(CALLS) if lost else None, detail=detail, texts=texts)

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
        old = {name: one.value for name, one in self._old.members.items() if isinstance(one, Attribute)}
        new = {name: one.value for name, one in self._new.members.items() if isinstance(one, Attribute)}
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
        old = Signature(_sorted_fields(self._old), None)
        new = Signature(_sorted_fields(self._new), None)
        whole = Method(CONSTRUCTOR, (old,)), Method(CONSTRUCTOR, (new,))
        found = events(old, new, self._drafter.words)
        total = self._sheet.ask_callable(*whole, CALLS) if found and self._supplied else None
        for event in found:
            self._field(event, whole[0], total)

    def _field(self, event: Event, whole: Method, total: int | None) -> None:
        kind = event.kind.replace("parameter-", "field-")
        detail = {("field" if key == "parameter" else key): value for key, value in event.detail.items()}
        before, after = self._old.members.get(event.part), self._new.members.get(detail.get("to", "") or event.part)
        after = self._new.members.get(event.part, after)
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
        self._add(kind, event.part, self._field_ways(event.part), fails, detail=detail, texts=texts)

    def _field_ways(self, name: str) -> Ways:
        ways: dict[Direction, Path] = {}
        flows = self._pair.was.flows.get(self._key, {})
        if Flow.OUT in flows:
            ways[IMPLEMENTS] = (*flows[Flow.OUT], f"whose {name} the plugin fills in" if name else "made by the plugin")
        if Flow.IN in flows:
            ways[CALLS] = (*flows[Flow.IN], f"whose {name} is read" if name else "which is unpacked")
        return ways

    def _field_rule(
        self, event: Event, questions: list[int], total: int | None, before: Member | None, after: Member | None
    ) -> Fails:
        unpacked = self._received and ClassKind.NAMED_TUPLE in {self._old.kind, self._new.kind}
        reads: list[int] = []
        owner = (self._old, self._new)
        if event.kind == "parameter-retyped" and isinstance(before, Attribute) and isinstance(after, Attribute):
            if self._received:
                reads.append(self._sheet.ask_type(before.type, after.type, Flow.IN, owner))
            if self._received and before.writable and after.writable:
                reads.append(self._sheet.ask_type(before.type, after.type, Flow.OUT, owner))

        def fails(failed: set[int]) -> set[Direction]:
            broken = set()
            if (event.by_rule and self._supplied) or (total in failed and any(one in failed for one in questions)):
                broken.add(IMPLEMENTS)
            if event.kind in {"parameter-removed", "parameter-renamed"}:
                broken |= set(self._field_ways(event.part))
            if any(one in failed for one in reads):
                broken.add(CALLS)
            if unpacked and event.kind in {"parameter-added", "parameter-reordered"}:
                broken.add(CALLS)
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
        return {name: member for name, member in shape.members.items() if name not in fields}

    def _find(self, tree: TreeShape, shape: ClassShape, name: str) -> Member | None:
        """Return a member, own or inherited; a constructor is always there, written or not."""
        if name == CONSTRUCTOR and shape.kind is not ClassKind.PROTOCOL:
            return Method(CONSTRUCTOR, (tree.constructor(shape),))
        return tree.find(shape, name)

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
        kind = "method-removed" if isinstance(member, Method) else "attribute-removed"
        if self._old.kind is ClassKind.PROTOCOL:
            kind, fails = "protocol-member-removed", always(*({CALLS} & set(ways)))
        elif self._is_hook(member):
            kind = "hook-removed"
        self._add(kind, member.name, ways, fails, texts=self._texts(member, None))

    def _added(self, member: Member) -> None:
        ways = self._pair.now.of(f"{self._new.key}.{member.name}")
        fails = always(IMPLEMENTS) if self._supplied else always()
        kind = "method-added" if isinstance(member, Method) else "attribute-added"
        if self._new.kind is ClassKind.PROTOCOL:
            kind = "protocol-member-added"
        elif member.abstract:
            kind = "abstract-added"
        else:
            fails = always()
            kind = "hook-added" if self._is_hook(member) else kind
        self._add(kind, member.name, ways, fails, texts=self._texts(None, member))

    def _changed(self, old: Member, new: Member) -> None:
        symbol, ways = f"{self._key}.{old.name}", self._ways_of(old)
        if self._drafter.before.member(old) == self._drafter.after.member(new) and not _writability_differs(old, new):
            return
        texts = self._texts(old, new)
        if old.abstract != new.abstract and ClassKind.PROTOCOL not in {self._old.kind, self._new.kind}:
            kind, fails = ("abstract-added", always(IMPLEMENTS)) if new.abstract else ("abstract-removed", None)
            self._add(kind, old.name, ways, fails if self._supplied else None, texts=texts)
        if isinstance(old, Attribute) and isinstance(new, Attribute):
            self._attribute(old, new, ways)
        elif isinstance(old, Method) and isinstance(new, Method):
            broken: set[Direction] = set()
            if old.form is not new.form:  # on an object a method, a class method and a static method are called alike
                broken = {IMPLEMENTS} if old.form is MethodForm.PLAIN else set(ways)
                broken = set() if MethodForm.PLAIN not in {old.form, new.form} else broken
            if new.final and not old.final:
                broken.add(IMPLEMENTS)
            if old.form is not new.form or old.final != new.final:
                self._add("method-kind-changed", old.name, ways, always(*(broken & set(ways))), texts=texts)
            self._drafter.callable(symbol, old, new, ways, (self._old, self._new))
        else:
            self._add("method-kind-changed", old.name, ways, always(*ways), texts=texts)

    def _attribute(self, old: Attribute, new: Attribute, ways: Ways) -> None:
        texts = self._texts(old, new)
        words = self._drafter.words
        if old.type is not None and new.type is not None and words.old(old.type) != words.new(new.type):
            detail = {"from": words.plain_old(old.type), "to": words.plain_new(new.type)}
            fails = self._retyped(old, new, ways)
            self._add("attribute-retyped", old.name, ways, fails, detail=detail, texts=texts)
        typed = old.type is not None and new.type is not None  # one without a type gives what a base declares a value
        if typed and old.writable and not new.writable:
            self._add("attribute-read-only", old.name, ways, always(*({CALLS} & set(ways))), texts=texts)
        if typed and new.writable and not old.writable:
            broken = {IMPLEMENTS} & set(ways) if self._old.kind is ClassKind.PROTOCOL else set()
            self._add("attribute-writable", old.name, ways, always(*broken), texts=texts)
        if old.value != new.value and not {None, "..."} & {old.value, new.value}:
            detail = {"from": old.value or "", "to": new.value or ""}
            self._add("attribute-value-changed", old.name, ways, always(CALLS), detail=detail, texts=texts)

    def _retyped(self, old: Attribute, new: Attribute, ways: Ways) -> Fails:
        questions = []
        for way in ways:
            flow = Flow.OUT if way is IMPLEMENTS else Flow.IN
            owner = (self._old, self._new)
            questions.append((way, self._sheet.ask_type(old.type, new.type, flow, owner)))
            if old.writable and new.writable:
                questions.append((way, self._sheet.ask_type(old.writable, new.writable, flow.back, owner)))
        return lambda failed: {way for way, number in questions if number in failed}

    def _inherited_abstract(self) -> None:
        """A new base may ask for methods, too."""
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

    def _ways_of(self, member: Member) -> Ways:
        """Return the directions of a member, as the class that declares it has them."""
        for ancestor in self._pair.old.lineage(self._old):
            if member.name in ancestor.members:
                return self._pair.was.of(f"{ancestor.key}.{member.name}")
        return self._pair.was.of(f"{self._key}.{member.name}") if member.name == CONSTRUCTOR else {}

    def _is_hook(self, member: Member) -> bool:
        return isinstance(member, Method) and member.is_hook and ClassKind.PROTOCOL is not self._old.kind

    def _texts(self, old: Member | None, new: Member | None) -> tuple[str, str]:
        plain = self._drafter.plain
        return (plain.member(old) if old else "", plain.member(new) if new else "")


def _sorted_fields(shape: ClassShape) -> tuple[Param, ...]:
    params = [field_param(one, shape) for one in shape.fields]
    return tuple(sorted(params, key=lambda one: list(ParamKind).index(one.kind)))


def _writability_differs(old: Member, new: Member) -> bool:
    if not isinstance(old, Attribute) or not isinstance(new, Attribute):
        return False
    return bool(old.writable) != bool(new.writable)
