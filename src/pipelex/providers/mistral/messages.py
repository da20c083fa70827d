"""A conversation as Mistral's chat completions take it."""

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMPrompt, UserMessage, UserPart

_BETWEEN = "OK."
"""What the model is made to say between the results of its tools and words of the user, whom Mistral refuses there."""


async def chat_messages(prompt: LLMPrompt) -> list[dict[str, object]]:
    """Write a prompt as messages.

    Args:
        prompt: The prompt.
    """
    messages: list[dict[str, object]] = []
    if prompt.system_text is not None:
        messages.append({"role": "system", "content": prompt.system_text})
    for message in prompt.messages():
        if isinstance(message, AssistantMessage):
            messages.append(_assistant(message))
        else:
            messages += await _user(message)
    return messages


def _assistant(message: AssistantMessage) -> dict[str, object]:
    """Write a turn of the model; one that holds calls alone has no content, which Mistral refuses beside them."""
    written: dict[str, object] = {"role": "assistant"}
    chunks: list[object] = []
    calls: list[object] = []
    for part in message.parts:
        match part:
            case ToolCallPart():
                function = {"name": part.name, "arguments": part.arguments}
                calls.append({"id": part.id, "type": "function", "function": function})
            case TextPart():
                chunks.append({"type": "text", "text": part.text})
            case ReasoningPart(opaque=str(opaque)):
                thinking = [{"type": "text", "text": part.text}]
                chunks.append({"type": "thinking", "thinking": thinking, **json.loads(opaque)})
            case VendorPart():
                chunks.append(json.loads(part.opaque))
            case _:
                pass
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    if chunks or not calls:
        written["content"] = "".join(texts) if len(texts) == len(chunks) else chunks
    if calls:
        written["tool_calls"] = calls
    return written


async def _user(message: UserMessage) -> list[dict[str, object]]:
    """Write a turn of the user: each result of a tool is a message of its own."""
    written: list[dict[str, object]] = []
    others: list[UserPart] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            content = part.content if isinstance(part.content, str) else await _content(part.content)
            if part.is_error:  # the format has no other place for a failure
                content = f"Error: {content}" if isinstance(content, str) else [_text("Error:"), *content]
            written.append({"role": "tool", "name": part.name, "tool_call_id": part.call_id, "content": content})
        else:
            others.append(part)
    if others and written:
        written.append({"role": "assistant", "content": _BETWEEN})
    if others or not written:
        written.append({"role": "user", "content": await _content(others)})
    return written


async def _content(parts: Sequence[UserPart]) -> str | list[dict[str, object]]:
    chunks: list[dict[str, object]] = []
    for part in parts:
        if isinstance(part, TextPart):
            chunks.append(_text(part.text))
        elif isinstance(part, ImagePart):
            chunks.append({"type": "image_url", "image_url": await address(part.source)})
        elif isinstance(part, DocumentPart):
            chunks.append({"type": "document_url", "document_url": await address(part.source)})
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return texts[0] if len(texts) == len(chunks) == 1 else chunks or ""


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


async def address(source: MediaSource) -> str:
    """Return the address of a file, made of its bytes where it has none: Mistral fetches the others by itself."""
    return source.url if source.url is not None else await source.as_data_url()
