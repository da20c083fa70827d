"""The single changes that make one signature out of another, each as the old signature with that change alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codegen.compat.reading.spelling import Flow, mentions
from pipelex.spi.stub_tree import Param, ParamKind, Signature, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pipelex.spi.stub_tree import Type

_ORDER = list(ParamKind)
_STARS = {ParamKind.STAR, ParamKind.DOUBLE_STAR}


@dataclass(frozen=True)
class Event:
    """One change of a signature.

    Attributes:
        kind: The kind of finding, for a parameter: ``parameter-renamed``.
        part: The parameter's old name, or its new one where it was added; empty for the whole.
        variant: The old signature with this change alone.
        detail: The change for a program.
        by_rule: Whether a type checker cannot see it, so that a rule has to decide what it means.
        closes: Whether it is a break whatever a type checker answers: what took anything, or was anything, has types
            of its own now.
    """

    kind: str
    part: str
    variant: Signature
    detail: Mapping[str, str] = field(default_factory=dict)
    by_rule: bool = False
    closes: bool = False


@dataclass(frozen=True)
class Words:
    """How the types of both trees are written, for comparison and for people.

    Attributes:
        old: A type of the old tree in normal form.
        new: A type of the new tree in normal form.
        plain_old: A type of the old tree for people.
        plain_new: A type of the new tree for people.
    """

    old: Callable[[Type | None], str]
    new: Callable[[Type | None], str]
    plain_old: Callable[[Type | None], str]
    plain_new: Callable[[Type | None], str]


def events(old: Signature, new: Signature, words: Words) -> list[Event]:
    """Take a change of a signature apart.

    Args:
        old: The old signature.
        new: The new one.
        words: How their types are written.
    """
    return list(_Delta(old, new, words).events())


class _Delta:
    def __init__(self, old: Signature, new: Signature, words: Words) -> None:
        self._old, self._new, self._words = old, new, words
        before, after = {one.name for one in old.params}, {one.name for one in new.params}
        self._removed = [one for one in old.params if one.name not in after]
        self._added = [one for one in new.params if one.name not in before]
        self._renamed = self._pair_renamed()

    def _pair_renamed(self) -> dict[str, Param]:
        """Pair parameters that are gone with ones that have come: the same kind and type, the same place."""
        pairs: dict[str, Param] = {}
        for same_place in (True, False):
            for gone in list(self._removed):
                fits = [come for come in self._added if self._fits(gone, come, same_place=same_place)]
                if len(fits) == 1:
                    pairs[gone.name] = fits[0]
                    self._removed.remove(gone)
                    self._added.remove(fits[0])
        return pairs

    def _fits(self, gone: Param, come: Param, *, same_place: bool) -> bool:
        if gone.kind is not come.kind or self._words.old(gone.type) != self._words.new(come.type):
            return False
        here = [one.name for one in self._old.params if one.kind is gone.kind].index(gone.name)
        there = [one.name for one in self._new.params if one.kind is come.kind].index(come.name)
        if same_place or gone.by_position:
            return here == there
        return gone.optional == come.optional

    def events(self) -> Iterator[Event]:
        old = self._old
        for param in self._removed:
            rest = tuple(one for one in old.params if one is not param)
            yield Event("parameter-removed", param.name, replace(old, params=rest), {"parameter": param.name})
        for name, param in self._renamed.items():
            detail = {"from": name, "to": param.name, "parameter": name}
            yield Event("parameter-renamed", name, self._with(name, name_to=param.name), detail)
        yield from self._kept()
        for param in self._added:
            detail = {"parameter": param.name, "type": self._words.plain_new(param.type), "to": param.name}
            if param.default is not None:
                detail["default"] = param.default
            yield Event("parameter-added", param.name, self._insert(param), detail)
        yield from self._order()
        yield from self._whole()

    def _kept(self) -> Iterator[Event]:
        after = {one.name: one for one in self._new.params}
        for param in self._old.params:
            other = after.get(param.name) or self._renamed.get(param.name)
            if other is None:
                continue
            if other.kind is not param.kind:
                detail = {"from": param.kind.value, "to": other.kind.value, "parameter": param.name}
                yield Event("parameter-kind-changed", param.name, self._with(param.name, kind=other), detail)
            if self._words.old(param.type) != self._words.new(other.type):
                plain = (self._words.plain_old(param.type), self._words.plain_new(other.type))
                detail = {"from": plain[0], "to": plain[1], "parameter": param.name}
                closes = _is_closed(other) and not _is_closed(param)
                variant = self._with(param.name, type_=other)
                yield Event("parameter-retyped", param.name, variant, detail, closes=closes)
            yield from self._default(param, other)

    def _default(self, param: Param, other: Param) -> Iterator[Event]:
        before, after = param.default, other.default
        if not _STARS.isdisjoint({param.kind, other.kind}):
            return  # a starred parameter has none: what the other one has belongs to the change of its kind
        if before == after or ("..." in {before, after} - {None} and None not in {before, after}):
            return
        detail = {"parameter": param.name, "from": before or "", "to": after or ""}
        variant = self._with(param.name, default=other)
        if before is None:
            yield Event("parameter-default-added", param.name, variant, detail)
        elif after is None:
            yield Event("parameter-default-removed", param.name, variant, detail)
        else:
            yield Event("parameter-default-changed", param.name, variant, detail, by_rule=True)

    def _order(self) -> Iterator[Event]:
        names = {param.name for param in self._new.params} | set(self._renamed)
        old = [one for one in self._old.params if one.by_position and one.name in names]
        back = {param.name: name for name, param in self._renamed.items()}
        new = [back.get(one.name, one.name) for one in self._new.params if one.by_position]
        shared = [one for one in old if one.name in new]
        wanted = sorted(shared, key=lambda one: new.index(one.name))
        if shared == wanted:
            return
        places = iter(wanted)
        params = tuple(next(places) if one in shared else one for one in self._old.params)
        orders = [", ".join(one.name for one in order) for order in (shared, wanted)]
        yield Event("parameter-reordered", "", replace(self._old, params=params), {"from": orders[0], "to": orders[1]})

    def _whole(self) -> Iterator[Event]:
        old, new = self._old, self._new
        if self._words.old(old.returns) != self._words.new(new.returns):
            detail = {"from": self._words.plain_old(old.returns), "to": self._words.plain_new(new.returns)}
            closes = _is_open(self._words.old(old.returns)) and bool(_variables(new) - _variables(old))
            yield Event("return-retyped", "", replace(old, returns=new.returns), detail, closes=closes)
        if old.is_async != new.is_async:
            detail = {"from": "async" if old.is_async else "plain", "to": "async" if new.is_async else "plain"}
            yield Event("async-changed", "", replace(old, is_async=new.is_async), detail)

    def _with(
        self,
        name: str,
        *,
        name_to: str | None = None,
        kind: Param | None = None,
        type_: Param | None = None,
        default: Param | None = None,
    ) -> Signature:
        """Return the old signature with one parameter changed in one way."""
        params = []
        for param in self._old.params:
            if param.name == name:
                changed = Param(
                    name_to or param.name,
                    kind.kind if kind else param.kind,
                    type_.type if type_ else param.type,
                    default.default if default else param.default,
                )
                if kind and not _STARS.isdisjoint({kind.kind, param.kind}):
                    changed = replace(changed, default=kind.default)
                params.append(changed)
            elif not (kind and kind.kind is param.kind and kind.kind in _STARS):  # a second one is no valid Python
                params.append(param)
        return replace(self._old, params=_in_order(params))

    def _insert(self, param: Param) -> Signature:
        """Return the old signature with a parameter put where the new one has it."""
        back = {other.name: name for name, other in self._renamed.items()}
        before = [back.get(one.name, one.name) for one in self._new.params[: self._new.params.index(param)]]
        params = [one for one in self._old.params if one.kind is not param.kind or one.kind not in _STARS]
        place = next((at + 1 for at in range(len(params) - 1, -1, -1) if params[at].name in before), 0)
        params.insert(place, param)
        return replace(self._old, params=_in_order(params))


def _is_closed(param: Param) -> bool:
    """Return whether further keywords are those of a dictionary: no other is taken."""
    head = reference(param.type).rpartition(".")[2] if param.type is not None else ""
    return param.kind is ParamKind.DOUBLE_STAR and head == "Unpack"


def _is_open(type_: str) -> bool:
    """Return whether a type has something in it that fits everything."""
    return "typing.Any" in type_ or "..." in type_


def _variables(signature: Signature) -> set[str]:
    return mentions(signature.returns, Flow.OUT).variables


def _in_order(params: list[Param]) -> tuple[Param, ...]:
    return tuple(sorted(params, key=lambda one: _ORDER.index(one.kind)))
