"""Bedrock's wire format, replayed.

Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
Streams: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
Errors: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
Models: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.inference.inference_result import FinishReason
from tests.providers.bedrock import frames
from tests.providers.replay import answer

if TYPE_CHECKING:
    from pipelex.testing.loopback import HttpReply

MODEL_ID = "amazon.nova-lite-v1:0"
CONVERSE = "POST /model/amazon.nova-lite-v1%3A0/converse"
CONVERSE_STREAM = f"{CONVERSE}-stream"
USAGE = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "content_filtered",
}
CODES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def message(*blocks: dict[str, object], stop_reason: str = "end_turn", **usage: int) -> dict[str, object]:
    """A whole answer of Converse."""
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": stop_reason,
        "usage": {**USAGE, **usage},
        "metrics": {"latencyMs": 12},
    }


def text(said: str, *, stop_reason: str = "end_turn", **usage: int) -> dict[str, object]:
    """A whole answer of text, with a thought before it."""
    thought: dict[str, object] = {"reasoningContent": {"reasoningText": {"text": "Let me think.", "signature": "c2ln"}}}
    return message(thought, {"text": said}, stop_reason=stop_reason, **usage)


def events(said: str, *, stop_reason: str = "end_turn") -> list[bytes]:
    """The frames of a stream."""
    half = len(said) // 2
    deltas = [{"reasoningContent": {"text": "Let me think."}}, {"text": said[:half]}, {"text": said[half:]}]
    return [
        frames.event("messageStart", {"role": "assistant"}),
        *(frames.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}) for delta in deltas),
        frames.event("contentBlockStop", {"contentBlockIndex": 0}),
        frames.event("messageStop", {"stopReason": stop_reason}),
        frames.event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 12}}),
    ]


def error(status: int, said: str = "The replay refuses this model", *, code: str | None = None) -> HttpReply:
    """An error: its code in a header, its words in the body."""
    headers = {"x-amzn-errortype": f"{code or CODES[status]}:http://internal.amazon.com/", "x-amzn-requestid": "af1-77"}
    return answer({"message": said}, status=status, headers=headers)
