"""What comes back from the Responses API, whole or as events. The SDK validates nothing.

Responses: https://platform.openai.com/docs/api-reference/responses/object
Streams:   https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError
from pipelex.cogt.inference.answer_parts import arguments_of, field_of, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.inference_result import FinishReason, PartialAnswer
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
from pipelex.cogt.llm.token_logprobs import logprobs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent, TokenLogprob
    from pipelex.reporting.reporting_protocol import InferenceUsage

_REASONS_OF_INCOMPLETE = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_REASONS_OF_STATUS = {
    "completed": FinishReason.STOP,
    "incomplete": FinishReason.UNFINISHED,
    "failed": FinishReason.UNFINISHED,
    "cancelled": FinishReason.UNFINISHED,
    "queued": FinishReason.UNFINISHED,
    "in_progress": FinishReason.UNFINISHED,
}
_ENDS = {f"response.{status}" for status in ("completed", "incomplete", "failed", "cancelled")}
_THOUGHTS = {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
_KEPT = ("id", "phase", "status")


def answer_of(response: object) -> LLMAnswer:
    """Read a whole response.

    Raises:
        InferenceError: The response failed.
    """
    failure = field_of(response, "error")
    code, message = word_of(field_of(failure, "code")), word_of(field_of(failure, "message"))
    if code is not None or message is not None:
        raise InferenceError.from_status(None, message or "The response failed", codes=[code or ""])
    reason, detail = _ending(response)
    return LLMAnswer(
        parts=tuple(part for item in items_of(field_of(response, "output")) for part in _parts(item)),
        usage=_usage(field_of(response, "usage")),
        finish_reason=reason,
        finish_detail=detail,
        model_served=word_of(field_of(response, "model")),
        request_id=word_of(field_of(response, "id")),
        logprobs=tuple(logprob for content in _contents_of(response) for logprob in _logprobs(content)),
    )


def _kind(item: object) -> object:
    return field_of(item, "type")


def _parts(item: object) -> Iterator[AssistantPart]:
    """Read an item of the output."""
    kind = word_of(_kind(item))
    if kind in ("message", None):
        for content in _contents(item):
            text = text_of(content)
            if text:
                yield TextPart(text=text, citations=_citations(field_of(content, "annotations")), opaque=_kept(item))
    elif kind == "reasoning":
        yield _thought(item)
    elif kind == "function_call":
        id, name = word_of(field_of(item, "call_id")) or "", word_of(field_of(item, "name")) or ""
        arguments = arguments_of(field_of(item, "arguments"))
        yield ToolCallPart(id=id, name=name, arguments=arguments, opaque=_kept(item))
    else:
        yield VendorPart(vendor_kind=kind, opaque=json.dumps(_plain(item), ensure_ascii=False, sort_keys=True))


def _thought(item: object) -> ReasoningPart:
    """Read a thought. It goes back only with its ciphertext: the vendor has stored nothing that its id would name."""
    said = items_of(field_of(item, "summary")) or items_of(field_of(item, "content"))
    text = "\n\n".join(piece for piece in (word_of(field_of(part, "text")) for part in said) if piece)
    if word_of(field_of(item, "encrypted_content")) is None:
        return ReasoningPart(text=text)
    plain = {name: value for name, value in _plain(item).items() if value is not None}
    return ReasoningPart(text=text, opaque=json.dumps(plain, ensure_ascii=False, sort_keys=True))


def _kept(item: object) -> str | None:
    """Return what an item has besides its content, which the vendor wants back."""
    kept = {name: value for name in _KEPT if (value := word_of(field_of(item, name))) is not None}
    return json.dumps(kept, sort_keys=True) if "id" in kept else None


def _plain(item: object) -> dict[str, object]:
    dump = getattr(item, "model_dump", None)
    return dict(dump(mode="json", exclude_unset=True)) if dump is not None else dict(item)  # type: ignore[call-overload]  # a mapping


def _contents(item: object) -> list[object]:
    content = field_of(item, "content")
    return [content] if isinstance(content, str) else items_of(content)


def _contents_of(response: object) -> list[object]:
    """Return the contents of the messages of a response; an item with a content and no type is a message, too."""
    messages = [item for item in items_of(field_of(response, "output")) if word_of(_kind(item)) in ("message", None)]
    return [content for message in messages for content in _contents(message)]


def _citations(annotations: object) -> tuple[Citation, ...]:
    """Read the sources of a text: addresses with their place in it, and files by their name."""
    return tuple(
        Citation(
            url=word_of(field_of(annotation, "url")),
            title=word_of(field_of(annotation, "title")) or word_of(field_of(annotation, "filename")),
            start=start if isinstance(start := field_of(annotation, "start_index"), int) else None,
            end=end if isinstance(end := field_of(annotation, "end_index"), int) else None,
        )
        for annotation in items_of(annotations)
    )


def _logprobs(content: object) -> tuple[TokenLogprob, ...]:
    found = field_of(content, "logprobs")
    return logprobs_of({"content": found}) if found else ()


class EventReader:
    """Turns the events of one streamed response into ours."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def events(self, event: dict[str, object]) -> Iterator[LLMEvent]:
        """Read an event; a server may also send the whole response as one.

        Raises:
            InferenceError: The response failed, or a piece was lost.
        """
        kind = word_of(event.get("type")) or f"response.{field_of(event, 'response', 'status')}"
        if kind == "response.output_text.delta":
            delta = field_of(event, "delta")
            text = delta if type(delta) is str else text_of(delta)
            self._said.append(text)
            yield TextDelta(text=text)
        elif kind in _THOUGHTS:
            yield ReasoningDelta(text=text_of(field_of(event, "delta")))
        elif kind == "response.function_call_arguments.delta":
            yield ToolCallDelta(slot=_slot(event), arguments=text_of(field_of(event, "delta")))
        elif kind == "response.output_item.added":
            yield from self._begin(event, field_of(event, "item"))
        elif kind == "response.output_item.done":
            for part in _parts(field_of(event, "item")):
                yield PartDone(part=part)
        elif kind == "response.refusal.done":
            refusal = word_of(field_of(event, "refusal"))
            yield AnswerUpdate(finish_reason=FinishReason.CONTENT_FILTER, finish_detail=refusal)
        elif kind in _ENDS:
            yield from self._end(field_of(event, "response"), str(kind))
        elif "output" in event:
            yield from self._end(event, "response.completed")

    def _begin(self, event: object, item: object) -> Iterator[LLMEvent]:
        if _kind(item) == "function_call":
            id, name = word_of(field_of(item, "call_id")), word_of(field_of(item, "name"))
            yield ToolCallDelta(slot=_slot(event), id=id, name=name)

    def _end(self, response: object, kind: str) -> Iterator[LLMEvent]:
        """Read the response at the end; its parts count where none came before it."""
        answer = answer_of(response)
        if word_of(field_of(response, "status")) is None:
            answer = replace(answer, finish_reason=_REASONS_OF_STATUS[kind.removeprefix("response.")])
        yield AnswerDone(answer=answer)
        said = "".join(self._said)
        if said and answer.text and said.strip() != answer.text.strip():
            msg = "The pieces of the stream are not the answer that stands at its end"
            raise InferenceInvalidAnswerError(msg, answer=PartialAnswer(text=answer.text))


def _slot(event: object) -> int | None:
    slot = field_of(event, "output_index")
    return slot if isinstance(slot, int) else None


def _ending(response: object) -> tuple[FinishReason, str | None]:
    """Return why the answer ended, and what was said about it; a refusal is a part of the answer, not a status."""
    refusals = (field_of(content, "refusal") for content in _contents_of(response) if _kind(content) == "refusal")
    refusal = next(refusals, None)
    if refusal is not None:
        return FinishReason.CONTENT_FILTER, word_of(refusal)
    status = word_of(field_of(response, "status"))
    detail = word_of(field_of(response, "incomplete_details", "reason"))
    if detail in _REASONS_OF_INCOMPLETE:
        return _REASONS_OF_INCOMPLETE[detail], detail
    return _REASONS_OF_STATUS.get(status or "", FinishReason.OTHER), detail or status


def _usage(counts: object) -> InferenceUsage | None:
    return usage_of(
        counts,
        input_tokens="input_tokens",
        output_tokens="output_tokens",
        cached_input_tokens="input_tokens_details.cached_tokens",
        cache_write_tokens="input_tokens_details.cache_write_tokens",
        reasoning_tokens="output_tokens_details.reasoning_tokens",
    )
