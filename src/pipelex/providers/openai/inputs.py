"""A conversation as the messages of chat completions."""

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
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openai.types.chat import ChatCompletionContentPartParam

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMPrompt, UserMessage, UserPart


async def chat_messages(prompt: LLMPrompt, *, returns_reasoning: bool) -> list[dict[str, object]]:
    """Write a prompt as the messages of a chat completion.

    Args:
        prompt: The prompt; an image's address is passed, a document's is fetched, for the format knows none.
        returns_reasoning: Whether a server gets back what its model thought, in the field that it came in.
    """
    messages: list[dict[str, object]] = []
    if prompt.system_text is not None:
        messages.append({"role": "system", "content": prompt.system_text})
    for message in prompt.messages():
        if isinstance(message, AssistantMessage):
            messages.append(_assistant(message, returns_reasoning=returns_reasoning))
        else:
            messages += await _user(message)
    return messages or [{"role": "user", "content": ""}]


def _assistant(message: AssistantMessage, *, returns_reasoning: bool) -> dict[str, object]:
    written: dict[str, object] = {"role": "assistant"}
    text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    if text or not calls:
        written["content"] = text
    if calls:
        written["tool_calls"] = calls
    if returns_reasoning:
        for part in message.parts:
            if isinstance(part, ReasoningPart) and part.opaque:
                written.update(_reasoning(part, part.opaque))
    return written


def _reasoning(part: ReasoningPart, opaque: str) -> dict[str, object]:
    """Return the field that a thought came in: ``opaque`` is its name, or the list of OpenRouter's details."""
    return {"reasoning_details": json.loads(opaque)} if opaque.startswith("[") else {opaque: part.text}


async def _user(message: UserMessage) -> list[dict[str, object]]:
    """Write a turn of the user: each result of a tool is a message of its own."""
    written: list[dict[str, object]] = []
    others: list[UserPart] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            written.append({"role": "tool", "tool_call_id": part.call_id, "content": await _result(part)})
        else:
            others.append(part)
    if others:
        written.append({"role": "user", "content": await _content(others)})
    return written


async def _result(result: ToolResultPart) -> object:
    """Return the content of a result; the format has no place for its failure but the text."""
    content = result.content if isinstance(result.content, str) else await _content(result.content)
    return f"Error: {content}" if result.is_error and isinstance(content, str) else content


async def _content(parts: Iterable[UserPart]) -> str | list[ChatCompletionContentPartParam]:
    content: list[ChatCompletionContentPartParam] = []
    for part in parts:
        if isinstance(part, TextPart):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, ImagePart):
            content.append({"type": "image_url", "image_url": {"url": await address(part.source)}})
        elif isinstance(part, DocumentPart):
            file_data = await part.source.as_data_url()
            content.append({"type": "file", "file": {"filename": file_name(part.source), "file_data": file_data}})
    only = content[0] if len(content) == 1 else None
    return only["text"] if only is not None and only["type"] == "text" else content


async def address(source: MediaSource) -> str:
    """Return the address of a file: its own, or one that holds the bytes."""
    return source.url if source.url is not None else await source.as_data_url()


def file_name(source: MediaSource) -> str:
    """Return a name for a file; the APIs want one."""
    return source.path.name if source.path is not None else "document.pdf"
