"""Secrets that were read, and how they are masked in texts, in data and in the exceptions of an SDK."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Iterator, Sequence

_MASK = "[redacted]"
_SHORTEST_SECRET = 6  # a shorter value is a word that may occur anywhere: masking it would only garble messages
_DEEPEST_ESCAPE = 3  # a representation is often printed inside another one
_LONGEST_MESSAGE = 2**15  # characters: of a longer text, a whole page, one kind of escape alone is undone
_LONGEST_WORD = 15  # letters: what is longer is no word but a line of a key
_DEEPEST = 8  # levels of containers and records below an exception
_RECORDS = ("Response", "Request", "Headers", "ByteStream", "URL")
"""The endings of the class names of what HTTP libraries keep of an exchange. Connections and clients are not among
them: those live on."""

_secrets: set[str] = set()


def keep_secret(value: str) -> None:
    """Remember a value that must not appear in any message from now on, in none of its printed forms.

    Args:
        value: The secret, as it was read.
    """
    _secrets.update(text for text in (value, value.strip(), *_parts_of(value)) if len(text) >= _SHORTEST_SECRET)


def redact(text: str) -> str:
    """Return a text with every known secret masked, whichever way it is printed."""
    if not _secrets:
        return text
    pattern = _pattern_of(frozenset(_secrets))
    found: set[tuple[int, int]] = set()
    for reading, undone in _readings(text):
        if pattern.search(reading) is not None:
            places = _places(text, undone)
            found |= {(places[match.start()], places[match.end()]) for match in pattern.finditer(reading)}
    pieces: list[str] = []
    end = 0
    for start, stop in sorted(found):
        if start >= end:
            pieces += (text[end:start], _MASK)
        end = max(end, stop)
    return "".join((*pieces, text[end:]))


def redacted_beginning(text: str, length: int) -> str:
    """Return the beginning of a text with every known secret masked: half a secret, after the cut, would not be.

    Args:
        text: The text, whole.
        length: How many characters are kept at most; dots follow where more came.
    """
    text = redact(text)
    return text if len(text) <= length else f"{text[:length]}..."


def scrub(error: BaseException) -> None:
    """Mask every known secret in what an SDK's exception holds, and in those that it came from or holds.

    Texts, bytes, containers, and the requests and responses that many SDKs attach are masked.

    Args:
        error: The exception, before it becomes the cause of one of ours.
    """
    if _secrets:
        _Scrubber().scrub(error)


def _parts_of(secret: str) -> Iterator[str]:
    """Yield what servers take a value apart into: ``Bearer KEY``, ``user:password``. A plain word is no secret."""
    for word in secret.split():
        password = word.partition(":")[2]
        yield from (part for part in (word, password) if not _is_word(part) and not part.startswith("//"))


def _is_word(part: str) -> bool:
    return part.isalpha() and len(part) <= _LONGEST_WORD


def _readings(text: str) -> Iterator[tuple[str, tuple[_Escape, ...]]]:
    """Yield a text as it came, then with its escapes undone, one kind after the other: JSON in a ``repr`` in a URL.

    With each comes which kinds were undone, in their order.
    """
    seen = {text}
    pending: list[tuple[str, tuple[_Escape, ...]]] = [(text, ())]
    deepest = _DEEPEST_ESCAPE if len(text) <= _LONGEST_MESSAGE else 1
    while pending:
        reading, undone = pending.pop()
        yield reading, undone
        for escape in _escapes() if len(undone) < deepest else ():
            if escape.mark in reading and (plain := escape.pattern.sub(escape.meaning, reading)) not in seen:
                seen.add(plain)
                pending.append((plain, (*undone, escape)))


def _places(text: str, undone: Iterable[_Escape]) -> Sequence[int]:
    """Return where each character of a reading is in the text as it came, and where that ends."""
    from array import array

    places: Sequence[int] = range(len(text) + 1)
    for escape in undone:
        plain: list[str] = []
        mapped, end = array("L"), 0
        for match in escape.pattern.finditer(text):
            meaning = escape.meaning(match)
            plain += (text[end : match.start()], meaning)
            mapped.extend(places[end : match.start()])
            mapped.extend([places[match.start()]] * len(meaning))
            end = match.end()
        mapped.extend(places[end:])
        text, places = "".join((*plain, text[end:])), mapped
    return places


class _Escape(NamedTuple):
    """A kind of escape.

    Attributes:
        mark: What a text must hold to hold one.
        pattern: Finds one.
        meaning: Returns what a found one stands for.
    """

    mark: str
    pattern: re.Pattern[str]
    meaning: Callable[[re.Match[str]], str]


@cache
def _escapes() -> tuple[_Escape, ...]:
    import re
    from html import unescape

    surrogates = r"\\u[dD][89abAB][\dA-Fa-f]{2}\\u[dD][c-fC-F][\dA-Fa-f]{2}"
    backslash = (
        rf"{surrogates}|\\u[\dA-Fa-f]{{4}}|\\U00(?:10|0[\dA-Fa-f])[\dA-Fa-f]{{4}}|\\x[\dA-Fa-f]{{2}}|\\[abfnrtv\"'/\\]"
    )
    return (
        _Escape("\\", re.compile(backslash), lambda found: _unescaped(found.group())),
        _Escape("%", re.compile(r"%[\dA-Fa-f]{2}"), lambda found: chr(int(found.group()[1:], 16))),
        _Escape("&", re.compile(r"&#?\w+;"), lambda found: unescape(found.group())),
        _Escape("\n", re.compile(r"\r?\n\s*"), lambda _: ""),  # a secret that is wrapped
    )


def _unescaped(escape: str) -> str:
    """Return what a backslash and what follows it stand for in JSON, and in the ``repr`` of texts and of bytes."""
    if len(escape) == 2:
        return dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)).get(escape[1], escape[1])
    codes = [int(digits, 16) for digits in escape.split(escape[:2])[1:]]
    return chr(codes[0]) if len(codes) == 1 else chr(0x10000 + (codes[0] - 0xD800) * 0x400 + codes[1] - 0xDC00)


@lru_cache(maxsize=1)
def _pattern_of(secrets: frozenset[str]) -> re.Pattern[str]:
    import re

    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST_SECRET}
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))))


def _forms(secret: str) -> Iterator[str]:
    """Yield the texts in which a secret can be met where every escape is undone."""
    raw = secret.encode("utf-8", "surrogatepass")
    for text in (secret, raw.decode("latin-1")):  # the latter of escaped bytes: a percent-encoding, a repr of bytes
        yield text
        yield text.replace(" ", "+")
        yield "".join(line.strip() for line in text.split("\n"))
    yield raw.hex()
    yield raw.hex().upper()
    yield from _base64_forms(raw)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Yield what is the same of a secret in base64 whatever precedes and follows it, as in ``user:password``."""
    from base64 import b64encode

    for shift, start in enumerate((0, 2, 3)):  # how many bytes precede it, modulo 3: the characters that they reach
        encoded = b64encode(bytes(shift) + raw).decode()
        form = encoded[start : 8 * (shift + len(raw)) // 6]
        yield form
        yield form.translate({ord("+"): "-", ord("/"): "_"})


class _Scrubber:
    """One run of ``scrub``: which objects it has seen, and which exceptions are to come."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._pending: list[object] = []

    def scrub(self, error: BaseException) -> None:
        self._pending.append(error)
        while self._pending:
            current = self._pending.pop()
            if isinstance(current, BaseException) and id(current) not in self._seen:
                self._mask_record(current, 0)
                self._pending += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]

    def _mask_record(self, record: object, depth: int) -> None:
        self._seen.add(id(record))
        for name, value in list(_attributes(record)):  # many SDKs keep the text, or the whole answer, a second time
            masked = self._masked(value, depth)
            if masked is not value:
                try:
                    object.__setattr__(record, name, masked)  # a frozen dataclass is no obstacle
                except (AttributeError, TypeError):  # a property without a setter
                    continue

    def _masked(self, value: object, depth: int) -> object:
        """Return a value with its secrets masked: the same object where it holds none."""
        if isinstance(value, str):
            masked = redact(value)
            return value if masked == value else masked
        if isinstance(value, bytes | bytearray):
            text = value.decode("utf-8", "surrogateescape")
            masked = redact(text)
            return value if masked == text else type(value)(masked.encode("utf-8", "surrogateescape"))
        if depth >= _DEEPEST or id(value) in self._seen:
            return value
        if isinstance(value, BaseException):
            self._pending.append(value)
        elif isinstance(value, dict):
            self._mask_dict(value, depth + 1)
        elif isinstance(value, list | tuple | set | frozenset):
            return self._masked_elements(value, depth + 1)
        elif type(value).__name__.endswith(_RECORDS):
            self._mask_record(value, depth + 1)
        return value

    def _mask_dict(self, value: dict[object, object], depth: int) -> None:
        for key, item in list(value.items()):
            masked_key, masked = self._masked(key, depth), self._masked(item, depth)
            if masked_key is not key:
                del value[key]
            if masked_key is not key or masked is not item:
                value[masked_key] = masked

    def _masked_elements(
        self, value: list[object] | tuple[object, ...] | set[object] | frozenset[object], depth: int
    ) -> object:
        before = list(value)
        items = [self._masked(item, depth) for item in before]
        if all(masked is item for masked, item in zip(items, before, strict=True)):
            return value
        if isinstance(value, list):
            value[:] = items
            return value
        if isinstance(value, set | frozenset):
            return type(value)(items)
        make: Callable[[list[object]], object] = getattr(value, "_make", tuple)  # a named tuple stays one
        return make(items)


def _attributes(record: object) -> Iterator[tuple[str, object]]:
    """Yield the attributes of a record: its own, those in slots, and those that C code keeps."""
    from types import GetSetDescriptorType, MemberDescriptorType

    yield from getattr(record, "__dict__", {}).items()
    for kind in type(record).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, GetSetDescriptorType | MemberDescriptorType) and not name.startswith("__"):
                with suppress(Exception):  # a slot that is empty
                    yield name, getattr(record, name)
