"""LLM calls served by Claude: by Anthropic's own API, or on Amazon Bedrock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict, cast

from anthropic import AsyncAnthropic, AsyncAnthropicBedrock, transform_schema
from anthropic.types import Message

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.inference.answer_parts import field_of, has_reasoning, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.http_answers import require_event_stream
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.answer_schemas import describe_keywords, has_free_keys, map_schema
from pipelex.cogt.llm.llm_job import LLMTextChunk, ReasoningEffort
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.anthropic.errors import classify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from anthropic.types import (
        Base64ImageSourceParam,
        Base64PDFSourceParam,
        OutputConfigParam,
        ThinkingConfigParam,
        URLImageSourceParam,
        URLPDFSourceParam,
    )
    from anthropic.types.content_block_param import ContentBlockParam
    from anthropic.types.message_create_params import MessageCreateParamsBase

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams
    from pipelex.reporting.reporting_protocol import InferenceUsage

_FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
    "pause_turn": FinishReason.UNFINISHED,
}
_EFFORTS: dict[ReasoningEffort, Literal["low", "medium", "high"]] = {
    ReasoningEffort.LOW: "low",
    ReasoningEffort.MEDIUM: "medium",
    ReasoningEffort.HIGH: "high",
}
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_MAX_TOKENS = 8192  # the API wants a limit; this is it where neither the job nor the catalogue says


class _Extras(TypedDict):
    extra_headers: Mapping[str, str]
    extra_body: dict[str, object] | None


class AnthropicLLMWorker(SdkWorker[AsyncAnthropic | AsyncAnthropicBedrock], LLMWorkerAbstract):
    """Serves LLM calls through Anthropic's messages API."""

    streams_name_their_end = True

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._ask(job)

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        return await self._ask(job, json_schema)

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        request = await self._request(job)
        last = LLMTextChunk(text="", finish_reason=FinishReason.OTHER)
        messages = (await self._client()).messages
        async with await messages.create(**request, stream=True, **self._extras(job.params)) as events:
            await require_event_stream(events.response)
            async for event in events:
                kind = field_of(event, "type")
                if kind == "message_delta":
                    last = _last(event)
                    yield LLMTextChunk(text="", usage=last.usage)
                elif kind == "message_stop":
                    yield last  # a stream that ends before this was broken off
                else:
                    piece = _piece(event, kind)
                    if piece is not None:
                        yield piece

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _ask(self, job: LLMJob, json_schema: dict[str, object] | None = None) -> InferenceResult[str]:
        request = await self._request(job, json_schema)
        messages = (await self._client()).messages
        message: object = await messages.create(**request, **self._extras(job.params))
        # The SDK neither looks whether the answer is JSON nor whether it is a message.
        if not isinstance(message, Message) or not message.model_fields_set & {"content", "stop_reason", "usage"}:
            raise InferenceError.from_answer(message, expected="a message of Anthropic's API")
        blocks = message.content
        reason, detail = _ending(message)
        return InferenceResult(
            content=text_of(blocks),
            usage=_usage(message.usage),
            finish_reason=reason,
            finish_detail=detail,
            model_served=word_of(message.model),
            has_reasoning=has_reasoning(blocks),
            has_tool_calls=any(field_of(block, "type") == "tool_use" for block in items_of(blocks)),
        )

    async def _request(self, job: LLMJob, json_schema: dict[str, object] | None = None) -> MessageCreateParamsBase:
        """Say a job in the messages format; what it does not set is left to the model."""
        params = job.params
        if params.seed is not None:
            raise InferenceRequestError("Anthropic's API knows no seed. Take it from 'capabilities'")
        request: MessageCreateParamsBase = {
            "model": self.inference_model.model_id,
            "max_tokens": params.max_tokens or self.inference_model.max_output_tokens or _MAX_TOKENS,
            "messages": [{"role": "user", "content": await self._content(job)}],
        }
        if job.prompt.system_text is not None:
            request["system"] = job.prompt.system_text
        if params.stop:
            request["stop_sequences"] = list(params.stop)
        if params.reasoning_effort is not None:
            request["thinking"] = _thinking(params.reasoning_effort)
        output_config = self._output_config(params, json_schema)
        if output_config:
            request["output_config"] = output_config
        return request

    def _extras(self, params: LLMJobParams) -> _Extras:
        """Return what the SDK's signature does not have: a temperature, which older models take, and the settings."""
        temperature = {"temperature": params.temperature} if params.temperature is not None else {}
        model = self.inference_model
        return {"extra_headers": model.extra_headers, "extra_body": {**temperature, **model.extra_body} or None}

    async def _content(self, job: LLMJob) -> list[ContentBlockParam]:
        """Return what the user says, the files before the text that speaks of them."""
        prompt = job.prompt
        text: ContentBlockParam = {"type": "text", "text": prompt.user_text}
        if not prompt.images and not prompt.documents:
            return [text]
        images: list[ContentBlockParam] = [
            {"type": "image", "source": await self._image(image)} for image in prompt.images
        ]
        documents: list[ContentBlockParam] = [
            {"type": "document", "source": await self._pdf(document)} for document in prompt.documents
        ]
        return [*images, *documents, text]

    async def _image(self, image: MediaSource) -> Base64ImageSourceParam | URLImageSourceParam:
        if image.url is not None and self._takes_addresses():
            return {"type": "url", "url": image.url}
        fetched = await image.fetched()
        media_type = fetched.media_type()
        if media_type not in _IMAGE_TYPES:
            msg = f"An image is of the type {media_type}; taken are {', '.join(_IMAGE_TYPES)}"
            raise InferenceRequestError(msg)
        known = cast("Literal['image/jpeg', 'image/png', 'image/gif', 'image/webp']", media_type)
        return {"type": "base64", "media_type": known, "data": await fetched.as_base64()}

    async def _pdf(self, document: MediaSource) -> Base64PDFSourceParam | URLPDFSourceParam:
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

    def _output_config(self, params: LLMJobParams, json_schema: dict[str, object] | None) -> OutputConfigParam:
        output_config: OutputConfigParam = {}
        if params.reasoning_effort in _EFFORTS:
            output_config["effort"] = _EFFORTS[params.reasoning_effort]
        if json_schema is not None:
            output_config["format"] = {"type": "json_schema", "schema": self._schema(json_schema)}
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


