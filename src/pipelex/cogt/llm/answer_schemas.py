"""JSON schemas of structured answers, made fit for what a vendor takes: one walker, which knows where schemas lie.

A property may bear the name of any keyword, and a value (``const``, ``enum``, ``default``) may look like a schema: what
is no schema is left alone. Keywords: https://json-schema.org/draft/2020-12/json-schema-core and
https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelex.cogt.inference.answer_parts import bare_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMAnswer, LLMEvent

__all__ = ["RootObject", "describe_keywords", "has_free_keys", "has_look_around", "map_schema", "schemas_in"]

_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_ONE = frozenset(
    {
        *("additionalProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems"),
        *("items", "contains", "not", "if", "then", "else"),
    }
)
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
_LOOK_AROUNDS = ("(?=", "(?!", "(?<=", "(?<!")
_WRAPPER = "answer"
_BEGINNING = re.compile(r"\s*(?:```\w*\s*)?\{\s*\"answer\"\s*:\s*")
_ENDING = " \t\r\n}`"  # what may be of the wrapper, at the end of what came so far


def map_schema(
    schema: dict[str, object], change: Callable[[dict[str, object]], dict[str, object]]
) -> dict[str, object]:
    """Return a copy of a schema in which it and every schema inside of it was changed, the inner ones first.

    Args:
        schema: The schema, which stays as it is.
        change: Returns what is to stand in place of a schema; it gets a copy that it may change.
    """

    def mapped(value: object) -> Any:
        return map_schema(value, change) if isinstance(value, dict) else value

    copy: dict[str, object] = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            copy[key] = {name: mapped(inner) for name, inner in value.items()}
        elif key in _LISTS and isinstance(value, list):
            copy[key] = [mapped(inner) for inner in value]
        else:
            copy[key] = mapped(value) if key in _ONE else value
    return change(copy)


def schemas_in(schema: dict[str, object]) -> Iterator[dict[str, object]]:
    """Yield every schema inside of a schema, and that schema itself, the inner ones first."""
    found: list[dict[str, object]] = []

    def keep(inner: dict[str, object]) -> dict[str, object]:
        found.append(inner)
        return inner

    map_schema(schema, keep)
    yield from found


def has_free_keys(schema: dict[str, object]) -> bool:
    """Tell whether a schema, or one inside of it, takes objects whose keys are not known beforehand."""
    return any(inner.get("additionalProperties") for inner in schemas_in(schema))


def has_look_around(schema: dict[str, object]) -> bool:
    """Tell whether the pattern of a schema looks ahead or behind, which most vendors' grammars cannot."""
    pattern = str(schema.get("pattern", ""))
    return any(look_around in pattern for look_around in _LOOK_AROUNDS)


def describe_keywords(schema: dict[str, object], keywords: Iterable[str]) -> dict[str, object]:
    """Return a schema without some of its keywords, which the model reads in the description in their place.

    Args:
        schema: The schema; those inside of it stay as they are.
        keywords: The keywords that the vendor does not take.
    """
    left_out = [name for name in keywords if name in schema]
    kept = {name: value for name, value in schema.items() if name not in left_out}
    if left_out:
        told = ", ".join(f"{name}: {schema[name]}" for name in left_out)
        kept["description"] = f"{kept.get('description', '')} ({told})".strip()
    return kept


class RootObject(NamedTuple):
    """A schema whose root is an object, for vendors that take no other, and what is to be undone in the answer.

    Attributes:
        schema: The schema.
        is_wrapped: Whether the answer stands inside an object.
    """

    schema: dict[str, object]
    is_wrapped: bool

    @classmethod
    def of(cls, json_schema: dict[str, object]) -> RootObject:
        """Wrap a schema whose root is no object.

        Args:
            json_schema: The schema of the answer, of any type.
        """
        if json_schema.get("type") == "object":
            return cls(json_schema, is_wrapped=False)
        inner = map_schema(json_schema, _moved)
        wrapped: dict[str, object] = {"type": "object", "properties": {_WRAPPER: inner}, "required": [_WRAPPER]}
        if "$defs" in inner:
            wrapped["$defs"] = inner.pop("$defs")
        return cls(wrapped, is_wrapped=True)

    def unwrapped(self, text: str) -> str:
        """Return the answer itself; a text that is no JSON is returned as it is, to be refused later.

        Args:
            text: The answer of the model.
        """
        begun = _BEGINNING.match(text) if self.is_wrapped else None
        if begun is None:
            return _unwrapped_json(text) if self.is_wrapped else text
        import json

        try:
            _, end = json.JSONDecoder().raw_decode(text, begun.end())
        except ValueError:  # cut off
            end = len(text)
        return text[begun.end() : end]

    def unwrapped_answer(self, answer: LLMAnswer) -> LLMAnswer:
        """Return an answer whose texts are taken out of the wrapper; thoughts and tool calls stay as they are.

        Args:
            answer: The answer of the model.
        """
        return replace(answer, parts=tuple(map(self._unwrapped_part, answer.parts))) if self.is_wrapped else answer

    def unwrapped_events(self, events: AsyncIterator[LLMEvent]) -> AsyncIterator[LLMEvent]:
        """Return the events of an answer, the pieces of its text taken out of the wrapper as they come.

        Args:
            events: The events of the model.
        """
        return self._taken_out(events) if self.is_wrapped else events

    async def _taken_out(self, events: AsyncIterator[LLMEvent]) -> AsyncIterator[LLMEvent]:
        from pipelex.cogt.inference.iterators import close_iterator
        from pipelex.cogt.llm.llm_job import AnswerDone, PartDone, TextDelta

        whole = given = ""  # the text as it came, and what the caller has of it
        try:
            async for event in events:
                if isinstance(event, TextDelta):
                    whole += event.text
                    inner = self.unwrapped(whole).rstrip(_ENDING) if _BEGINNING.match(whole) else ""
                elif isinstance(event, PartDone | AnswerDone) and whole:
                    inner = self.unwrapped(whole)
                else:
                    inner = ""
                if inner[len(given) :]:
                    yield TextDelta(text=inner[len(given) :])
                    given = inner
                if isinstance(event, PartDone):
                    whole = given = ""
                    yield PartDone(part=self._unwrapped_part(event.part))
                elif isinstance(event, AnswerDone):
                    yield AnswerDone(answer=self.unwrapped_answer(event.answer))
                elif not isinstance(event, TextDelta):
                    yield event
        finally:
            await close_iterator(events)

    def _unwrapped_part(self, part: AssistantPart) -> AssistantPart:
        from pipelex.cogt.llm.llm_job import TextPart

        return replace(part, text=self.unwrapped(part.text)) if isinstance(part, TextPart) and part.text else part


def _unwrapped_json(text: str) -> str:
    """Return the answer in a wrapper that words, or other keys, stand before."""
    import json

    try:
        answer = json.loads(bare_json(text))
    except (ValueError, RecursionError):
        return text
    return json.dumps(answer[_WRAPPER]) if isinstance(answer, dict) and _WRAPPER in answer else text


def _moved(schema: dict[str, object]) -> dict[str, object]:
    """Let a reference, which names its place from the root, lead to the same inside the wrapper."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and not reference.startswith("#/$defs/"):
        schema["$ref"] = f"#/properties/{_WRAPPER}{reference[1:]}"
    return schema
