"""What a declaration states, aspect by aspect; an aspect that differs and that no rule speaks of is *undecided*.

This is the catch-all of the comparison. The rules draft findings from differences that they know. Here both trees are
written down once more, without regard to any rule, and a difference that no draft speaks of becomes one of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from codegen.compat.drafting.draft import undecided_draft
from codegen.compat.reading.directions import CONSTRUCTOR
from codegen.compat.reading.outline import Outline, Verbatim, variable_text
from codegen.compat.reading.synthesized import constructed_as, declared_as, made_by
from pipelex.spi.stub_tree import (
    AliasShape,
    Attribute,
    ClassKind,
    ClassShape,
    ConstantShape,
    FunctionShape,
    Method,
    VariableShape,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from codegen.compat.drafting.draft import Draft
    from codegen.compat.reading.pair import Pair
    from pipelex.spi.stub_tree import Member, Shape, Signature

_SPEAKS_OF: Mapping[str, tuple[str, ...]] = {
    # of a symbol
    "bases": ("base-", "type-parameters-", "class-kind-"),
    "final": ("class-", "member-", "constant-final", "constant-not-final", "attribute-read-only", "attribute-writable"),
    "runtime-checkable": ("runtime-checkable-",),
    "frozen": ("record-",),
    "equality": ("equality-",),
    "order": ("ordering-",),
    "unsafe hash": ("hash-", "record-"),
    "representation": ("representation-",),
    "patterns": ("match-args-",),
    "value": ("constant-", "api-version-", "enum-member-", "attribute-value-", "field-default-", "field-removed"),
    "definition": ("typevar-", "constant-"),
    # of a member
    "presence": ("method-", "hook-", "abstract-", "protocol-member-", "attribute-", "field-", "enum-member-"),
    "kind": ("method-kind-", "attribute-read-only", "attribute-writable", "field-removed"),
    "type": ("attribute-retyped", "field-retyped", "constant-retyped", "base-", "enum-member-"),
    "set type": ("attribute-", "field-retyped"),
    "deletion": ("attribute-", "record-", "field-"),
    "abstract": ("abstract-", "attribute-writable"),
    "of the class": ("attribute-kind-", "field-"),
    "constructor": ("field-", "parameter-"),
    # of a callable
    "form": ("method-kind-",),
    "async": ("async-",),
    "returns": ("return-",),
    "parameter": ("parameter-",),
    "default": ("parameter-default-", "parameter-added", "parameter-removed", "parameter-kind-"),
    "type as its value": ("constant-",),
    "comparison": ("equality-", "field-"),
    "printing": ("representation-", "field-"),
    "deprecation": ("deprecation-",),
    "overloads": ("parameter-default-changed",),
    "order of parameters": ("parameter-reordered", "parameter-added", "parameter-removed", "parameter-kind-"),
}
"""The kinds of finding that speak of an aspect, by what they begin with; what is not in it, none speaks of."""
_OF_SIGNATURES = {"async", "returns", "parameter", "default", "order of parameters", "overloads"}
_OF_EVERYTHING = ("class-kind-", "symbol-kind-", "symbol-removed", "symbol-added", "method-kind-", "undecided")
"""The kinds that speak of every aspect of their symbol."""


class _Aspect(NamedTuple):
    symbol: str
    name: str
    part: str = ""


def undecided(pair: Pair, drafts: Sequence[Draft]) -> Iterator[Draft]:
    """Yield a draft for each symbol or member of which something differs that no draft speaks of.

    Args:
        pair: The trees.
        drafts: What the rules drafted.
    """
    before, after = Outline(Verbatim(str)), Outline(Verbatim(pair.identity.canonical))
    spoken = _Spoken(drafts)
    for key, new_key in pair.compared():
        old, new = pair.old.shapes[key], pair.new.shapes[new_key]
        left, right = dict(_stated(pair, old, before, spoken)), dict(_stated(pair, new, after, spoken))
        silent: dict[str, list[_Aspect]] = {}
        for aspect in dict.fromkeys([*left, *right]):
            is_there = _Aspect(aspect.symbol, "presence")
            if (is_there in left) != (is_there in right) and aspect != is_there:
                continue  # of what came or went, that it did is all there is
            if left.get(aspect) != right.get(aspect) and not spoken.of(aspect, key):
                silent.setdefault(aspect.symbol, []).append(aspect)
        for symbol, found in silent.items():
            yield _draft(pair, symbol, [(one, left.get(one, ""), right.get(one, "")) for one in found])


def _draft(pair: Pair, symbol: str, found: list[tuple[_Aspect, str, str]]) -> Draft:
    what = ", ".join(f"the {one.name} of '{one.part}'" if one.part else f"its {one.name}" for one, _, _ in found)
    old, new = ("\n".join(text for text in column if text) for column in zip(*[one[1:] for one in found], strict=True))
    return undecided_draft(pair, symbol, what, (old, new))


class _Spoken:
    """What the drafts speak of."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self._by_symbol: dict[str, list[Draft]] = {}
        self.renamed: dict[tuple[str, str], str] = {}
        for draft in drafts:
            if draft.only_breaking:
                continue
            self._by_symbol.setdefault(draft.symbol, []).append(draft)
            if draft.kind.endswith("-renamed") and not draft.kind.startswith("symbol-"):
                owner = draft.symbol if draft.part else draft.symbol.rpartition(".")[0]
                self.renamed[owner, draft.detail["to"]] = draft.detail["from"]

    def of(self, aspect: _Aspect, key: str) -> bool:
        """Return whether a draft speaks of an aspect, or of all of its symbol."""
        kinds = [draft.kind for draft in self._by_symbol.get(key, [])]
        if any(kind.startswith(_OF_EVERYTHING) for kind in kinds):
            return True
        if aspect.name in {"set type", "deletion"} and not {"record-frozen", "record-unfrozen"}.isdisjoint(kinds):
            return True
        return any(self._speaks(draft, aspect) for draft in self._by_symbol.get(aspect.symbol, []))

    def _speaks(self, draft: Draft, aspect: _Aspect) -> bool:
        if draft.kind.startswith(_OF_EVERYTHING):
            return True
        if draft.kind == "signature-changed":
            return aspect.name in _OF_SIGNATURES
        if not draft.kind.startswith(_SPEAKS_OF.get(aspect.name, ("\0",))):
            return False
        return not aspect.part or not draft.part or aspect.part in {draft.part, draft.detail.get("to")}


