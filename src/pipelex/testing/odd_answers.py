"""Good answers made odd, as look-alike servers send them: each key in turn null, missing, or of another type."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from pipelex.testing.loopback import HttpReply, LoopbackVendor

CHANGES = ("null", "missing", "another type")
"""The changes of any value; each takes it away."""


class Oddity(NamedTuple):
    """One change of one key.

    Attributes:
        reply: Which reply of a call is changed: a job in a queue takes several.
        piece: Which piece of the reply is changed; 0 where it is sent as one.
        path: The keys from the outside in; the items of lists are keys, too.
        change: One of ``CHANGES``; of a list of one object also the object, of an object in a list also a list of it.
    """

    reply: int
    piece: int
    path: tuple[str | int, ...]
    change: str

    def __str__(self) -> str:
        return f"{'.'.join(str(key) for key in self.path)} = {self.change}"


def oddities_of(vendor: LoopbackVendor[object], replies: Iterable[HttpReply]) -> list[Oddity]:
    """List the changes of the replies to a call. Of pieces that have the same keys, the first is changed for all.

    Args:
        vendor: Whose replies they are; it knows how a piece holds its JSON.
        replies: The good replies.
    """
    found: list[Oddity] = []
    seen: set[tuple[tuple[str | int, ...], ...]] = set()
    for place, reply in enumerate(replies):
        for number, piece in enumerate(_pieces(reply)):
            values = dict(_values(vendor.read_piece(piece)))
            paths = tuple(values)
            if paths and paths not in seen:
                seen.add(paths)
                found += [
                    Oddity(place, number, path, change)
                    for path, value in values.items()
                    for change in _changes(path, value)
                ]
    return found


async def met(
    vendor: LoopbackVendor[object], oddity: Oddity | None, call: Callable[[], Awaitable[object]]
) -> tuple[object, Exception | None, list[HttpReply]]:
    """Make a call whose answer is odd.

    Args:
        vendor: Who answers.
        oddity: What is changed; ``None`` leaves the answer as it is.
        call: Makes the call.

    Returns:
        What the call returned, what it raised, and the replies as they were before the change.
    """
    replies: list[HttpReply] = []

    def change(reply: HttpReply) -> HttpReply:
        replies.append(reply)
        return made_odd(vendor, reply, oddity) if oddity is not None and len(replies) == oddity.reply + 1 else reply

    vendor.change_with(change)
    try:
        return await call(), None, replies
    except Exception as exc:  # what it may be is what is checked
        return None, exc, replies


def made_odd(vendor: LoopbackVendor[object], reply: HttpReply, oddity: Oddity) -> HttpReply:
    """Return a reply with one key changed."""
    pieces = list(_pieces(reply))
    data = deepcopy(vendor.read_piece(pieces[oddity.piece]))
    holder, key = _holder(data, oddity.path), oddity.path[-1]
    if oddity.change == "missing":
        del holder[key]
    else:
        holder[key] = _changed(holder[key], oddity.change)
    pieces[oddity.piece] = vendor.write_piece(pieces[oddity.piece], data)
    return replace(reply, pieces=tuple(pieces)) if reply.pieces is not None else replace(reply, body=pieces[0])


def is_part_of(vendor: LoopbackVendor[object], replies: Sequence[HttpReply], oddity: Oddity, text: str) -> bool:
    """Return whether an oddity takes away the text of the answer, or a part of it; spaces around it aside."""
    leaves = (leaf.strip() for leaf in strings_in(_lost(vendor, replies, oddity)))
    return oddity.change in CHANGES and any(leaf and leaf in text for leaf in leaves)


def is_about_usage(vendor: LoopbackVendor[object], replies: Sequence[HttpReply], oddity: Oddity) -> bool:
    """Return whether what an oddity changes is, or holds, the counts of the answer."""
    return "usage" in f"{oddity} {json.dumps(_lost(vendor, replies, oddity))}".lower()


def reason_for(oddity: Oddity, reasons: Mapping[str, str]) -> str | None:
    """Return the reason why an oddity is an exception, by the first pattern that it fits."""
    return next((reason for pattern, reason in reasons.items() if fnmatchcase(str(oddity), pattern)), None)


def json_in(piece: bytes) -> tuple[bytes, object, bytes] | None:
    """Find the JSON in a piece: the whole of it, a line, or the data of a server-sent event.

    Returns:
        What is before it, the data, what is after it; ``None`` where there is no JSON object.
    """
    start = piece.find(b"{")
    end = piece.rfind(b"}") + 1
    try:
        return piece[:start], json.loads(piece[start:end]), piece[end:]
    except ValueError:
        return None


def strings_in(value: object) -> Iterator[str]:
    """Yield the strings of a JSON value, in their order."""
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from strings_in(inner)
        case list():
            for inner in value:
                yield from strings_in(inner)


def _lost(vendor: LoopbackVendor[object], replies: Sequence[HttpReply], oddity: Oddity) -> object:
    piece = _pieces(replies[oddity.reply])[oddity.piece]
    return _holder(vendor.read_piece(piece), oddity.path)[oddity.path[-1]]


def _pieces(reply: HttpReply) -> tuple[bytes, ...]:
    return reply.pieces if reply.pieces is not None else (reply.body,)


def _values(data: object) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield each key's path and value; of the items of a list, the last one, which of most answers is the text."""
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list) and data:
        items = [(len(data) - 1, data[-1])]
    for key, value in items:
        yield (key,), value
        for below, inner in _values(value):
            yield (key, *below), inner


def _changes(path: tuple[str | int, ...], value: object) -> Iterator[str]:
    """Yield the changes of a value."""
    yield from CHANGES
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        yield "its one item"
    elif isinstance(value, dict) and isinstance(path[-1], int):
        yield "a list of it"


def _holder(data: object, path: tuple[str | int, ...]) -> dict[str | int, object]:
    """Return what holds the last key of a path; a list is used likewise."""
    holder = data
    for key in path[:-1]:
        holder = holder[key]  # type: ignore[index]  # the path was read from this very data
    return holder  # type: ignore[return-value]  # a dict, or a list, whose keys are the numbers of its items


def _changed(value: object, change: str) -> object:
    match change, value:
        case "null", _:
            return None
        case "its one item", list():
            return value[0]
        case "a list of it", _:
            return [value]
        case _, str() | dict() | list() | None:
            return 7
        case _:
            return "odd"
