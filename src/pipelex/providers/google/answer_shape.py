"""The JSON of Gemini's answers before the SDK reads it, which refuses a whole answer for one key of another type.

https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.cogt.inference.answer_parts import items_of, json_of, text_of, usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.genai.types import GenerateContentResponse

_Shape = type | list["_Shape"] | dict[str, "_Shape"]

_PART: dict[str, _Shape] = {
    "text": str,
    "thought": bool,
    "thoughtSignature": str,
    "functionCall": {"id": str, "name": str, "args": dict},
    "inlineData": {"mimeType": str, "data": str},
}
_CANDIDATE: dict[str, _Shape] = {
    "content": {"role": str, "parts": [_PART]},
    "finishReason": str,
    "finishMessage": str,
    "index": int,
}
_COUNTS = ("prompt", "candidates", "thoughts", "toolUsePrompt", "cachedContent", "total")
_ANSWER: dict[str, _Shape] = {
    "candidates": [_CANDIDATE],
    "usageMetadata": {f"{name}TokenCount": int for name in _COUNTS},
    "promptFeedback": {"blockReason": str, "blockReasonMessage": str},
    "modelVersion": str,
    "responseId": str,
}
"""The keys that the drivers read."""

ANSWER_KEYS = ("candidates", "usageMetadata", "promptFeedback")
"""The keys of which every piece of an answer has one."""


_BEGINS = {str: rb'"', bool: rb"[tf]", int: rb"\d+\s*[,}]", list: rb"\[\s*[{\]]", dict: rb"\{"}
"""How a JSON value of a type begins; all lists are of objects."""


def _odd_keys() -> re.Pattern[bytes]:
    """Return what finds a key whose value begins as one of another type, or a key of errors."""
    names: dict[bytes, list[str]] = {}
    shapes: list[dict[str, _Shape]] = [_ANSWER]
    for shape in shapes:
        for name, inner in shape.items():
            names.setdefault(_BEGINS[inner if isinstance(inner, type) else type(inner)], []).append(name)
            below = inner[0] if isinstance(inner, list) else inner
            if isinstance(below, dict):
                shapes.append(below)
    odd = [rb'"(?:%s)"\s*:(?!\s*%s)' % ("|".join(keys).encode(), begin) for begin, keys in names.items()]
    return re.compile(b"|".join([*odd, rb'"(?:error|errors)"\s*:', rb"[\[,]\s*null\s*[,\]]"]))


_ODD = _odd_keys()
_EVENTS = re.compile(rb'(?:data: \{\s*"(?:%s)"[^\r\n]*\}(?:\r\n\r\n|\n\n))+' % "|".join(ANSWER_KEYS).encode())


def is_as_documented(chunk: bytes) -> bool:
    """Tell whether bytes of a stream are whole events that the SDK reads: most are, and need not be parsed twice."""
    return _EVENTS.fullmatch(chunk) is not None and _ODD.search(chunk) is None


def fitting(answer: Mapping[str, object]) -> dict[str, object]:
    """Return an answer without what is of another type than documented; keys that the drivers do not read are kept."""
    return _fields(answer, _ANSWER, keeps_others=True)


def read_answer(body: str, *, is_enterprise: bool) -> GenerateContentResponse | None:
    """Read a whole answer: all keys where each is of its type, else without those that are not.

    Args:
        body: The text of the response.
        is_enterprise: Whether the Gemini Enterprise platform sent it, not the Gemini API.

    Returns:
        The answer; ``None`` where the body holds none.
    """
    from google.genai.types import GenerateContentResponse

    answer = json_of(body)
    if not isinstance(answer, dict) or not answer.keys() & set(ANSWER_KEYS):
        return None
    if _ODD.search(body.encode(errors="replace")) is not None:
        answer = fitting(answer)
    try:
        return GenerateContentResponse.model_validate(
            answer if is_enterprise else _as_the_sdk_names_it(answer), extra="ignore"
        )
    except ValueError:  # a key that is seldom sent is of another type
        return GenerateContentResponse.model_validate(_fields(answer, _ANSWER, keeps_others=False))


def _as_the_sdk_names_it(answer: dict[str, object]) -> dict[str, object]:
    """Write an answer of the Gemini API as the SDK reads it in streams, so that both are equal.

    Citations have another name in that API, and the SDK takes no ``finishMessage`` from it.
    """
    for candidate in items_of(answer.get("candidates")):
        if isinstance(candidate, dict):
            candidate.pop("finishMessage", None)
            cited = candidate.get("citationMetadata")
            if isinstance(cited, dict) and "citationSources" in cited:
                cited["citations"] = cited.pop("citationSources")
    return answer


def _fields(value: Mapping[str, object], shape: dict[str, _Shape], *, keeps_others: bool) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, inner in value.items():
        if name in shape:
            fixed = _fixed(inner, shape[name], keeps_others=keeps_others)
            if fixed is not None:
                kept[name] = fixed
        elif keeps_others:
            kept[name] = inner
    return kept


def _fixed(value: object, shape: _Shape, *, keeps_others: bool) -> object:
    """Return a value of a shape; ``None`` where there is none."""
    if isinstance(shape, dict):
        record = next(iter(items_of(value)), None)
        return _fields(record, shape, keeps_others=keeps_others) if isinstance(record, dict) else None
    if isinstance(shape, list):
        fixed = (_fixed(item, shape[0], keeps_others=keeps_others) for item in items_of(value))
        return [item for item in fixed if item is not None] or None
    if shape is int:
        count = usage_of({"count": value}, input_tokens="count")
        return count.input_tokens if count is not None else None
    if shape is str and not isinstance(value, str):
        return text_of({"text": value}) or None  # some servers nest it
    return value if isinstance(value, shape) else None