def _stated(pair: Pair, shape: Shape, write: Outline, spoken: _Spoken) -> Iterator[tuple[_Aspect, str]]:
    key = pair.identity.canonical(shape.key) if shape.module.tree is pair.new else shape.key
    if not isinstance(shape, VariableShape):
        published = shape.module.published
        yield _Aspect(key, "entry in __all__"), str(published is None or shape.key.partition(":")[2] in published)
    if isinstance(shape, ClassShape):
        yield from _of_class(key, shape, write)
        yield from _of_members(pair, key, shape, write, spoken)
    elif isinstance(shape, FunctionShape):
        yield from _of_method(key, shape.method, write, spoken)
    elif isinstance(shape, ConstantShape):
        yield _Aspect(key, "type"), write.type(shape.type)
        yield _Aspect(key, "value"), shape.value or ""
        yield _Aspect(key, "final"), str(shape.is_final)
        yield _Aspect(key, "type as its value"), str(shape.is_literal)
    elif isinstance(shape, VariableShape):
        yield _Aspect(key, "definition"), variable_text(shape, write.type, "_")
    elif isinstance(shape, AliasShape):
        yield _Aspect(key, "definition"), write.type(shape.type)


def _of_class(key: str, shape: ClassShape, write: Outline) -> Iterator[tuple[_Aspect, str]]:
    options = shape.options
    yield _Aspect(key, "kind of class"), shape.kind.value
    yield _Aspect(key, "bases"), ", ".join(write.type(base) for base in shape.bases)
    yield _Aspect(key, "final"), str(shape.final)
    yield _Aspect(key, "runtime-checkable"), str(shape.runtime_checkable)
    yield _Aspect(key, "deprecation"), shape.deprecated
    for name, value in (
        ("frozen", options.frozen),
        ("equality", options.eq),
        ("order", options.order),
        ("unsafe hash", options.unsafe_hash),
        ("representation", options.repr),
        ("patterns", options.match_args),
        ("slots", (options.slots, options.weakref_slot)),
    ):
        yield _Aspect(key, name), str(value)
    yield _Aspect(key, "further statements"), "\n".join(sorted(shape.unread))


