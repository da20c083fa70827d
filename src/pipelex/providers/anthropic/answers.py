"""What comes back from the messages API, whole or as events.

Messages: https://platform.claude.com/docs/en/api/messages
Streams:  https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelex.cogt.inference.answer_parts import arguments_of, field_of, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
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
    VendorPart,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent
    from pipelex.reporting.reporting_protocol import InferenceUsage

REDACTED = "redacted:"
"""What the opaque data of a thought that is not shown begins with; that of one that is shown is its signature."""

_FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
    "pause_turn": FinishReason.UNFINISHED,
    "tool_use": FinishReason.TOOL_CALLS,
}
_KIND_BY_FIELD = {
    "message": "message_start",
    "content_block": "content_block_start",
    "usage": "message_delta",
    "delta": "content_block_delta",
}
_TEXTS = ("text", None)  # servers that copied the format leave the type of a text out


def answer_of(message: object) -> LLMAnswer:
    """Read a whole message.

    Args:
        message: What the SDK returned.
    """
    content = field_of(message, "content")
    reason, detail = _ending(message)
    return LLMAnswer(
        parts=tuple(_parts(content)),
        usage=_usage(field_of(message, "usage")),
        finish_reason=reason,
        finish_detail=detail,
        model_served=word_of(field_of(message, "model")),
        request_id=word_of(field_of(message, "id")),
    )


def _parts(content: object) -> Iterator[AssistantPart]:
    if isinstance(content, str):
        yield TextPart(text=content)
    for block in items_of(content):
        part = _part(block, word_of(field_of(block, "type")))
        if part is not None:
            yield part


def _part(block: object, kind: object) -> AssistantPart | None:
    """Read a block; ``None`` where there is nothing in it."""
    if kind in _TEXTS or isinstance(block, str):
        text = text_of(block)
        return TextPart(text=text, citations=_citations(field_of(block, "citations"))) if text else None
    if kind == "thinking":
        thought, signature = word_of(field_of(block, "thinking")), word_of(field_of(block, "signature"))
        return ReasoningPart(text=thought or "", opaque=signature) if thought or signature else None
    if kind == "redacted_thinking":
        return ReasoningPart(opaque=f"{REDACTED}{word_of(field_of(block, 'data')) or ''}")
    if kind == "tool_use":
        id, name = word_of(field_of(block, "id")) or "", word_of(field_of(block, "name")) or ""
        return ToolCallPart(id=id, name=name, arguments=arguments_of(field_of(block, "input")))
    return VendorPart(vendor_kind=str(kind), opaque=json.dumps(_plain(block), ensure_ascii=False, sort_keys=True))


def _plain(block: object) -> dict[str, object]:
    dump = getattr(block, "model_dump", None)
    return dict(dump(mode="json", exclude_unset=True)) if dump is not None else dict(block)  # type: ignore[call-overload]  # a mapping


class EventReader:
    """Turns the events of one streamed message into ours."""

    def __init__(self) -> None:
        self._has_ended = False
        self._reason: FinishReason | None = None
        self._detail: str | None = None
        self._open_block()

    def _open_block(self, block: object = None) -> None:
        self._block = block
        self._is_begun = False  # whether a piece of its text or thought came
        self._signature = ""
        self._citations: list[Citation] = []
        self._input: list[str] = []

    def events(self, event: object) -> Iterator[LLMEvent]:
        """Read an event; a server may also send the whole message as one."""
        kind = word_of(field_of(event, "type")) or _kind_by_field(event)
        if kind == "content_block_delta":
            yield from self._piece(event, field_of(event, "delta"))
        elif kind == "content_block_start":
            yield from self._start(event, field_of(event, "content_block"))
        elif kind == "content_block_stop":
            yield from self._stop()
        elif kind == "message_start":
            message = field_of(event, "message")
            yield AnswerUpdate(
                usage=_usage(field_of(message, "usage")),
                model_served=word_of(field_of(message, "model")),
                request_id=word_of(field_of(message, "id")),
            )
        elif kind == "message_delta":
            delta = field_of(event, "delta")
            if word_of(field_of(delta, "stop_reason")) is not None:
                self._reason, self._detail = _ending(delta)
            usage = _usage(field_of(event, "usage"))  # it may leave out what the counts at the start say
            if usage is not None:
                yield AnswerUpdate(usage=usage)
        elif kind == "message_stop":
            self._has_ended = True
            reason = self._reason or FinishReason.OTHER
            yield AnswerDone(answer=LLMAnswer(finish_reason=reason, finish_detail=self._detail))
        elif kind == "message":
            self._has_ended = True
            yield AnswerDone(answer=answer_of(event))

    def end(self) -> Iterator[LLMEvent]:
        """Yield the end of the answer where no event was the end and the reason why the message ended came."""
        if self._reason is not None and not self._has_ended:
            yield AnswerDone(answer=LLMAnswer(finish_reason=self._reason, finish_detail=self._detail))

    def _start(self, event: object, block: object) -> Iterator[LLMEvent]:
        self._open_block(block)
        kind = word_of(field_of(block, "type"))
        if kind == "tool_use":
            yield ToolCallDelta(
                slot=_slot(event), id=word_of(field_of(block, "id")), name=word_of(field_of(block, "name"))
            )
        elif kind in _TEXTS and text_of(block):
            self._is_begun = True
            yield TextDelta(text=text_of(block))

    def _piece(self, event: object, delta: object) -> Iterator[LLMEvent]:
        text: object = getattr(delta, "text", None)
        if type(text) is not str:
            text = text_of(delta)
        if text:
            self._is_begun = True
            yield TextDelta(text=text)
            return
        kind = field_of(delta, "type")
        if kind == "thinking_delta":
            thought = word_of(field_of(delta, "thinking"))
            if thought is not None:
                self._is_begun = True
                yield ReasoningDelta(text=thought)
        elif kind == "signature_delta":
            self._signature += word_of(field_of(delta, "signature")) or ""
        elif kind == "citations_delta":
            self._citations += _citations([field_of(delta, "citation")])
        elif kind == "input_json_delta":
            piece = word_of(field_of(delta, "partial_json")) or ""
            if field_of(self._block, "type") == "tool_use":
                yield ToolCallDelta(slot=_slot(event), arguments=piece)
            else:
                self._input.append(piece)

    def _stop(self) -> Iterator[LLMEvent]:
        """Yield the part that a block makes, where its pieces do not say all of it, or another text may follow."""
        block, kind = self._block, word_of(field_of(self._block, "type"))
        if kind == "thinking":
            if self._is_begun or self._signature:
                yield PartDone(part=ReasoningPart(opaque=self._signature or None))
        elif kind in _TEXTS:
            if self._is_begun:
                yield PartDone(part=TextPart(text="", citations=tuple(self._citations)))
        elif kind != "tool_use" and block is not None:
            part = _part(self._with_input(block), kind)
            if part is not None:
                yield PartDone(part=part)
        self._open_block()

    def _with_input(self, block: object) -> object:
        """Return a block with the input that came after it."""
        if not self._input:
            return block
        try:
            return {**_plain(block), "input": json.loads("".join(self._input))}
        except (ValueError, RecursionError):
            return block


def _kind_by_field(event: object) -> str | None:
    """Return the type of an event that does not have it, by the field that only events of that type have."""
    return next((kind for name, kind in _KIND_BY_FIELD.items() if field_of(event, name) is not None), None)


def _slot(event: object) -> int | None:
    slot = field_of(event, "index")
    return slot if isinstance(slot, int) else None


def _citations(citations: object) -> tuple[Citation, ...]:
    """Read where a text comes from. The whole text of the part rests on it: the API gives each claim a block."""
    return tuple(
        Citation(
            url=word_of(field_of(citation, "url")) or word_of(field_of(citation, "source")),
            title=word_of(field_of(citation, "document_title")) or word_of(field_of(citation, "title")),
            quoted=word_of(field_of(citation, "cited_text")),
            document=index if isinstance(index := field_of(citation, "document_index"), int) else None,
        )
        for citation in items_of(citations)
    )


def _ending(record: object) -> tuple[FinishReason, str | None]:
    """Return why a message ended, and what was said about it."""
    said = word_of(field_of(record, "stop_reason"))
    detail = word_of(field_of(record, "stop_details", "explanation"))
    category = word_of(field_of(record, "stop_details", "category"))
    return _FINISH_REASONS.get(said or "", FinishReason.OTHER), detail or category or said


def _usage(counts: object) -> InferenceUsage | None:
    """Read the counts; Anthropic counts what a cache had, or was given, beside the others."""
    return usage_of(
        counts,
        input_tokens="input_tokens+cache_creation_input_tokens+cache_read_input_tokens",
        output_tokens="output_tokens",
        cached_input_tokens="cache_read_input_tokens",
        cache_write_tokens="cache_creation_input_tokens",
        reasoning_tokens="output_tokens_details.thinking_tokens",
    )
