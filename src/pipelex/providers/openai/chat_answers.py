"""What comes back from chat completions, whole or in chunks, from OpenAI and from servers that copied the format.

The SDK validates nothing, so their oddities are met here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError
from pipelex.cogt.inference.answer_parts import (
    arguments_of,
    field_of,
    items_of,
    reasoning_of,
    text_of,
    usage_of,
    word_of,
)
from pipelex.cogt.inference.inference_result import FinishReason, PartialAnswer
from pipelex.cogt.llm.llm_job import (
    AnswerUpdate,
    Citation,
    LLMAnswer,
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
)
from pipelex.cogt.llm.token_logprobs import logprobs_of
from pipelex.providers.openai.structured import given_to_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent
    from pipelex.reporting.reporting_protocol import InferenceUsage

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "error": FinishReason.UNFINISHED,  # of gateways and of Mistral
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")
_DETAILS = "reasoning_details"
"""OpenRouter's list of blocks: https://openrouter.ai/docs/guides/best-practices/reasoning-tokens#preserving-reasoning"""
_CONTENT_BLOCKS = "content"


def answer_of(completion: object, *, by_tool: bool) -> LLMAnswer:
    """Read a whole answer.

    Args:
        completion: The JSON value of the answer's body; its text where it is no JSON.
        by_tool: Whether the model was made to call a function with its answer.

    Raises:
        InferenceError: It is an error with status 200, no chat completion, or holds no choice.
    """
    if not isinstance(completion, dict):
        raise InferenceError.from_answer(completion, expected="a chat completion")
    _raise_error_in(completion)
    usage, served = _usage(completion.get("usage")), word_of(completion.get("model"))
    choice = next(iter(items_of(completion.get("choices"))), None)
    if choice is None:
        answer = PartialAnswer(usage=usage, model_served=served)
        if completion.get("choices") is not None:
            raise InferenceInvalidAnswerError("The answer holds no choice", answer=answer)
        raise InferenceError.from_answer(completion, expected="a chat completion with a choice", known=answer)
    _raise_error_in(choice)
    message = field_of(choice, "message")
    content = field_of(message, "content")
    reason, detail = _ending(choice, refusal=_refusal(field_of(message, "refusal"), content))
    given = given_to_tool(message) if by_tool else None
    if given is not None and reason is FinishReason.TOOL_CALLS:
        reason = FinishReason.STOP
    return LLMAnswer(
        parts=tuple(_parts(message, content) if given is None else (TextPart(text=given),)),
        usage=usage,
        finish_reason=reason or FinishReason.OTHER,
        finish_detail=detail,
        model_served=served,
        request_id=word_of(completion.get("id")),
        logprobs=logprobs_of(field_of(choice, "logprobs")),
    )


def _parts(message: object, content: object) -> Iterator[AssistantPart]:
    field, thought = _thought(message, content)
    if thought or field is not None:
        yield ReasoningPart(text=thought, opaque=_opaque(field, items_of(field_of(message, _DETAILS))))
    text = text_of(content)
    if text:
        yield TextPart(text=text, citations=tuple(_citations(field_of(message, "annotations"))))
    for call in items_of(field_of(message, "tool_calls")):
        function = field_of(call, "function")
        yield _call(function, word_of(field_of(call, "id")) or "")
    function = field_of(message, "function_call")  # what tool_calls took the place of
    if function is not None:
        yield _call(function, "")


def _call(function: object, id: str) -> ToolCallPart:
    name, arguments = word_of(field_of(function, "name")), arguments_of(field_of(function, "arguments"))
    return ToolCallPart(id=id, name=name or "", arguments=arguments)


class ChunkReader:
    """Turns the chunks of one streamed answer into events.

    Attributes:
        has_ended: Whether a chunk said why the answer ended.
    """

    def __init__(self) -> None:
        self.has_ended = False
        self._is_announced = False
        self._thought_in: str | None = None  # the field of an open thought
        self._details: list[dict[str, object]] = []
        self._citations: list[Citation] = []

    def events(self, chunk: dict[str, object]) -> Iterator[LLMEvent]:
        """Read a chunk; a server may also send the whole answer as one.

        Raises:
            InferenceError: Its choice holds an error.
        """
        counts = chunk.get("usage") or field_of(chunk, "x_groq", "usage")  # where Groq has them in the last chunk
        usage = _usage(counts) if counts is not None else None
        if usage is not None or not self._is_announced:
            yield self._news(chunk, usage)
        choice = next(iter(items_of(chunk.get("choices"))), None)
        if isinstance(choice, dict):
            yield from self._choice_events(choice)

    def end(self) -> Iterator[LLMEvent]:
        """Yield what was kept for the end of the stream; a thought that was broken off is not to be sent back."""
        if self.has_ended:
            yield from self._close_thought()
        if self._citations:
            yield PartDone(part=TextPart(text="", citations=tuple(self._citations)))

    def _news(self, chunk: dict[str, object], usage: InferenceUsage | None) -> AnswerUpdate:
        served, id = word_of(chunk.get("model")), word_of(chunk.get("id"))
        self._is_announced = served is not None
        return AnswerUpdate(usage=usage, model_served=served, request_id=id)

    def _choice_events(self, choice: dict[str, object]) -> Iterator[LLMEvent]:
        delta = choice.get("delta") or choice.get("message")  # the second where the whole answer comes as one event
        if not isinstance(delta, dict):
            delta = next((item for item in items_of(delta) if isinstance(item, dict)), {})
        content = delta.get("content")
        text = content if type(content) is str else text_of(content)
        if not text or self._thought_in is not None or len(delta) > 1:
            yield from self._thought_events(delta, content)
        if text:
            yield from self._close_thought()
            yield TextDelta(text=text)
        function = delta.get("function_call")  # what tool_calls took the place of
        calls = items_of(delta.get("tool_calls")) or ([{"function": function}] if function else ())
        if calls:
            yield from self._close_thought()
            yield from map(_call_event, calls)
        self._citations += _citations(delta.get("annotations"))
        if "error" in choice:
            _raise_error_in(choice)
        reason, detail = _ending(choice, refusal=_refusal(delta.get("refusal"), content))
        logprobs = logprobs_of(choice.get("logprobs"))
        if reason is not None or logprobs:
            self.has_ended = self.has_ended or word_of(choice.get("finish_reason")) is not None
            yield AnswerUpdate(finish_reason=reason, finish_detail=detail, logprobs=logprobs)

    def _thought_events(self, delta: object, content: object) -> Iterator[LLMEvent]:
        field, thought = _thought(delta, content)
        if field is None:
            return
        if self._thought_in is None or field != _DETAILS:
            self._thought_in = field
        _join_details(self._details, items_of(field_of(delta, _DETAILS)))
        if thought:
            yield ReasoningDelta(text=thought)

    def _close_thought(self) -> Iterator[LLMEvent]:
        if self._thought_in is not None:
            part = ReasoningPart(opaque=_opaque(self._thought_in, self._details))
            self._thought_in, self._details = None, []
            yield PartDone(part=part)


