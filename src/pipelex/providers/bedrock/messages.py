"""A conversation as Converse takes it.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, TypeAlias

from pipelex.cogt.exceptions import InferenceRequestError
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
    from collections.abc import Iterable

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import AssistantPart, LLMPrompt, UserPart

_Json: TypeAlias = dict[str, object]

REDACTED = "redacted:"
"""What the opaque data of a thought that is not shown begins with; that of one that is shown is its signature."""

_IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENT_FORMATS = {"application/pdf": "pdf"}
_BYTES = "base64 of bytes"
_DOCUMENT = "document"
_DOCUMENT_ALONE = "(see the document)"
_IMAGE_ALONE = "(an image)"


def block_text(block: object) -> str:
    """Return a block as JSON text, its bytes as base64."""
    return json.dumps(block, sort_keys=True, default=lambda data: {_BYTES: b64encode(data).decode()})


def _block(text: str) -> _Json:
    """Return the block that :func:`block_text` wrote."""

    def restored(fields: _Json) -> object:
        data = fields.get(_BYTES)
        return b64decode(data) if isinstance(data, str) else fields

    block: _Json = json.loads(text, object_hook=restored)
    return block


class MessageWriter:
    """Writes the messages of one request.

    Bedrock fetches no addresses, wants the names of documents to differ and a text beside them, and takes images in
    turns of the user alone.

    Args:
        has_calls: Whether tool calls and their results are written as such; else as text, for a request without tools,
            in which Bedrock refuses them.
    """

    def __init__(self, *, has_calls: bool) -> None:
        self._has_calls = has_calls
        self._document_count = 0

    async def messages(self, prompt: LLMPrompt) -> list[_Json]:
        """Write a prompt; its system text goes elsewhere.

        Args:
            prompt: The prompt.

        Raises:
            InferenceRequestError: A file is of a type that Bedrock does not take.
        """
        written: list[_Json] = []
        for message in prompt.messages():
            if isinstance(message, AssistantMessage):
                blocks = self._made(message.parts) or [{"text": _IMAGE_ALONE}]
            else:
                blocks = await self._given(message.parts)
                if _DOCUMENT in (keys := {key for block in blocks for key in block}) and "text" not in keys:
                    blocks.append({"text": _DOCUMENT_ALONE})
            written.append({"role": message.role, "content": blocks})
        return written or [{"role": "user", "content": [{"text": ""}]}]

    def _made(self, parts: Iterable[AssistantPart]) -> list[_Json]:
        """Write what the model made, without its images."""
        blocks: list[_Json] = []
        for part in parts:
            if isinstance(part, TextPart):
                blocks.extend([{"text": part.text}] if part.text else [])
            elif isinstance(part, ReasoningPart):
                blocks.append({"reasoningContent": _thought(part)})
            elif isinstance(part, ToolCallPart):
                blocks.append(self._call(part))
            elif isinstance(part, VendorPart):
                blocks.append(_block(part.opaque))
        return blocks

    def _call(self, part: ToolCallPart) -> _Json:
        if not self._has_calls:
            return {"text": f"Call {part.id} of the tool {part.name}: {part.arguments}"}
        return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": json.loads(part.arguments)}}

    async def _given(self, parts: Iterable[UserPart]) -> list[_Json]:
        """Write what the user gives, and what tools returned."""
        blocks: list[_Json] = []
        for part in parts:
            if isinstance(part, TextPart):
                blocks.append({"text": part.text})
            elif isinstance(part, ImagePart):
                blocks.append(await self._image(part.source))
            elif isinstance(part, DocumentPart):
                self._document_count += 1
                file = await _file(part.source, _DOCUMENT_FORMATS)
                blocks.append({_DOCUMENT: {"name": f"document {self._document_count}", **file}})
            elif isinstance(part, ToolResultPart):
                blocks += await self._result(part)
        return blocks

    async def _result(self, part: ToolResultPart) -> list[_Json]:
        content = await self._given((TextPart(text=part.content),) if isinstance(part.content, str) else part.content)
        if not self._has_calls:
            kind = "Error" if part.is_error else "Result"
            return [{"text": f"{kind} of the call {part.call_id} of the tool {part.name}:"}, *content]
        failed = {"status": "error"} if part.is_error else {}
        return [{"toolResult": {"toolUseId": part.call_id, "content": content, **failed}}]

    async def _image(self, source: MediaSource) -> _Json:
        return {"image": await _file(source, _IMAGE_FORMATS)}


def _thought(part: ReasoningPart) -> _Json:
    opaque = part.opaque or ""
    if opaque.startswith(REDACTED):
        return {"redactedContent": b64decode(opaque.removeprefix(REDACTED))}
    return {"reasoningText": {"text": part.text, "signature": opaque}}


async def _file(source: MediaSource, formats: dict[str, str]) -> _Json:
    fetched = await source.fetched()
    media_type = fetched.media_type()
    if media_type not in formats:
        msg = f"A file is of the type {media_type}; taken are {', '.join(formats)}"
        raise InferenceRequestError(msg)
    return {"format": formats[media_type], "source": {"bytes": fetched.data}}