def _without_tuple(schema: dict[str, object]) -> dict[str, object]:
    """Turn a tuple, which the API does not know, into a list of what may stand in it, and describe the order."""
    parts = schema.get("prefixItems")
    if not isinstance(parts, list):
        return schema
    listed = {**describe_keywords(schema, ("prefixItems", "minItems", "maxItems")), "items": {"anyOf": parts}}
    return listed if parts else describe_keywords(schema, ("prefixItems", "minItems", "maxItems"))


def _thinking(effort: ReasoningEffort) -> ThinkingConfigParam:
    """Say whether to think; how long is the effort's matter."""
    return {"type": "disabled"} if effort is ReasoningEffort.NONE else {"type": "adaptive"}


def _piece(event: object, kind: object) -> LLMTextChunk | None:
    """Read an event of a stream; ``None`` where it adds nothing."""
    if kind == "content_block_delta" or word_of(kind) is None:
        delta = field_of(event, "delta")
        text: object = getattr(delta, "text", None)
        if type(text) is not str:
            text = text_of(delta)
        return LLMTextChunk(text=text) if text else None
    if kind == "content_block_start":
        block = field_of(event, "content_block")
        return LLMTextChunk(
            text=text_of(block),
            has_reasoning=has_reasoning([block]),
            has_tool_calls=field_of(block, "type") == "tool_use",
        )
    if kind == "message_start":
        message = field_of(event, "message")
        return LLMTextChunk(
            text="", usage=_usage(field_of(message, "usage")), model_served=word_of(field_of(message, "model"))
        )
    return None


def _last(event: object) -> LLMTextChunk:
    """Read the event that says why the message ended; its counts may leave out what those at its start said."""
    reason, detail = _ending(field_of(event, "delta"))
    return LLMTextChunk(text="", usage=_usage(field_of(event, "usage")), finish_reason=reason, finish_detail=detail)


def _ending(record: object) -> tuple[FinishReason, str | None]:
    """Return why a message ended, and what was said about it."""
    said = word_of(field_of(record, "stop_reason"))
    detail = word_of(field_of(record, "stop_details", "explanation"))
    category = word_of(field_of(record, "stop_details", "category"))
    return _FINISH_REASONS.get(said or "", FinishReason.OTHER), detail or category or said


def _usage(counts: object) -> InferenceUsage | None:
    """Read the counts; Anthropic counts the cached tokens beside the others."""
    return usage_of(
        counts,
        input_tokens="input_tokens+cache_creation_input_tokens+cache_read_input_tokens",
        output_tokens="output_tokens",
        cached_input_tokens="cache_read_input_tokens",
        reasoning_tokens="output_tokens_details.thinking_tokens",
    )
