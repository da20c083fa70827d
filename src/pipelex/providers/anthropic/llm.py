"""LLM calls served by Claude: by Anthropic's own API, or on Amazon Bedrock."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from anthropic import AsyncAnthropic, AsyncAnthropicBedrock, transform_schema

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.inference.answer_parts import json_of
from pipelex.cogt.inference.event_streams import read_json_events
from pipelex.cogt.inference.http_answers import require_event_stream
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.answer_schemas import describe_keywords, has_free_keys, map_schema
from pipelex.cogt.llm.history import tools_named_in
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    DocumentPart,
    ImagePart,
    ReasoningEffort,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
    VendorPart,
)
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.anthropic.answers import REDACTED, EventReader, answer_of
from pipelex.providers.anthropic.errors import classify

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable

    from anthropic import AsyncStream
    from anthropic._response import AsyncAPIResponse
    from anthropic.types import MessageTokensCount, RawMessageStreamEvent

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import (
        AssistantPart,
        LLMAnswer,
        LLMEvent,
        LLMJob,
        LLMJobParams,
        LLMMessage,
        LLMPrompt,
        UserPart,
    )

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BINARY = "application/vnd.amazon.eventstream"
_MAX_TOKENS = 8192  # the API wants a limit; this is it where neither the job nor the catalogue says
_CHOICES = {ToolChoiceMode.AUTO: "auto", ToolChoiceMode.NONE: "none", ToolChoiceMode.REQUIRED: "any"}
_COUNTED = ("model", "messages", "system", "thinking", "tool_choice", "tools", "output_config", "extra_headers")
_Json = dict[str, object]


class AnthropicLLMWorker(SdkWorker[AsyncAnthropic | AsyncAnthropicBedrock], LLMWorkerAbstract):
    """Serves LLM calls through Anthropic's messages API."""

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        messages = (await self._client()).messages
        create = cast("Callable[..., Awaitable[AsyncAPIResponse[object]]]", messages.with_raw_response.create)
        raw = await create(**await self._request(job))
        message = json_of(raw.http_response.content)  # the SDK's record costs a tenth of the call, and is not validated
        if not isinstance(message, dict) or not message.keys() & {"content", "stop_reason", "usage"}:
            raise InferenceError.from_answer(message, expected="a message of Anthropic's API")
        return answer_of(message)

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        request, reader = await self._request(job), EventReader()
        create = cast(
            "Callable[..., Awaitable[AsyncStream[RawMessageStreamEvent]]]", (await self._client()).messages.create
        )
        async with await create(**request, stream=True) as stream, aclosing(_events_of(stream)) as events:
            async for event in events:
                for made in reader.events(event):
                    yield made
        for made in reader.end():
            yield made

    async def _count_tokens(self, job: LLMJob) -> int:
        client = await self._client()
        if not isinstance(client, AsyncAnthropic):
            raise InferenceRequestError("Bedrock's API of Claude counts no tokens. Take it from 'capabilities'")
        request = await self._request(job)
        count = cast("Callable[..., Awaitable[MessageTokensCount]]", client.messages.count_tokens)
        counted = await count(**{name: request[name] for name in _COUNTED if name in request})
        return counted.input_tokens

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _request(self, job: LLMJob) -> _Json:
        """Write a job in the messages format; what it does not set is left to the model."""
        params, model = job.params, self.inference_model
        if params.seed is not None:
            raise InferenceRequestError("Anthropic's API knows no seed. Take it from 'capabilities'")
        request: _Json = {
            "model": model.model_id,
            "max_tokens": params.max_tokens or model.max_output_tokens or _MAX_TOKENS,
            "messages": await self._messages(job.prompt),
            "extra_headers": model.extra_headers,
            "extra_body": self._extra_body(params) or None,
        }
        if job.prompt.system_text is not None:
            request["system"] = job.prompt.system_text
        if params.stop:
            request["stop_sequences"] = list(params.stop)
        output_config = self._output_config(params)
        if output_config:
            request["output_config"] = output_config
        return request | _thinking(job) | _tools(job) | _cache(params)

    def _extra_body(self, params: LLMJobParams) -> _Json:
        """Return what the SDK's signature does not have: what older models take, and the settings."""
        older = {"temperature": params.temperature, "top_p": params.top_p, "top_k": params.top_k}
        known = {name: value for name, value in older.items() if value is not None}
        return {**known, **self.inference_model.extra_body, **(params.vendor_params or {})}

    async def _messages(self, prompt: LLMPrompt) -> list[_Json]:
        messages: list[_Json] = []
        for message in prompt.messages():
            if isinstance(message, AssistantMessage):
                blocks = [block for part in message.parts if (block := _said(part)) is not None]
            else:
                blocks = await self._given(message.parts)
            messages.append({"role": message.role, "content": blocks})
        return messages or [{"role": "user", "content": [{"type": "text", "text": ""}]}]

    async def _given(self, parts: Iterable[UserPart]) -> list[_Json]:
        """Write what the user gives, and what tools returned."""
        blocks: list[_Json] = []
        for part in parts:
            if isinstance(part, TextPart):
                blocks.append({"type": "text", "text": part.text})
            elif isinstance(part, ImagePart):
                blocks.append({"type": "image", "source": await self._image(part.source)})
            elif isinstance(part, DocumentPart):
                blocks.append({"type": "document", "source": await self._pdf(part.source)})
            elif isinstance(part, ToolResultPart):
                content = part.content if isinstance(part.content, str) else await self._given(part.content)
                failed = {"is_error": True} if part.is_error else {}
                blocks.append({"type": "tool_result", "tool_use_id": part.call_id, "content": content, **failed})
        return blocks

    async def _image(self, image: MediaSource) -> _Json:
        if image.url is not None and self._takes_addresses():
            return {"type": "url", "url": image.url}
        fetched = await image.fetched()
        media_type = fetched.media_type()
        if media_type not in _IMAGE_TYPES:
            msg = f"An image is of the type {media_type}; taken are {', '.join(_IMAGE_TYPES)}"
            raise InferenceRequestError(msg)
        return {"type": "base64", "media_type": media_type, "data": await fetched.as_base64()}

    async def _pdf(self, document: MediaSource) -> _Json:
        if document.url is not None and self._takes_addresses():
            return {"type": "url", "url": document.url}
        fetched = await document.fetched()
        if fetched.media_type() != "application/pdf":
            msg = f"A document is of the type {fetched.media_type()}; taken is application/pdf"
            raise InferenceRequestError(msg)
        return {"type": "base64", "media_type": "application/pdf", "data": await fetched.as_base64()}

    def _takes_addresses(self) -> bool:
        """Tell whether the API fetches files by itself; Bedrock does not."""
        return self.inference_model.sdk != "bedrock_anthropic"

    def _output_config(self, params: LLMJobParams) -> _Json:
        output_config: _Json = {}
        if params.reasoning_effort not in (None, ReasoningEffort.NONE):
            output_config["effort"] = params.reasoning_effort.value
        if params.structured_output is not None:
            schema = self._schema(dict(params.structured_output))
            output_config["format"] = {"type": "json_schema", "schema": schema}
        return output_config

    def _schema(self, json_schema: dict[str, object]) -> dict[str, object]:
        """Return a schema in the part of JSON schema that the API knows; the rest of it becomes description.

        Objects whose keys are not known beforehand are refused: the API would only ever return them empty.
        """
        if has_free_keys(json_schema):
            msg = "Anthropic's structured output knows no objects with free keys (dict): use a list of key and value"
            raise InferenceRequestError(msg)
        try:
            return transform_schema(map_schema(json_schema, _without_tuple))
        except ValueError as exc:
            raise InferenceRequestError(f"The type asked for cannot be met: {exc}") from exc


