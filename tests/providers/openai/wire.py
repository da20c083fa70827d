"""What OpenAI answers, written down after its API reference; nothing of it was recorded.

Chat completions: https://platform.openai.com/docs/api-reference/chat/object
Streamed:         https://platform.openai.com/docs/api-reference/chat-streaming/streaming
Responses:        https://platform.openai.com/docs/api-reference/responses/object
Streamed:         https://platform.openai.com/docs/api-reference/responses-streaming
Images:           https://platform.openai.com/docs/api-reference/images/object
Errors:           https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from pipelex.cogt.llm.llm_job import ReasoningPart, TextPart, ToolCallPart
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.loopback import HttpReply
from tests.providers.replay import named_sse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.llm.llm_job import AssistantPart, Citation

USAGE: dict[str, object] = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
}
RESPONSE_USAGE: dict[str, object] = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 18,
}


def completion(
    text: str | None, *, model: str = "gpt-x", finish_reason: str = "stop", refusal: str | None = None
) -> dict[str, object]:
    """A chat completion."""
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": refusal, "annotations": []}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": USAGE,
        "service_tier": "default",
    }


def completion_chunks(
    pieces: Sequence[str], *, model: str = "gpt-x", finish_reason: str | None = "stop"
) -> list[dict[str, object]]:
    """The chunks of a streamed chat completion; the last one, without a choice, has the usage."""
    frame: dict[str, object] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    chunks: list[dict[str, object]] = [
        {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    if finish_reason is not None:
        chunks.append({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    return [*chunks, {**frame, "choices": [], "usage": USAGE}]


def response(
    text: str, *, model: str = "gpt-x", incomplete: str | None = None, refusal: str | None = None
) -> dict[str, object]:
    """A response of the Responses API; a reasoning item goes before its message."""
    part = {"type": "refusal", "refusal": refusal} if refusal else {"type": "output_text", "text": text}
    message: dict[str, object] = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{**part, "annotations": []}],
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "incomplete" if incomplete else "completed",
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "model": model,
        "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSE_USAGE,
    }


def response_events(pieces: Sequence[str], whole: dict[str, object]) -> HttpReply:
    """The events of a streamed response."""
    started = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    end = f"response.{whole['status']}"
    place = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    items = cast("list[dict[str, object]]", whole["output"])
    done = [("response.output_item.done", {"output_index": at, "item": item}) for at, item in enumerate(items)]
    events: list[tuple[str, dict[str, object]]] = [
        ("response.created", {"response": started}),
        *done[:-1],
        *(("response.output_text.delta", {**place, "delta": piece}) for piece in pieces),
        ("response.output_text.done", {**place, "text": "".join(pieces)}),
        *done[-1:],
        (end, {"response": whole}),
    ]
    return named_sse(
        (kind, {"type": kind, "sequence_number": number, **data}) for number, (kind, data) in enumerate(events)
    )


def items(parts: Sequence[AssistantPart]) -> list[dict[str, object]]:
    """The items of a response: a thought with its ciphertext, texts with annotations, calls."""
    made: list[dict[str, object]] = []
    for number, part in enumerate(parts):
        match part:
            case ReasoningPart():
                summary = [{"type": "summary_text", "text": part.text}]
                made.append({"type": "reasoning", "id": f"rs_{number}", "summary": summary} | _ciphertext(part))
            case TextPart():
                cited = [_annotation(one) for one in part.citations]
                content = [{"type": "output_text", "text": part.text, "annotations": cited}]
                message: dict[str, object] = {"type": "message", "id": f"msg_{number}", "status": "completed"}
                made.append({**message, "role": "assistant", "content": content})
            case ToolCallPart():
                made.append({"type": "function_call", "id": f"fc_{number}", "call_id": part.id, "name": part.name,
                             "arguments": part.arguments, "status": "completed"})  # fmt: skip
    return made


def _annotation(one: Citation) -> dict[str, object]:
    place = {"start_index": one.start, "end_index": one.end}
    return {"type": "url_citation", "url": one.url, "title": one.title, **place}


def _ciphertext(part: ReasoningPart) -> dict[str, object]:
    return {"encrypted_content": part.opaque} if part.opaque else {}


def item_events(whole: dict[str, object]) -> HttpReply:
    """The events of a streamed response, item by item: each added, in pieces, done."""
    started = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[tuple[str, dict[str, object]]] = [("response.created", {"response": started})]
    for number, item in enumerate(cast("list[dict[str, object]]", whole["output"])):
        place = {"output_index": number, "item_id": item["id"]}
        nothing: dict[str, object] = {"arguments": "", "content": []}
        empty = {**item, **{name: value for name, value in nothing.items() if name in item}}
        events.append(("response.output_item.added", {"output_index": number, "item": empty}))
        kind, text = _streamed_text(item)
        half = len(text) // 2
        events += [(f"response.{kind}.delta", {**place, "delta": piece}) for piece in (text[:half], text[half:])]
        events.append(("response.output_item.done", {"output_index": number, "item": item}))
    events.append((f"response.{whole['status']}", {"response": whole}))
    return named_sse(
        (kind, {"type": kind, "sequence_number": number, **data}) for number, (kind, data) in enumerate(events)
    )


def _streamed_text(item: dict[str, object]) -> tuple[str, str]:
    """The word for the pieces of an item, and the text that is cut into them."""
    if item["type"] == "function_call":
        return "function_call_arguments", str(item["arguments"])
    field, kind = ("content", "output_text") if item["type"] == "message" else ("summary", "reasoning_summary_text")
    return kind, "".join(part["text"] for part in cast("list[dict[str, str]]", item[field]))


def response_usage(usage: InferenceUsage | None) -> dict[str, object]:
    """The counts of a response."""
    usage = usage or InferenceUsage()
    details = {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens}
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": details,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": (usage.input_tokens or 0) + (usage.output_tokens or 0),
    }


def images(files: Sequence[bytes], *, size: str | None = "1024x1024") -> dict[str, object]:
    """Generated images, as the GPT image models answer."""
    return {
        "created": 1_700_000_000,
        "data": [{"b64_json": base64.b64encode(data).decode()} for data in files],
        "size": size,
        "usage": {
            "input_tokens": 50,
            "output_tokens": 100,
            "total_tokens": 150,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        },
    }


def error(message: str, *, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, object]:
    """An error's body."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
