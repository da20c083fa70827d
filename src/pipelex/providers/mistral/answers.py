"""What comes back from Mistral's chat completions, whole or in pieces.

https://docs.mistral.ai/api/endpoint/chat; thoughts and references are chunks of the content.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mistralai.client.models import UsageInfo
from pydantic import BaseModel

from pipelex.cogt.exceptions import InferenceError, InferenceServerError
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

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent
    from pipelex.reporting.reporting_protocol import InferenceUsage

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "tool_calls": FinishReason.TOOL_CALLS,
}
_NO_ID = "null"  # what the SDK puts in where the vendor gave a call no id


def answer_of(completion: object) -> LLMAnswer:
    """Read a whole answer.

    Args:
        completion: What the SDK returned, or plain JSON.

    Raises:
        InferenceError: It holds no choice, or the model stopped with an error.
    """
    usage, served = _usage(field_of(completion, "usage")), word_of(field_of(completion, "model"))
    choice = next(iter(items_of(field_of(completion, "choices"))), None)
    if choice is None:
        answer = PartialAnswer(usage=usage, model_served=served)
        raise InferenceError.from_answer(completion, expected="a completion with a choice", known=answer)
    message = field_of(choice, "message")
    content = tuple(_content_parts(field_of(message, "content")))
    try:
        reason, detail = _ending(choice)
    except InferenceServerError as exc:
        text = "".join(part.text for part in content if isinstance(part, TextPart))
        exc.answer = PartialAnswer(text=text, usage=usage, model_served=served)
        raise
    return LLMAnswer(
        parts=(*content, *_calls(message)),
        usage=usage,
        finish_reason=reason or FinishReason.OTHER,
        finish_detail=detail,
        model_served=served,
        request_id=word_of(field_of(completion, "id")),
        logprobs=logprobs_of(field_of(choice, "logprobs")),
    )


def _content_parts(content: object) -> Iterator[AssistantPart]:
    """Yield the parts of a content: chunks of one kind in a row are one part, as in a stream."""
    reader = ContentReader()
    text, thought = "", ""
    for event in (*reader.events(content), *reader.end()):
        match event:
            case TextDelta():
                text += event.text
            case ReasoningDelta():
                thought += event.text
            case PartDone(part=ReasoningPart() as part):
                yield ReasoningPart(text=thought, opaque=part.opaque)
                thought = ""
            case PartDone(part=TextPart()):
                yield TextPart(text=text)
                text = ""
            case PartDone(part=part):
                yield part


def _calls(message: object) -> Iterator[ToolCallPart]:
    for call in items_of(field_of(message, "tool_calls")):
        function = field_of(call, "function")
        name, arguments = word_of(field_of(function, "name")), arguments_of(field_of(function, "arguments"))
        yield ToolCallPart(id=_id(call) or "", name=name or "", arguments=arguments)


def _id(call: object) -> str | None:
    id = word_of(field_of(call, "id"))
    return None if id == _NO_ID else id


class ContentReader:
    """Turns a content, whole or piece by piece, into events: a text, or chunks of texts, thoughts and others."""

    def __init__(self) -> None:
        self._open = ""  # "text" or "thinking": the kind of the part that is under way
        self._signature: str | None = None

    def events(self, content: object) -> Iterator[LLMEvent]:
        """Read a content."""
        for chunk in (content,) if isinstance(content, str) else items_of(content):
            kind = "text" if isinstance(chunk, str) else field_of(chunk, "type")
            if kind == "thinking":
                yield from self._turn_to("thinking")
                self._signature = word_of(field_of(chunk, "signature")) or self._signature
                thought = reasoning_of([chunk])
                if thought:
                    yield ReasoningDelta(text=thought)
            elif text := text_of(chunk):
                yield from self._turn_to("text")
                yield TextDelta(text=text)
            elif isinstance(kind, str) and kind != "text":
                yield from self._turn_to("")
                yield PartDone(part=VendorPart(vendor_kind=kind, opaque=_as_json(chunk)))

    def end(self) -> Iterator[LLMEvent]:
        """Close the part that is under way."""
        yield from self._turn_to("")

    def _turn_to(self, kind: str) -> Iterator[LLMEvent]:
        if kind == self._open:
            return
        if self._open == "text":
            yield PartDone(part=TextPart(text=""))
        elif self._open == "thinking":
            signed = {"signature": self._signature} if self._signature is not None else {}
            yield PartDone(part=ReasoningPart(opaque=json.dumps(signed)))
            self._signature = None
        self._open = kind


def _as_json(chunk: object) -> str:
    plain = chunk.model_dump(mode="json", by_alias=True, exclude_unset=True) if isinstance(chunk, BaseModel) else chunk
    return json.dumps(plain, sort_keys=True)


class StreamReader:
    """Turns the pieces of one streamed answer into events.

    Attributes:
        has_ended: Whether a piece said why the answer ended.
    """

    def __init__(self) -> None:
        self.has_ended = False
        self._content = ContentReader()
        self._is_announced = False

    def events(self, data: dict[str, object]) -> Iterator[LLMEvent]:
        """Read a piece, as plain JSON; a server may also send the whole answer as one.

        Raises:
            InferenceError: The model stopped with an error.
        """
        usage = _usage(data.get("usage"))
        choice = next(iter(items_of(data.get("choices"))), None)
        if usage is not None or not self._is_announced:
            served = word_of(field_of(data, "model"))
            self._is_announced = served is not None
            yield AnswerUpdate(usage=usage, model_served=served, request_id=word_of(field_of(data, "id")))
        delta = field_of(choice, "delta") or field_of(choice, "message")  # the second in a whole answer
        yield from self._content.events(field_of(delta, "content"))
        calls = items_of(field_of(delta, "tool_calls"))
        if calls:
            yield from self._content.end()
            yield from map(_call_event, calls)
        reason, detail = _ending(choice)
        logprobs = logprobs_of(field_of(choice, "logprobs"))
        if reason is not None or logprobs:
            self.has_ended = self.has_ended or reason is not None
            yield AnswerUpdate(finish_reason=reason, finish_detail=detail, logprobs=logprobs)

    def end(self) -> Iterator[LLMEvent]:
        """Close the part that is under way; one that was broken off is not to be sent back."""
        if self.has_ended:
            yield from self._content.end()


def _call_event(call: object) -> ToolCallDelta:
    slot, function = field_of(call, "index"), field_of(call, "function")
    return ToolCallDelta(
        arguments=arguments_of(field_of(function, "arguments")),
        slot=slot if isinstance(slot, int) else None,
        id=_id(call),
        name=word_of(field_of(function, "name")),
    )


def _ending(choice: object) -> tuple[FinishReason | None, str | None]:
    """Return why the answer ended; ``None`` where it is not stated.

    Raises:
        InferenceServerError: The model stopped with an error.
    """
    said = word_of(field_of(choice, "finish_reason"))
    if said == "error":
        raise InferenceServerError("The model stopped with an error")
    return (_FINISH_REASONS.get(said, FinishReason.OTHER) if said is not None else None), said


def _usage(counts: object) -> InferenceUsage | None:
    """Read the counts; the SDK puts in zeros where the vendor stated nothing."""
    return usage_of(
        counts.model_dump(exclude_unset=True) if isinstance(counts, UsageInfo) else counts,
        input_tokens="prompt_tokens",
        output_tokens="completion_tokens",
        cached_input_tokens="num_cached_tokens|prompt_tokens_details.cached_tokens",
    )
