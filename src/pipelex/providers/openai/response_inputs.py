"""A conversation as the items that go into the Responses API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    DocumentPart,
    ImagePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
)
from pipelex.providers.openai.inputs import address, file_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMPrompt, UserPart

_Json = dict[str, object]


async def response_input(prompt: LLMPrompt) -> list[_Json]:
    """Write a prompt as items; its system text goes elsewhere.

    Args:
        prompt: The prompt.
    """
    items: list[_Json] = []
    for message in prompt.messages():
        if isinstance(message, AssistantMessage):
            items += _said(message.parts)
        else:
            items += await _given(message.parts)
    return items or [_message([{"type": "input_text", "text": ""}])]


def _message(content: list[_Json]) -> _Json:
    return {"type": "message", "role": "user", "content": content}


def _said(parts: Iterable[AssistantPart]) -> list[_Json]:
    """Write a turn of the model: each item with the id that it came with."""
    items: list[_Json] = []
    for part in parts:
        if isinstance(part, TextPart):
            content = {"type": "output_text", "text": part.text, "annotations": []}
            kept = _kept(part.opaque)
            last = items[-1] if items else {}
            if kept and last.get("id") == kept.get("id"):
                last["content"] = [*_listed(last["content"]), content]
            else:
                items.append({"type": "message", "role": "assistant", "content": [content], **kept})
        elif isinstance(part, ToolCallPart):
            call = {"call_id": part.id, "name": part.name, "arguments": part.arguments}
            items.append({"type": "function_call", **call, **_kept(part.opaque)})
        elif isinstance(part, ReasoningPart | VendorPart) and part.opaque is not None:
            items.append(json.loads(part.opaque))
    return items


def _kept(opaque: str | None) -> _Json:
    return dict(json.loads(opaque)) if opaque is not None else {}


def _listed(content: object) -> list[object]:
    return content if isinstance(content, list) else []


async def _given(parts: Iterable[UserPart]) -> list[_Json]:
    items: list[_Json] = []
    others: list[UserPart] = []
    for part in parts:
        if isinstance(part, ToolResultPart):
            items.append({"type": "function_call_output", "call_id": part.call_id, "output": await _output(part)})
        else:
            others.append(part)
    return [*items, _message(await _content(others))] if others else items


async def _output(result: ToolResultPart) -> str | list[_Json]:
    """Return the output of a tool; the format has no place for its failure but the text."""
    if not isinstance(result.content, str):
        failed: list[_Json] = [{"type": "input_text", "text": "Error:"}] if result.is_error else []
        return [*failed, *await _content(result.content)]
    return f"Error: {result.content}" if result.is_error else result.content


async def _content(parts: Iterable[UserPart]) -> list[_Json]:
    content: list[_Json] = []
    for part in parts:
        if isinstance(part, TextPart):
            content.append({"type": "input_text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "input_image", "detail": "auto", "image_url": await address(part.source)})
        elif isinstance(part, DocumentPart) and part.source.url is not None:
            content.append({"type": "input_file", "file_url": part.source.url})
        elif isinstance(part, DocumentPart):
            file_data = await part.source.as_data_url()
            content.append({"type": "input_file", "filename": file_name(part.source), "file_data": file_data})
    return content