async def _events_of(stream: AsyncStream[RawMessageStreamEvent]) -> AsyncGenerator[object, None]:
    """Yield the events of a stream: those of Bedrock, whose format is binary, as the SDK reads them."""
    answer = stream.response
    await require_event_stream(answer)
    if answer.headers.get("content-type", "").startswith(_BINARY):
        async for event in stream:
            yield event
        return
    async with aclosing(read_json_events(answer.aiter_bytes(), keys=("type",))) as events:
        async for plain in events:
            yield plain


def _without_tuple(schema: dict[str, object]) -> dict[str, object]:
    """Turn a tuple, which the API does not know, into a list of what may stand in it, and describe the order."""
    parts = schema.get("prefixItems")
    if not isinstance(parts, list):
        return schema
    listed = {**describe_keywords(schema, ("prefixItems", "minItems", "maxItems")), "items": {"anyOf": parts}}
    return listed if parts else describe_keywords(schema, ("prefixItems", "minItems", "maxItems"))


def _said(part: AssistantPart) -> _Json | None:
    """Write a part that the model made; ``None`` where the API does not take it back."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text} if part.text else None
    if isinstance(part, ReasoningPart) and part.opaque is not None:
        if part.opaque.startswith(REDACTED):
            return {"type": "redacted_thinking", "data": part.opaque.removeprefix(REDACTED)}
        return {"type": "thinking", "thinking": part.text, "signature": part.opaque}
    if isinstance(part, ToolCallPart):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": json.loads(part.arguments)}
    if isinstance(part, VendorPart):
        block: _Json = json.loads(part.opaque)
        return block
    return None


def _thinking(job: LLMJob) -> _Json:
    """Write whether to think; how long is the effort's matter.

    Raises:
        InferenceRequestError: A tool is forced as well, which the API refuses.
    """
    params = job.params
    thinks = params.reasoning_effort not in (None, ReasoningEffort.NONE)
    choice = params.tool_choice
    if choice is not None and choice.mode is ToolChoiceMode.REQUIRED and (thinks or params.show_reasoning):
        msg = "Claude cannot think and be made to call a tool in one answer: leave out tool_choice, or the reasoning"
        raise InferenceRequestError(f"{msg}. Nothing was sent")
    if not thinks and not params.show_reasoning:
        return {"thinking": {"type": "disabled"}} if params.reasoning_effort is ReasoningEffort.NONE else {}
    if _calls_without_thought(job.prompt.messages()):
        return {"thinking": {"type": "disabled"}}
    shown = {"display": "summarized"} if params.show_reasoning else {}
    return {"thinking": {"type": "adaptive", **shown}}


def _calls_without_thought(messages: tuple[LLMMessage, ...]) -> bool:
    """Tell whether the calls that are answered last were made without a signed thought, by another backend, say.

    With thinking switched on, the API would refuse them.
    """
    made = next((message for message in reversed(messages) if isinstance(message, AssistantMessage)), None)
    parts = made.parts if made is not None else ()
    has_calls = any(isinstance(part, ToolCallPart) for part in parts)
    return has_calls and not any(isinstance(part, ReasoningPart) and part.opaque for part in parts)


def _tools(job: LLMJob) -> _Json:
    """Write the tools; a conversation with calls needs theirs, even where none may be called."""
    params = job.params
    tools = tools_named_in(job.prompt.history, params.tools)
    if not tools:
        return {}
    request: _Json = {
        "tools": [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.json_schema)}
            for tool in tools
        ]
    }
    choice = params.tool_choice or (None if params.tools else ToolChoice(mode=ToolChoiceMode.NONE))
    if choice is not None or params.single_tool_call:
        request["tool_choice"] = _choice(choice or ToolChoice(), is_single=params.single_tool_call)
    return request


def _choice(choice: ToolChoice, *, is_single: bool) -> _Json:
    written: _Json = {"type": "tool", "name": choice.name} if choice.name else {"type": _CHOICES[choice.mode]}
    if is_single and choice.mode is not ToolChoiceMode.NONE:
        written["disable_parallel_tool_use"] = True
    return written


def _cache(params: LLMJobParams) -> _Json:
    """Write the wish for a cache of the prompt: the API finds the place by itself."""
    cache = params.prompt_cache
    if cache is None:
        return {}
    if cache.key is not None:
        raise InferenceRequestError("Anthropic's API takes the 'ttl' of a prompt_cache, and no 'key'")
    ttl = {"ttl": cache.ttl} if cache.ttl is not None else {}
    return {"cache_control": {"type": "ephemeral", **ttl}}