def _call_event(call: object) -> ToolCallDelta:
    slot, function = field_of(call, "index"), field_of(call, "function")
    return ToolCallDelta(
        arguments=arguments_of(field_of(function, "arguments")),
        slot=slot if isinstance(slot, int) else None,
        id=word_of(field_of(call, "id")),
        name=word_of(field_of(function, "name")),
    )


def _thought(message: object, content: object) -> tuple[str | None, str]:
    """Return the field in which a message has what the model thought, and the thought; servers differ in both."""
    for name in _REASONING_FIELDS:
        thought = field_of(message, name)
        if isinstance(thought, str) and thought:
            return name, thought
    details = items_of(field_of(message, _DETAILS))
    if details:
        return _DETAILS, "".join(text_of(field_of(detail, "text") or field_of(detail, "summary")) for detail in details)
    thought = reasoning_of(content) if not isinstance(content, str) else ""
    return (_CONTENT_BLOCKS, thought) if thought else (None, "")


def _opaque(field: str | None, details: list[object] | list[dict[str, object]]) -> str | None:
    """Return what a thought goes back with: OpenRouter's blocks, or the name of the field that it came in."""
    blocks = [detail for detail in details if isinstance(detail, dict)]
    if blocks:
        return json.dumps(blocks, ensure_ascii=False)
    return field if field in _REASONING_FIELDS else None


def _join_details(kept: list[dict[str, object]], pieces: list[object]) -> None:
    """Add pieces of OpenRouter's blocks to those before them: the texts of one block are joined."""
    for piece in pieces:
        if not isinstance(piece, dict):
            continue
        last = kept[-1] if kept else None
        if last is None or any(last.get(key) != piece.get(key) for key in ("type", "index")):
            kept.append(dict(piece))
            continue
        for key, value in piece.items():
            before = last.get(key)
            is_text = key in {"text", "summary", "data"} and isinstance(before, str) and isinstance(value, str)
            last[key] = f"{before}{value}" if is_text else before if value is None else value


def _citations(annotations: object) -> list[Citation]:
    """Read the annotations of a text; ``url_citation`` is the one kind of chat completions."""
    found: list[Citation] = []
    for annotation in items_of(annotations):
        cited = field_of(annotation, "url_citation")
        if cited is not None:
            start, end = field_of(cited, "start_index"), field_of(cited, "end_index")
            found.append(
                Citation(
                    url=word_of(field_of(cited, "url")),
                    title=word_of(field_of(cited, "title")),
                    quoted=word_of(field_of(cited, "content")),
                    start=start if isinstance(start, int) else None,
                    end=end if isinstance(end, int) else None,
                )
            )
    return found


def _ending(choice: object, *, refusal: object) -> tuple[FinishReason | None, str | None]:
    """Return why an answer ended, and what was said about it; a refusal is a part of the answer."""
    if word_of(refusal) is not None:
        return FinishReason.CONTENT_FILTER, word_of(refusal)
    said = word_of(field_of(choice, "finish_reason"))
    if said is None:
        return None, None
    reason = _FINISH_REASONS.get(said, FinishReason.OTHER)
    return reason, _filters(choice) if reason is FinishReason.CONTENT_FILTER else said


def _refusal(stated: object, content: object) -> object:
    """Return a refusal: the field of a message, or a block of its content."""
    if stated or not isinstance(content, list):
        return stated
    return next((field_of(block, "refusal") for block in content if field_of(block, "type") == "refusal"), None)


def _filters(choice: object) -> str | None:
    """Return what Azure's content filter found, by the names of its categories."""
    results = field_of(choice, "content_filter_results")
    found = (
        [name for name, result in results.items() if field_of(result, "filtered") is True]
        if isinstance(results, dict)
        else []
    )
    return ", ".join(found) or None


def _raise_error_in(extra: object) -> None:
    error = InferenceError.in_answer(extra)
    if error is not None:
        raise error


def _usage(counts: object) -> InferenceUsage | None:
    return usage_of(
        counts,
        input_tokens="prompt_tokens",
        output_tokens="completion_tokens",
        cached_input_tokens="prompt_tokens_details.cached_tokens",
        cache_write_tokens="prompt_tokens_details.cache_write_tokens",
        reasoning_tokens="completion_tokens_details.reasoning_tokens",
        input_audio_tokens="prompt_tokens_details.audio_tokens",
        output_audio_tokens="completion_tokens_details.audio_tokens",
    )
