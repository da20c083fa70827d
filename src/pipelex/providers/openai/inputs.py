"""What the user gives, in the two ways in which OpenAI's APIs take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam
    from openai.types.responses import ResponseInputMessageContentListParam

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMPrompt


async def chat_messages(prompt: LLMPrompt) -> list[ChatCompletionMessageParam]:
    """Say a prompt as the messages of a chat completion.

    Args:
        prompt: The prompt; an image's address is handed on, a document's is fetched, for the format knows none.
    """
    messages: list[ChatCompletionMessageParam] = []
    if prompt.system_text is not None:
        messages.append({"role": "system", "content": prompt.system_text})
    if not prompt.images and not prompt.documents:
        return [*messages, {"role": "user", "content": prompt.user_text}]
    parts: list[ChatCompletionContentPartParam] = [{"type": "text", "text": prompt.user_text}]
    parts += [{"type": "image_url", "image_url": {"url": await address(image)}} for image in prompt.images]
    for document in prompt.documents:
        file_data = await document.as_data_url()
        parts.append({"type": "file", "file": {"filename": file_name(document), "file_data": file_data}})
    return [*messages, {"role": "user", "content": parts}]


async def response_content(prompt: LLMPrompt) -> ResponseInputMessageContentListParam:
    """Say what the user gives as the content of a message to the Responses API.

    Args:
        prompt: The prompt; its system text goes elsewhere.
    """
    parts: ResponseInputMessageContentListParam = [{"type": "input_text", "text": prompt.user_text}]
    parts += [{"type": "input_image", "detail": "auto", "image_url": await address(i)} for i in prompt.images]
    for document in prompt.documents:
        if document.url is not None:
            parts.append({"type": "input_file", "file_url": document.url})
        else:
            file_data = await document.as_data_url()
            parts.append({"type": "input_file", "filename": file_name(document), "file_data": file_data})
    return parts


async def address(source: MediaSource) -> str:
    """Return the address of a file: its own, or one that holds the bytes."""
    return source.url if source.url is not None else await source.as_data_url()


def file_name(source: MediaSource) -> str:
    """Return a name for a file; the APIs want one."""
    return source.path.name if source.path is not None else "document.pdf"
