"""The body of a vendor's error: its sentence for people, and its codes for programs, in whichever shape it comes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelex.redaction import redact, redacted_beginning

LONGEST_SHOWN = 500
"""How many characters of a body are shown at most."""

_LONGEST_READ = 1_000_000
_DEEPEST = 6
_SENTENCES = (
    "message",
    "msg",
    "error_description",
    "error_message",
    "errormessage",
    "detail",
    "error",
    "errors",
    "title",
    "description",
    "reason",
)
"""The keys under which a sentence is found, in lower case, the most telling one first."""
_CODES = ("code", "type", "status", "status_code", "statuscode", "error_type", "error_code", "reason", "__type")
_NESTED = ("error", "errors", "detail", "details", "metadata", "innererror", "inner_error")
"""The keys below which further codes are found."""
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[!?/a-z][^>]*>", re.IGNORECASE)
_EVENT_FIELD = re.compile(r"^(?:data|event|id|retry)?:", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorBody:
    """What an error's body holds.

    Attributes:
        message: The vendor's sentence, cut, or else the body itself; empty where the body is.
        is_sentence: Whether it is a sentence of the vendor's.
        codes: The vendor's codes, the outermost first, as text.
        says_error: Whether the body calls itself an error, whatever its status.
        retry_after: How long to wait, as the body has it (``"34s"``).
    """

    message: str
    is_sentence: bool = True
    codes: tuple[str, ...] = ()
    says_error: bool = False
    retry_after: str | None = None

    @classmethod
    def read(cls, body: object) -> ErrorBody:
        """Read a body.

        Args:
            body: Its bytes, its text, or the JSON value that an SDK made of it.
        """
        value = parsed(body)
        while isinstance(value, list) and len(value) == 1:  # Gemini, where a stream was asked for
            value = value[0]
        sentence = _sentence(value, 0)
        shown = sentence if sentence or value in (None, "", [], {}) else _dumped(value)
        return cls(
            message=shortened(shown),
            is_sentence=bool(sentence),
            codes=tuple(dict.fromkeys(_codes(value, 0))),
            says_error=says_error(value),
            retry_after=_delay(value, 0),
        )


def parsed(body: object) -> object:
    """Return a body as the JSON value that it holds, or else as text.

    A single JSON value between the fields of an event stream (``data: {...}``, a trailing ``data: [DONE]``) counts.

    Args:
        body: Its bytes, its text, or the JSON value that an SDK made of it, which is returned as it is.
    """
    from json import detect_encoding, loads

    dump = getattr(body, "model_dump", None)  # a record of an SDK, which validates nothing
    if callable(dump):
        return dump(exclude_unset=True, warnings=False)
    if isinstance(body, bytes | bytearray):
        read = bytes(body[:_LONGEST_READ])
        body = read.decode(detect_encoding(read) if len(read) > 4 else "utf-8", "replace")
    if not isinstance(body, str):
        return body
    text = body.removeprefix("\ufeff").strip()
    for candidate in (text, _without_event_fields(text)):
        try:
            return loads(candidate)
        except (ValueError, RecursionError):
            continue
    return text


def shortened(text: str) -> str:
    """Return a text on one line, without markup and secrets, cut to what is shown of it."""
    text = redact(text)  # as it came: what follows changes the form of a secret
    if "<" in text and (text.lstrip().startswith("<") or "</" in text):
        from html import unescape

        text = unescape(_TAG.sub(" ", _HIDDEN.sub(" ", text)))
        text = redact(text)
    return redacted_beginning(" ".join(text.split()), LONGEST_SHOWN)


def _without_event_fields(text: str) -> str:
    """Return the lines of an event stream that hold data, without the marker of its end."""
    if not _EVENT_FIELD.search(text):
        return text
    lines = [line.strip() for line in text.splitlines()]
    lines = [line.removeprefix("data:").strip() for line in lines if not line.startswith(("event:", "id:", "retry:"))]
    return "\n".join(line for line in lines if line != "[DONE]" and not line.startswith(":"))


def _sentence(value: object, depth: int) -> str:
    """Find the sentence of a value; empty where it has none."""
    if isinstance(value, str):
        inner = parsed(value) if value.lstrip()[:1] in ("{", "[") and depth < _DEEPEST else value
        return (_sentence(inner, depth + 1) or value) if inner is not value else value.strip()
    if depth >= _DEEPEST:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (_sentence(item, depth + 1) for item in value)))
    if not isinstance(value, dict):
        return ""
    by_name = {str(name).lower(): item for name, item in value.items()}
    if isinstance(by_name.get("error"), dict):  # the envelope; a message beside it is a title
        inner_sentence = _sentence(by_name["error"], depth + 1)
        if inner_sentence:
            return inner_sentence
    found = next((text for name in _SENTENCES if (text := _sentence(by_name.get(name), depth + 1))), "")
    if found and isinstance(by_name.get("loc"), list):  # pydantic's way to name the field at fault
        found = f"{'.'.join(str(part) for part in by_name['loc'])}: {found}"
    cause = _cause(by_name.get("metadata"), depth)
    return f"{found} ({cause})" if found and cause and cause not in found else found or cause


def _cause(metadata: object, depth: int) -> str:
    """Return what a gateway adds of the vendor behind it."""  # OpenRouter's ``metadata``
    if not isinstance(metadata, dict):
        return ""
    reasons = metadata.get("reasons")
    if isinstance(reasons, list) and reasons:
        return f"reasons: {', '.join(str(reason) for reason in reasons)}"
    raw = metadata.get("raw")
    return _sentence(raw, depth + 1) or (_dumped(raw) if isinstance(raw, dict | list) else "")


def _codes(value: object, depth: int) -> list[str]:
    if depth >= _DEEPEST:
        return []
    if isinstance(value, list):
        return [code for item in value for code in _codes(item, depth + 1)]
    if not isinstance(value, dict):
        return []
    by_name = {str(name).lower(): item for name, item in value.items()}
    own = [by_name.get(name) for name in _CODES]
    codes = [str(code) for code in own if isinstance(code, str | int) and not isinstance(code, bool)]
    if isinstance(by_name.get("error"), str):  # {"error": "invalid_grant", "error_description": "..."}
        codes.append(by_name["error"])
    if "flagged_input" in by_name:  # OpenRouter's moderation
        codes.append("flagged_input")
    return codes + [code for name in _NESTED for code in _codes(by_name.get(name), depth + 1)]


def says_error(value: object) -> bool:
    """Return whether a JSON value calls itself an error."""
    if not isinstance(value, dict):
        return False
    return bool(value.get("error") or value.get("errors")) or "error" in (value.get("object"), value.get("type"))


def _delay(value: object, depth: int) -> str | None:
    """Return the ``retryDelay`` of a body, which no header repeats."""  # google.rpc.RetryInfo
    if depth >= _DEEPEST or not isinstance(value, dict | list):
        return None
    if isinstance(value, dict) and isinstance(value.get("retryDelay"), str):
        return str(value["retryDelay"])
    items = value if isinstance(value, list) else [value.get(name) for name in ("error", "details")]
    return next((delay for item in items if (delay := _delay(item, depth + 1))), None)


def _dumped(value: object) -> str:
    from json import dumps

    try:
        return dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)
