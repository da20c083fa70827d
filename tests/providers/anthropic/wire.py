"""Anthropic's wire format, replayed.

Messages: https://platform.claude.com/docs/en/api/messages
Streams: https://platform.claude.com/docs/en/build-with-claude/streaming
Errors: https://platform.claude.com/docs/en/api/errors
Models: https://platform.claude.com/docs/en/api/models-list
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import ReasoningPart, TextPart, ToolCallPart
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.conversation import arguments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelex.cogt.llm.llm_job import AssistantPart

MODEL_ID = "claude-haiku-4-5"
INPUT_TOKENS = 11
STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.TOOL_CALLS: "tool_use",
}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


def message(text: str, *, stop_reason: str = "end_turn", **counts: object) -> dict[str, object]:
    """A whole message, with a thought before its text."""
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": f"{MODEL_ID}-20251001",
        "content": [
            {"type": "thinking", "thinking": "Let me think.", "signature": "EqQBCgIYAhIM"},
            {"type": "text", "text": text},
        ],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 7, **counts},
    }


def events(text: str, *, stop_reason: str = "end_turn", thought: bool = False) -> list[tuple[str, dict[str, object]]]:
    """The events of a stream, with a ping among them, and a thought before the text where it is asked for."""
    start = message("", stop_reason="")
    start |= {"content": [], "stop_reason": None, "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 1}}
    thoughts: list[dict[str, object]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me think."}},
        {"type": "content_block_stop", "index": 0},
    ]
    half = len(text) // 2
    named: list[dict[str, object]] = [
        {"type": "message_start", "message": start},
        *(thoughts if thought else []),
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": text[:half]}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": text[half:]}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason, "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    return [(str(event["type"]), event) for event in named]


def pieces_of(place: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a block, its texts cut in two."""
    kind = block["type"]
    deltas: list[dict[str, Any]] = []
    start = dict(block)
    if kind == "text":
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in (block["text"][:2], block["text"][2:])]
        deltas += [{"type": "citations_delta", "citation": cited} for cited in block.get("citations") or ()]
    elif kind == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": part} for part in (block["thinking"][:3], block["thinking"][3:])
        ]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif "input" in block:
        start["input"] = {}
        text = json.dumps(block["input"]) if block["input"] else ""
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", text[:4], text[4:])]
    return [
        {"type": "content_block_start", "index": place, "content_block": start},
        *({"type": "content_block_delta", "index": place, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": place},
    ]


def events_of(message: dict[str, Any]) -> list[tuple[str, dict[str, object]]]:
    """Return the events of a whole message."""
    start = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    delta = {"stop_reason": message["stop_reason"], "stop_details": message.get("stop_details")}
    counts = {"output_tokens": message["usage"]["output_tokens"]}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for place, block in enumerate(message["content"]):
        events += pieces_of(place, block)
    events.append({"type": "message_delta", "delta": delta, "usage": counts})
    events.append({"type": "message_stop"})
    return [(event["type"], event) for event in events]


def blocks(parts: Sequence[AssistantPart]) -> Iterator[dict[str, Any]]:
    """The content of a message, of an answer's parts."""
    for part in parts:
        match part:
            case ReasoningPart():
                yield {"type": "thinking", "thinking": part.text, "signature": part.opaque}
            case TextPart():
                cited = [
                    {"type": "web_search_result_location", "url": one.url, "title": one.title}
                    | {"cited_text": part.text, "encrypted_index": "aW5kZXg="}
                    for one in part.citations
                ]
                yield {"type": "text", "text": part.text, **({"citations": cited} if cited else {})}
            case ToolCallPart():
                yield {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments_of(part)}


def usage(counts: InferenceUsage | None) -> dict[str, Any]:
    """The counts of a message: what a cache had, or was given, is beside the others."""
    counts = counts or InferenceUsage(input_tokens=0, output_tokens=0)
    read, made = counts.cached_input_tokens or 0, counts.cache_write_tokens or 0
    return {
        "input_tokens": (counts.input_tokens or 0) - read - made,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": made,
        "output_tokens": counts.output_tokens,
    }


def error(status: int, text: str = "The replay refuses this model") -> dict[str, object]:
    """The body of an error."""
    return {
        "type": "error",
        "error": {"type": ERROR_TYPES[status], "message": text},
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }
