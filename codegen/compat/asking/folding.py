"""From answers to roots: who is broken by what, and which symbols are incompatible only because of it."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from codegen.compat.drafting.draft import CALLS, Draft, always
from codegen.compat.reading.outline import Outline
from codegen.compat.reading.spelling import Flow, mentions
from pipelex.spi.stub_tree import (
    Attribute,
    ClassShape,
    ConstantShape,
    FunctionShape,
    Method,
    VariableShape,
    reference,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codegen.compat.reading.pair import Pair
    from pipelex.spi.stub_tree import Member, Shape, TreeShape, Type


def fold(pair: Pair, drafts: list[Draft], symbols: Mapping[int, tuple[str, str]], failed: set[int]) -> list[Draft]:
    """Settle the drafts, and put what is broken as a whole under the roots that break it.

    Args:
        pair: The trees.
        drafts: The drafts.
        symbols: The symbol that each question about a whole is about, and the aspect of it.
        failed: The questions that were answered with no.

    Returns:
        The drafts that are confirmed. A symbol that is broken and that no root explains gets one of its own.
    """
    for draft in drafts:
        draft.broken = draft.fails(failed)
        if draft.note_if and failed.isdisjoint(draft.note_if):
            draft.note = ""
    standing = [draft for draft in drafts if draft.broken or not draft.only_breaking]
    roots: dict[str, list[Draft]] = {}
    for draft in standing:
        if draft.broken:
            roots.setdefault(symbol_of(draft.symbol), []).append(draft)
    refused = [symbols[number] for number in sorted(failed) if number in symbols]
    spreading = {key for key, aspect in refused if aspect != "make"}
    carriers = {key: found for key, found in roots.items() if key in spreading or key not in pair.identity.pairs}
    carriers |= {key: found for key, found in roots.items() if isinstance(pair.old.shapes.get(key), VariableShape)}
    mentioned = cache(partial(_mentioned, pair))
    for key in dict.fromkeys(key for key, _ in refused):
        if key in roots:
            continue
        nearest = _nearest(mentioned, key, carriers) or _nearest(mentioned, key, roots)
        for draft in nearest:
            draft.cascades.append(key)
        if not nearest:
            standing.append(_unexplained(pair, key))
    return standing


def symbol_of(symbol: str) -> str:
    """Return the symbol that a member belongs to.

    Args:
        symbol: ``module:name`` or ``module:Class.member``.
    """
    module, _, rest = symbol.partition(":")
    return f"{module}:{rest.partition('.')[0]}"


def _unexplained(pair: Pair, key: str) -> Draft:
    old, new = pair.old.shapes[key], pair.new.shapes[pair.identity.pairs[key]]
    ways = pair.was.of(key)
    fails = always(*(ways or {CALLS}))
    draft = Draft("incompatible", key, ways, Outline().shape(old), Outline().shape(new), fails)
    draft.broken = fails(set())
    return draft


def _nearest(mentioned: Callable[[str], list[str]], key: str, roots: Mapping[str, list[Draft]]) -> list[Draft]:
    """Return the roots that a symbol mentions by the fewest steps."""
    seen, level = {key}, [key]
    while level:
        following = [other for one in level for other in mentioned(one)]
        level = [other for other in dict.fromkeys(following) if other not in seen]
        seen |= set(level)
        found = [draft for other in level for draft in roots.get(other, [])]
        if found:
            return found
    return []


def _mentioned(pair: Pair, key: str) -> list[str]:
    olds, news = _mentioned_in(pair.old, key), _mentioned_in(pair.new, pair.identity.pairs.get(key, key))
    return list(dict.fromkeys([*olds, *map(pair.identity.canonical, news)]))


def _mentioned_in(tree: TreeShape, key: str) -> Iterator[str]:
    shape = tree.shapes.get(key)
    for type_ in _types_of(shape) if shape is not None else ():
        found = mentions(type_, Flow.OUT)
        yield from (symbol for symbol, _ in found.symbols)
        yield from sorted(found.variables)
    if isinstance(shape, ClassShape):
        yield from (base for base in map(reference, shape.bases) if base in tree.shapes)


def _types_of(shape: Shape) -> Iterator[Type | None]:
    if isinstance(shape, ClassShape):
        yield from shape.bases
        for member in shape.members.values():
            yield from _types_of_member(member)
    elif isinstance(shape, FunctionShape):
        yield from _types_of_member(shape.method)
    elif isinstance(shape, ConstantShape):
        yield shape.type
    elif isinstance(shape, VariableShape):
        yield from shape.bounds


def _types_of_member(member: Member) -> Iterator[Type | None]:
    if isinstance(member, Attribute):
        yield member.type
        yield member.writable
    elif isinstance(member, Method):
        for signature in member.signatures:
            yield from (param.type for param in signature.params)
            yield signature.returns


def mentions_variable(method: Method, variable: str) -> bool:
    """Return whether a callable mentions a type variable.

    Args:
        method: The callable.
        variable: The key of the variable.
    """
    return any(variable in mentions(type_, Flow.OUT).variables for type_ in _types_of_member(method))
