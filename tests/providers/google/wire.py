"""Google's wire format, replayed.

Generating: https://ai.google.dev/api/generate-content
Models: https://ai.google.dev/api/models
Errors: https://cloud.google.com/apis/design/errors (google.rpc.Status), https://ai.google.dev/gemini-api/docs/troubleshooting
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import ReasoningPart, TextPart, ToolCallPart
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.conversation import arguments_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipelex.cogt.llm.llm_job import AssistantPart

MODEL_ID = "gemini-3.8-flash"
IMAGE_MODEL_ID = "gemini-nano-banana-2.1"
FINISH_REASONS = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.TOOL_CALLS: "STOP",
}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
USAGE = {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 18}


def response(*parts: dict[str, object], reason: str | None = "STOP", **counts: int) -> dict[str, Any]:
    """A response, or a piece of one where it has no reason."""
    candidate: dict[str, object] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "usageMetadata": {**USAGE, **counts}, "modelVersion": f"{MODEL_ID}-001"}


def text(said: str, *, reason: str | None = "STOP", **counts: int) -> dict[str, object]:
    """A response with a thought before its text."""
    return response({"text": "Let me think.", "thought": True}, {"text": said}, reason=reason, **counts)


def pieces(said: str, *, reason: str = "STOP") -> list[dict[str, object]]:
    """The pieces of a streamed response; each has the counts so far."""
    third = len(said) // 3
    return [
        response({"text": "Let me think.", "thought": True}, reason=None, candidatesTokenCount=0),
        response({"text": said[:third]}, reason=None, candidatesTokenCount=2),
        response({"text": said[third:-third]}, reason=None, candidatesTokenCount=4),
        response({"text": said[-third:]}, reason=reason),
    ]


def parts(given: Sequence[AssistantPart]) -> Iterator[dict[str, object]]:
    """The parts of a response, of an answer's parts; each may be signed."""
    for part in given:
        signature = getattr(part, "opaque", None)
        signed: dict[str, object] = {"thoughtSignature": signature} if signature else {}
        match part:
            case ReasoningPart():
                yield {"text": part.text, "thought": True, **signed}
            case TextPart():
                yield {"text": part.text, **signed}
            case ToolCallPart():
                yield {"functionCall": {"name": part.name, "args": arguments_of(part), "id": part.id}, **signed}


def pieces_of(part: dict[str, object]) -> Iterator[dict[str, object]]:
    """A part cut into three as a stream does it, if it is a text that is not signed."""
    said = part.get("text")
    if not isinstance(said, str) or "thoughtSignature" in part or len(said) < 3:
        yield part
        return
    third = len(said) // 3
    for piece in (said[:third], said[third:-third], said[-third:]):
        yield {**part, "text": piece}


def usage(counts: InferenceUsage | None) -> dict[str, int]:
    """The counts of a response: the thoughts are beside the other tokens of the answer."""
    counts = counts or InferenceUsage()
    thoughts = counts.reasoning_tokens or 0
    found = {
        "promptTokenCount": counts.input_tokens,
        "candidatesTokenCount": (counts.output_tokens or 0) - thoughts,
        "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": counts.cached_input_tokens,
    }
    return {name: count for name, count in found.items() if count is not None}


def grounding(given: Sequence[AssistantPart]) -> dict[str, object]:
    """The sources of the texts of an answer, at their places in bytes."""
    cited = [(part.text, one) for part in given if isinstance(part, TextPart) for one in part.citations]
    if not cited:
        return {}
    supports = [
        {
            "segment": {
                "startIndex": len(said[: one.start].encode()),
                "endIndex": len(said[: one.end].encode()),
                "text": said[one.start : one.end],
            },
            "groundingChunkIndices": [number],
        }
        for number, (said, one) in enumerate(cited)
    ]
    chunks = [{"web": {"uri": one.url, "title": one.title}} for _, one in cited]
    return {"groundingMetadata": {"groundingChunks": chunks, "groundingSupports": supports}}


def image(*files: bytes, reason: str = "STOP") -> dict[str, object]:
    """A response with images."""
    parts: list[dict[str, object]] = [
        {"inlineData": {"mimeType": "image/png", "data": b64encode(file).decode()}} for file in files
    ]
    return response(*parts, reason=reason)


def blocked(reason: str = "SAFETY") -> dict[str, object]:
    """The answer to a prompt that a filter refused."""
    return {
        "promptFeedback": {"blockReason": reason},
        "usageMetadata": {"promptTokenCount": 11, "totalTokenCount": 11},
        "modelVersion": f"{MODEL_ID}-001",
    }


def error(
    status: int, *details: Mapping[str, object], said: str = "The replay refuses this model"
) -> dict[str, object]:
    """The body of an error."""
    return {"error": {"code": status, "message": said, "status": STATUSES[status], "details": list(details)}}
