"""Mistral's wire format, replayed.

Chat completions and streams: https://docs.mistral.ai/api/endpoint/chat
OCR: https://docs.mistral.ai/api/endpoint/ocr
Models: https://docs.mistral.ai/api/endpoint/models
"""

from __future__ import annotations

from pipelex.cogt.inference.inference_result import FinishReason

MODEL_ID = "mistral-small-latest"
OCR_MODEL_ID = "mistral-ocr-latest"
FINISH_REASONS = {FinishReason.STOP: "stop", FinishReason.LENGTH: "length"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def completion(content: object, *, finish_reason: str = "stop", **usage: object) -> dict[str, object]:
    """A whole answer."""
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, "tool_calls": None, "prefix": False},
    }
    return {
        "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
        "object": "chat.completion",
        "created": 1_702_256_327,
        "model": MODEL_ID,
        "choices": [choice],
        "usage": {**USAGE, **usage},
    }


def chunks(text: str, *, finish_reason: str = "stop") -> list[dict[str, object]]:
    """The events of a stream."""

    def chunk(delta: dict[str, object], reason: str | None = None, **more: object) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        head = {"id": "cmpl-e5cc70bb28c444948073e77776eb30ef", "object": "chat.completion.chunk", "created": 1}
        return {**head, "model": MODEL_ID, "choices": [choice], **more}

    half = len(text) // 2
    return [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": text[:half]}),
        chunk({"content": text[half:]}),
        chunk({"content": ""}, finish_reason, usage=USAGE),
    ]


def error(text: str = "The replay refuses this model", *, kind: str = "invalid_request_error") -> dict[str, object]:
    """The body of an error."""
    return {"object": "error", "message": text, "type": kind, "param": None, "code": "3000"}


def page(number: int, markdown: str, **more: object) -> dict[str, object]:
    """A page of A4 as OCR saw it: at 200 dots per inch."""
    dimensions = {"dpi": 200, "height": 2339, "width": 1654}
    return {"index": number - 1, "markdown": markdown, "images": [], "dimensions": dimensions, **more}


def table(index: int, content: str, *, notation: str = "markdown") -> dict[str, object]:
    """A table that OCR was asked to give apart."""
    return {"id": f"tbl-{index}", "content": content, "format": notation}


def ocr(*pages: dict[str, object]) -> dict[str, object]:
    """The answer of OCR."""
    usage = {"pages_processed": len(pages), "doc_size_bytes": 4711}
    return {"pages": list(pages), "model": OCR_MODEL_ID, "document_annotation": None, "usage_info": usage}