def _of_members(
    pair: Pair, key: str, shape: ClassShape, write: Outline, spoken: _Spoken
) -> Iterator[tuple[_Aspect, str]]:
    """Yield what the members state that the class has of its own in either tree."""
    is_old = shape.module.tree is pair.old
    tree = pair.old if is_old else pair.new
    other = pair.new.shapes.get(pair.identity.pairs[key]) if is_old else pair.old.shapes.get(key)
    names = list(shape.members) + (list(other.members) if isinstance(other, ClassShape) else [])
    for name in dict.fromkeys(CONSTRUCTOR if name == "__new__" else name for name in names):
        member = constructed_as(tree, shape) if name == CONSTRUCTOR else tree.find(shape, name)
        if isinstance(member, Attribute):
            member = declared_as(tree, shape, member)
        if member is not None:
            known = name if is_old else spoken.renamed.get((key, name), name)
            if name == CONSTRUCTOR and shape.kind is not ClassKind.PROTOCOL:
                yield _Aspect(f"{key}.{known}", "making of objects"), made_by(tree, shape)
            yield from _of_member(f"{key}.{known}", member, write, spoken)


def _of_member(symbol: str, member: Member, write: Outline, spoken: _Spoken) -> Iterator[tuple[_Aspect, str]]:
    yield _Aspect(symbol, "presence"), "there"
    yield _Aspect(symbol, "abstract"), str(member.abstract)
    yield _Aspect(symbol, "final"), str(member.final)
    if isinstance(member, Method):
        yield _Aspect(symbol, "kind"), "method"
        yield from _of_method(symbol, member, write, spoken)
        return
    yield _Aspect(symbol, "kind"), "property" if member.is_property else "attribute"
    yield from _of_attribute(symbol, member, write)


def _of_attribute(symbol: str, attribute: Attribute, write: Outline) -> Iterator[tuple[_Aspect, str]]:
    yield _Aspect(symbol, "type"), write.type(attribute.type)
    yield _Aspect(symbol, "value"), attribute.value or ""
    yield _Aspect(symbol, "set type"), write.type(attribute.writable)
    yield _Aspect(symbol, "deletion"), str(attribute.deletable)
    yield _Aspect(symbol, "of the class"), str(attribute.in_class)
    yield _Aspect(symbol, "constructor"), f"{attribute.in_init} {attribute.kw_only}"
    yield _Aspect(symbol, "deprecation"), attribute.deprecated
    yield _Aspect(symbol, "comparison"), str(sorted(attribute.synthesized - {"repr"}))
    yield _Aspect(symbol, "printing"), str("repr" in attribute.synthesized)
    yield _Aspect(symbol, "further qualifiers"), ", ".join(sorted(attribute.unread))


def _of_method(symbol: str, method: Method, write: Outline, spoken: _Spoken) -> Iterator[tuple[_Aspect, str]]:
    yield _Aspect(symbol, "form"), method.form.value
    yield _Aspect(symbol, "deprecation"), method.deprecated
    yield _Aspect(symbol, "further decorators"), ", ".join(method.unread)
    if len(method.signatures) > 1:
        yield _Aspect(symbol, "overloads"), "\n".join(write.signature(one, method.name) for one in method.signatures)
    else:
        yield from _of_signature(symbol, method.signature, write, spoken)


def _of_signature(symbol: str, signature: Signature, write: Outline, spoken: _Spoken) -> Iterator[tuple[_Aspect, str]]:
    yield _Aspect(symbol, "async"), str(signature.is_async)
    yield _Aspect(symbol, "returns"), write.type(signature.returns)
    order = []
    for param in signature.params:
        name = spoken.renamed.get((symbol, param.name), param.name)
        yield _Aspect(symbol, "parameter", name), f"{param.kind.value}: {write.type(param.type)}"
        yield _Aspect(symbol, "default", name), param.default or ""
        order += [name] if param.by_position else []
    yield _Aspect(symbol, "order of parameters"), ", ".join(order)
