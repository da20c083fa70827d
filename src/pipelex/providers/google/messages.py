"""A conversation as Gemini's generateContent takes it.

https://ai.google.dev/api/caching#Content, https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.genai.types import (
    Content,
    FunctionCall,
    FunctionResponse,
    FunctionResponseBlob,
    FunctionResponsePart,
    Part,
)

from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    DocumentPart,
    ImagePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnknownPart,
    VendorPart,
)
from pipelex.providers.google.content import file_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.llm.llm_job import AssistantPart, LLMPrompt, UserPart

_NO_SIGNATURE = b"skip_thought_signature_validator"
"""What a call that another model made is signed with: Gemini 3 refuses the first call of a turn without a signature."""


@dataclass(frozen=True, kw_only=True)
class Opaque:
    """What Google gets back with a part.

    Attributes:
        signature: Its thought signature.
        id: The id of a call, where Google gave it one.
    """

    signature: bytes | None = None
    id: str | None = None

    @classmethod
    def parse(cls, text: str | None) -> Opaque:
        """Read what :meth:`as_text` wrote; ``None`` is nothing."""
        fields: dict[str, str] = json.loads(text) if text is not None else {}
        signature = fields.get("signature")
        return cls(signature=b64decode(signature) if signature is not None else None, id=fields.get("id"))

    def as_text(self) -> str | None:
        """Return the opaque text of a part; ``None`` where there is nothing to send back."""
        fields = {"id": self.id, "signature": b64encode(self.signature).decode() if self.signature else None}
        given = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(given) if given else None


async def contents_of(prompt: LLMPrompt) -> list[Content]:
    """Write the messages of a prompt; its system text goes elsewhere.

    Args:
        prompt: The prompt.
    """
    contents: list[Content] = []
    ids: dict[str, str | None] = {}  # of the last turn's calls: those that Google gave, by ours
    for message in prompt.messages():
        if isinstance(message, AssistantMessage):
            calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
            ids = {call.id: Opaque.parse(call.opaque).id for call in calls}
            contents.append(Content(role="model", parts=await _model_parts(message)))
        else:
            parts = [part for given in message.parts for part in await _user_part(given, ids)]
            contents.append(Content(role="user", parts=parts))
    return contents or [Content(role="user", parts=[Part(text="")])]


async def _model_parts(message: AssistantMessage) -> list[Part]:
    """Write a turn of the model. Where no part of it is signed, its calls are marked as not made by Gemini."""
    parts = [written for part in message.parts if (written := await _model_part(part)) is not None]
    if not any(part.thought_signature for part in parts):
        for part in parts:
            if part.function_call is not None:
                part.thought_signature = _NO_SIGNATURE
    return parts


async def _model_part(part: AssistantPart) -> Part | None:
    """Write a part that a model made; ``None`` where Gemini does not take it back."""
    if isinstance(part, VendorPart):
        return Part.model_validate_json(part.opaque)
    if isinstance(part, UnknownPart):
        return None
    opaque = Opaque.parse(part.opaque)
    if isinstance(part, ToolCallPart):
        call = FunctionCall(id=opaque.id, name=part.name, args=json.loads(part.arguments))
        return Part(function_call=call, thought_signature=opaque.signature)
    if isinstance(part, ReasoningPart):
        return Part(text=part.text, thought=True, thought_signature=opaque.signature)
    if isinstance(part, TextPart):
        return Part(text=part.text, thought_signature=opaque.signature)
    file = await file_part(part.source)
    file.thought_signature = opaque.signature
    return file


async def _user_part(part: UserPart, ids: Mapping[str, str | None]) -> list[Part]:
    if isinstance(part, TextPart):
        return [Part(text=part.text)]
    if isinstance(part, ImagePart | DocumentPart):
        return [await file_part(part.source)]
    if isinstance(part, ToolResultPart):
        return [Part(function_response=await _result(part, ids.get(part.call_id)))]
    return []


async def _result(part: ToolResultPart, id: str | None) -> FunctionResponse:
    """Write what a tool returned; files beside the text, where the model takes them there."""
    content = (TextPart(text=part.content),) if isinstance(part.content, str) else part.content
    said = "\n".join(one.text for one in content if isinstance(one, TextPart))
    files = [await file_part(one.source) for one in content if isinstance(one, ImagePart | DocumentPart)]
    blobs = [
        FunctionResponsePart(inline_data=FunctionResponseBlob(data=blob.data, mime_type=blob.mime_type))
        for file in files
        if (blob := file.inline_data) is not None
    ]
    response: dict[str, object] = {"error" if part.is_error else "output": said}
    return FunctionResponse(id=id, name=part.name, response=response, parts=blobs or None)
