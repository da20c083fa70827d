"""Bedrock's wire format, replayed.

Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
Streams: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
Errors: https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
Models: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import ReasoningPart, TextPart, ToolCallPart
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.conversation import arguments_of
from tests.providers.bedrock import frames
from tests.providers.replay import answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipelex.cogt.llm.llm_job import AssistantPart, Citation
    from pipelex.testing.loopback import HttpReply

MODEL_ID = "amazon.nova-lite-v1:0"
CONVERSE = "POST /model/amazon.nova-lite-v1%3A0/converse"
CONVERSE_STREAM = f"{CONVERSE}-stream"
USAGE = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "content_filtered",
    FinishReason.TOOL_CALLS: "tool_use",
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


def blocks(parts: Sequence[AssistantPart]) -> Iterator[dict[str, object]]:
    """The content of a message, of an answer's parts."""
    for part in parts:
        match part:
            case ReasoningPart():
                yield {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.opaque}}}
            case TextPart(citations=()):
                yield {"text": part.text}
            case TextPart():
                cited = [_citation(one) for one in part.citations]
                yield {"citationsContent": {"content": [{"text": part.text}], "citations": cited}}
            case ToolCallPart():
                yield {"toolUse": {"toolUseId": part.id, "name": part.name, "input": arguments_of(part)}}


def _citation(citation: Citation) -> dict[str, object]:
    return {"title": citation.title, "location": {"web": {"url": citation.url}}}


def events_of(parts: Sequence[AssistantPart], *, stop_reason: str, usage: dict[str, int]) -> list[bytes]:
    """The frames of a stream, of an answer's parts."""
    made = [frames.event("messageStart", {"role": "assistant"})]
    for index, part in enumerate(parts):
        place = {"contentBlockIndex": index}
        if isinstance(part, ToolCallPart):
            start = {"toolUse": {"toolUseId": part.id, "name": part.name}}
            made.append(frames.event("contentBlockStart", {**place, "start": start}))
        made += [frames.event("contentBlockDelta", {**place, "delta": delta}) for delta in _deltas(part)]
        made.append(frames.event("contentBlockStop", place))
    end = {"usage": {**USAGE, **usage}, "metrics": {"latencyMs": 12}}
    return [*made, frames.event("messageStop", {"stopReason": stop_reason}), frames.event("metadata", end)]


def _deltas(part: AssistantPart) -> Iterator[Mapping[str, object]]:
    match part:
        case ReasoningPart():
            yield from ({"reasoningContent": {"text": piece}} for piece in _halves(part.text))
            yield {"reasoningContent": {"signature": part.opaque}}
        case TextPart():
            yield from ({"text": piece} for piece in _halves(part.text))
            yield from ({"citation": _citation(one)} for one in part.citations)
        case ToolCallPart():
            yield from ({"toolUse": {"input": piece}} for piece in _halves(part.arguments))


def _halves(said: str) -> tuple[str, str]:
    return said[: len(said) // 2], said[len(said) // 2 :]


def usage(counts: InferenceUsage | None) -> dict[str, int]:
    """The counts of an answer: what a cache had, or was given, is beside the others."""
    counts = counts or InferenceUsage()
    read, made = counts.cached_input_tokens or 0, counts.cache_write_tokens or 0
    return {
        "inputTokens": (counts.input_tokens or 0) - read - made,
        "outputTokens": counts.output_tokens or 0,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": made,
    }


def error(status: int, said: str = "The replay refuses this model", *, code: str | None = None) -> HttpReply:
    """An error: its code in a header, its words in the body."""
    headers = {"x-amzn-errortype": f"{code or CODES[status]}:http://internal.amazon.com/", "x-amzn-requestid": "af1-77"}
    return answer({"message": said}, status=status, headers=headers)
