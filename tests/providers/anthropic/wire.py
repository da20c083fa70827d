"""Anthropic's wire format, replayed.

Messages: https://platform.claude.com/docs/en/api/messages
Streams: https://platform.claude.com/docs/en/build-with-claude/streaming
Errors: https://platform.claude.com/docs/en/api/errors
Models: https://platform.claude.com/docs/en/api/models-list
"""

from __future__ import annotations

from pipelex.cogt.inference.inference_result import FinishReason

MODEL_ID = "claude-haiku-4-5"
STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "refusal",
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
        "usage": {"input_tokens": 11, "output_tokens": 7, **counts},
    }


def events(text: str, *, stop_reason: str = "end_turn", thought: bool = False) -> list[tuple[str, dict[str, object]]]:
    """The events of a stream, with a ping among them, and a thought before the text where it is asked for."""
    start = message("", stop_reason="")
    start |= {"content": [], "stop_reason": None, "usage": {"input_tokens": 11, "output_tokens": 1}}
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


def error(status: int, text: str = "The replay refuses this model") -> dict[str, object]:
    """The body of an error."""
    return {
        "type": "error",
        "error": {"type": ERROR_TYPES[status], "message": text},
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }
