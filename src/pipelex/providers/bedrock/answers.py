"""What comes back from Converse and ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, TypeAlias

from pipelex.cogt.inference.answer_parts import arguments_of, field_of, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    AnswerUpdate,
    Citation,
    ImagePart,
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
from pipelex.providers.bedrock.messages import REDACTED, block_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent
    from pipelex.reporting.reporting_protocol import InferenceUsage

_Event: TypeAlias = "Mapping[str, object]"

_FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
}
_PLACES = ("documentChar", "documentPage", "documentChunk")


def answer_of(answer: object, *, model_id: str) -> LLMAnswer:
    """Read a whole answer.

    Args:
        answer: What the SDK returned.
        model_id: The model that was asked.
    """
    reason, detail = _ending(field_of(answer, "stopReason"), field_of(answer, "trace"))
    return LLMAnswer(
        parts=tuple(_parts(field_of(answer, "output", "message", "content"))),
        usage=_usage(field_of(answer, "usage")),
        finish_reason=reason,
        finish_detail=detail,
        model_served=_served(field_of(answer, "trace")) or model_id,
        request_id=word_of(field_of(answer, "ResponseMetadata", "RequestId")),
    )


def _parts(blocks: object) -> Iterator[AssistantPart]:
    for block in items_of(blocks):
        part = _part(block)
        if part is not None:
            yield part


def _part(block: object) -> AssistantPart | None:
    """Read a block; ``None`` where there is nothing in it."""
    thought, call, cited = (field_of(block, name) for name in ("reasoningContent", "toolUse", "citationsContent"))
    if thought is not None:
        return _thought(thought)
    if call is not None and field_of(call, "type") is None:
        id, name = word_of(field_of(call, "toolUseId")) or "", word_of(field_of(call, "name")) or ""
        return ToolCallPart(id=id, name=name, arguments=arguments_of(field_of(call, "input")))
    if cited is not None:
        text = text_of(field_of(cited, "content"))
        return TextPart(text=text, citations=_citations(field_of(cited, "citations"))) if text else None
    text = text_of(block)
    if text:
        return TextPart(text=text)
    data = field_of(block, "image", "source", "bytes")
    if isinstance(data, bytes) and data:
        return ImagePart(source=MediaSource(data=data))
    kind = next(iter(block), "text") if isinstance(block, dict) else "text"
    known = kind not in ("text", "SDK_UNKNOWN_MEMBER")  # the SDK throws away what it does not know
    return VendorPart(vendor_kind=kind, opaque=block_text(block)) if known else None


def _thought(content: object) -> ReasoningPart | None:
    redacted = field_of(content, "redactedContent")
    if isinstance(redacted, bytes):
        return ReasoningPart(opaque=f"{REDACTED}{b64encode(redacted).decode()}")
    text, signature = text_of(field_of(content, "reasoningText")), field_of(content, "reasoningText", "signature")
    return ReasoningPart(text=text, opaque=word_of(signature)) if text or word_of(signature) else None


class EventReader:
    """Turns the events of one streamed answer into ours."""

    def __init__(self) -> None:
        self._request_id: str | None = None
        self._stop_reason: object = None
        self._trace: object = None
        self._open(None, "")

    def _open(self, index: object, kind: str) -> None:
        """Begin a block; ``kind`` is ``"text"``, ``"thought"``, ``"call"``, or ``""`` where it is to be read whole."""
        self._index, self._kind = index, kind
        self._is_begun = False  # whether a piece of its text or thought came
        self._signature, self._redacted = "", b""
        self._citations: list[object] = []
        self._start: dict[str, object] = {}
        self._deltas: list[object] = []

    def events(self, event: _Event) -> Iterator[LLMEvent]:
        """Read an event."""
        if "contentBlockDelta" in event:
            piece = event["contentBlockDelta"]
            yield from self._piece(field_of(piece, "contentBlockIndex"), field_of(piece, "delta"))
        elif "contentBlockStart" in event:
            yield from self._begin(event["contentBlockStart"])
        elif "contentBlockStop" in event:
            yield from self._close()
        elif "ResponseMetadata" in event:
            self._request_id = word_of(field_of(event["ResponseMetadata"], "RequestId"))
        elif "messageStart" in event:
            yield AnswerUpdate(request_id=self._request_id)
        elif "messageStop" in event:
            self._stop_reason = field_of(event["messageStop"], "stopReason")
        elif "metadata" in event:
            self._trace = field_of(event["metadata"], "trace")
            yield AnswerUpdate(usage=_usage(field_of(event["metadata"], "usage")))

    def end(self, *, model_id: str) -> Iterator[LLMEvent]:
        """Read the end of the connection; without a stop reason, the answer was broken off.

        Args:
            model_id: The model that was asked.
        """
        yield from self._close()
        if word_of(self._stop_reason) is not None:
            reason, detail = _ending(self._stop_reason, self._trace)
            served = _served(self._trace) or model_id
            answer = LLMAnswer(
                finish_reason=reason, finish_detail=detail, model_served=served, request_id=self._request_id
            )
            yield AnswerDone(answer=answer)

    def _begin(self, event: object) -> Iterator[LLMEvent]:
        index, start = field_of(event, "contentBlockIndex"), field_of(event, "start")
        yield from self._close()
        call = field_of(start, "toolUse")
        if call is not None and field_of(call, "type") is None:
            self._open(index, "call")
            yield ToolCallDelta(
                slot=_slot(index), id=word_of(field_of(call, "toolUseId")), name=word_of(field_of(call, "name"))
            )
        elif isinstance(start, dict) and start:
            self._open(index, "")
            self._start = start

    def _piece(self, index: object, delta: object) -> Iterator[LLMEvent]:
        text = delta.get("text") if isinstance(delta, dict) else None
        if isinstance(text, str):
            if text:
                yield from self._turn_to(index, "text")
                self._is_begun = True
                yield TextDelta(text=text)
            return
        thought, call = field_of(delta, "reasoningContent"), field_of(delta, "toolUse")
        citation = field_of(delta, "citation")
        if thought is not None:
            yield from self._turn_to(index, "thought")
            yield from self._thought(thought)
        elif citation is not None:
            yield from self._turn_to(index, "text")
            self._citations.append(citation)
        elif call is not None and self._kind == "call":
            yield ToolCallDelta(slot=_slot(index), arguments=word_of(field_of(call, "input")) or "")
        elif delta is not None:
            self._deltas.append(delta)

    def _thought(self, delta: object) -> Iterator[LLMEvent]:
        text, redacted = word_of(field_of(delta, "text")), field_of(delta, "redactedContent")
        self._signature += word_of(field_of(delta, "signature")) or ""
        if isinstance(redacted, bytes):
            self._redacted += redacted
        if text is not None:
            self._is_begun = True
            yield ReasoningDelta(text=text)

    def _turn_to(self, index: object, kind: str) -> Iterator[LLMEvent]:
        if self._kind != kind or self._index != index:
            yield from self._close()
            self._open(index, kind)

    def _close(self) -> Iterator[LLMEvent]:
        """Yield the part that a block makes, where its pieces do not say all of it, or another text may follow."""
        if self._kind == "text" and self._is_begun:
            yield PartDone(part=TextPart(text="", citations=_citations(self._citations)))
        elif self._redacted:
            yield PartDone(part=ReasoningPart(opaque=f"{REDACTED}{b64encode(self._redacted).decode()}"))
        elif self._kind == "thought" and (self._is_begun or self._signature):
            yield PartDone(part=ReasoningPart(opaque=self._signature or None))
        elif self._start:
            part = _part(_whole(self._start, self._deltas))
            if part is not None:
                yield PartDone(part=part)
        self._open(None, "")


def _whole(start: dict[str, object], deltas: list[object]) -> dict[str, object]:
    """Put a block together that is no text: a tool of the vendor's own, its result, an image."""
    ((kind, begun),) = start.items()
    block: dict[str, object] = dict(begun) if isinstance(begun, dict) else {}
    pieces = [field_of(delta, kind) for delta in deltas]
    if kind == "toolUse":
        written = "".join(word_of(field_of(piece, "input")) or "" for piece in pieces)
        try:
            block["input"] = json.loads(written or "{}")
        except (ValueError, RecursionError):
            block["input"] = {"invalid_json": written}
    elif kind == "toolResult":
        block["content"] = [item for piece in pieces for item in items_of(piece)]
    else:
        data = [given for piece in pieces if isinstance(given := field_of(piece, "source", "bytes"), bytes)]
        block["source"] = {"bytes": b"".join(data)}
    return {kind: block}


def _slot(index: object) -> int | None:
    return index if isinstance(index, int) else None


def _citations(citations: object) -> tuple[Citation, ...]:
    """Read the sources of a text. The whole text of the part rests on each of them."""
    return tuple(
        Citation(
            url=word_of(field_of(citation, "location", "web", "url")) or word_of(field_of(citation, "source")),
            title=word_of(field_of(citation, "title")),
            quoted=text_of(field_of(citation, "sourceContent")) or None,
            document=_document(field_of(citation, "location")),
        )
        for citation in items_of(citations)
    )


def _document(location: object) -> int | None:
    indices = (field_of(location, place, "documentIndex") for place in _PLACES)
    return next((index for index in indices if isinstance(index, int)), None)


def _ending(stop_reason: object, trace: object) -> tuple[FinishReason, str | None]:
    """Return why an answer ended, in our words, and in those of AWS: the reason of a guardrail where there is one."""
    said = word_of(stop_reason)
    detail = word_of(field_of(trace, "guardrail", "actionReason")) if said == "guardrail_intervened" else None
    if said is not None and said.startswith("malformed_"):
        return FinishReason.UNFINISHED, said
    return _FINISH_REASONS.get(said or "", FinishReason.OTHER), detail or said


def _served(trace: object) -> str | None:
    """Return the model that a prompt router chose."""
    return word_of(field_of(trace, "promptRouter", "invokedModelId"))


def _usage(counts: object) -> InferenceUsage | None:
    """Read the counts; AWS counts what a cache had, or was given, beside the others."""
    return usage_of(
        counts,
        input_tokens="inputTokens+cacheReadInputTokens+cacheWriteInputTokens",
        output_tokens="outputTokens",
        cached_input_tokens="cacheReadInputTokens",
        cache_write_tokens="cacheWriteInputTokens",
    )
