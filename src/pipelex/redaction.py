"""Secrets that were read, and how they are masked in texts, in data and in the exceptions of an SDK."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator

_MASK = "[redacted]"
_SHORTEST_SECRET = 6  # a shorter value is a word that may occur anywhere: masking it would only garble messages
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
    return _pattern_of(frozenset(_secrets)).sub(_MASK, text)


def redacted_beginning(text: str, length: int) -> str:
    """Return the beginning of a text with every known secret masked: half a secret, after the cut, would not be.

    Args:
        text: The text, whole.
        length: How many characters are kept at most; dots follow where more came.
    """
    text = redact(text)
    return text if len(text) <= length else f"{text[:length]}..."


def scrub(error: BaseException) -> None:
    """Mask every known secret in what an SDK's exception holds, and in those that it came from.

    Texts, bytes, containers, and the requests and responses that many SDKs attach are masked.

    Args:
        error: The exception, before it becomes the cause of one of ours.
    """
    if not _secrets:
        return
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.args = tuple(_masked(value, seen, 0) for value in current.args)
        _mask_attributes(current, seen, 0)
        pending += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]


def _parts_of(secret: str) -> Iterator[str]:
    """Yield what servers take a value apart into: ``Bearer KEY``, ``user:password``. A plain word is no secret."""
    for word in secret.split():
        password = word.partition(":")[2]
        yield from (part for part in (word, password) if not part.isalpha() and not part.startswith("//"))


@lru_cache(maxsize=1)
def _pattern_of(secrets: frozenset[str]) -> re.Pattern[str]:
    import re

    forms = {form for secret in secrets for form in _printed_forms(secret) if len(form) >= _SHORTEST_SECRET}
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))))


def _printed_forms(secret: str) -> Iterator[str]:
    """Yield the texts in which a secret can be met: as it is, escaped, percent-encoded, in base64."""
    from html import escape
    from urllib.parse import quote, quote_plus

    raw = secret.encode("utf-8", "surrogatepass")
    escaped = {secret}
    for _ in range(2):  # a representation is often printed inside another one
        escaped |= {form for text in escaped for form in _escaped_forms(text)}
    yield from escaped
    for quoted in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield quoted
        yield quoted.lower()
    yield escape(secret)
    yield from _base64_forms(raw)


def _escaped_forms(text: str) -> Iterator[str]:
    from json import dumps

    yield repr(text)[1:-1]
    yield repr(text)[1:-1].replace("'", "\\'")  # beside the other kind of quotes
    yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]
    yield dumps(text)[1:-1]
    yield dumps(text, ensure_ascii=False)[1:-1]


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Yield what is the same of a secret in base64 whatever precedes and follows it, as in ``user:password``."""
    from base64 import b64encode

    for shift, start in enumerate((0, 2, 3)):  # how many bytes precede it, modulo 3: the characters that they reach
        encoded = b64encode(bytes(shift) + raw).decode()
        form = encoded[start : 8 * (shift + len(raw)) // 6]
        yield form
        yield form.translate({ord("+"): "-", ord("/"): "_"})


def _mask_attributes(record: object, seen: set[int], depth: int) -> None:
    for name, value in list(vars(record).items()):  # many SDKs keep the text, or the whole answer, a second time
        masked = _masked(value, seen, depth)
        if masked is not value:
            try:
                object.__setattr__(record, name, masked)  # a frozen dataclass is no obstacle
            except (AttributeError, TypeError):  # a property without a setter
                continue


def _masked(value: object, seen: set[int], depth: int) -> object:
    """Return a value with its secrets masked: the same object where it holds none."""
    if isinstance(value, str):
        masked = redact(value)
        return value if masked == value else masked
    if isinstance(value, bytes):
        text = value.decode("utf-8", "surrogateescape")
        masked = redact(text)
        return value if masked == text else masked.encode("utf-8", "surrogateescape")
    if depth >= _DEEPEST or id(value) in seen:
        return value
    if isinstance(value, dict | list | tuple):
        return _masked_container(value, seen, depth + 1)
    if type(value).__name__.endswith(_RECORDS) and hasattr(value, "__dict__"):
        seen.add(id(value))
        _mask_attributes(value, seen, depth + 1)
    return value


def _masked_container(
    value: dict[object, object] | list[object] | tuple[object, ...], seen: set[int], depth: int
) -> object:
    if isinstance(value, dict):
        for key, item in list(value.items()):
            masked = _masked(item, seen, depth)
            if masked is not item:
                value[key] = masked
        return value
    items = [_masked(item, seen, depth) for item in value]
    if all(masked is item for masked, item in zip(items, value, strict=True)):
        return value
    if isinstance(value, list):
        value[:] = items
        return value
    make: Callable[[list[object]], object] = getattr(value, "_make", tuple)  # a named tuple stays one
    return make(items)
