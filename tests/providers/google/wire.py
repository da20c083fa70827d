"""Google's wire format, replayed.

Generating: https://ai.google.dev/api/generate-content
Models: https://ai.google.dev/api/models
Errors: https://cloud.google.com/apis/design/errors (google.rpc.Status), https://ai.google.dev/gemini-api/docs/troubleshooting
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from pipelex.cogt.inference.inference_result import FinishReason

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_ID = "gemini-3.8-flash"
IMAGE_MODEL_ID = "gemini-nano-banana-2.1"
FINISH_REASONS = {
    FinishReason.STOP: "STOP",
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
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


def response(*parts: dict[str, object], reason: str | None = "STOP", **counts: int) -> dict[str, object]:
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
