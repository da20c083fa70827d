"""LLM calls served by Claude: by Anthropic's own API, or on Amazon Bedrock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from anthropic import AsyncAnthropic, AsyncAnthropicBedrock, transform_schema
from anthropic.types import Message

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError, InferenceServerError
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk, ReasoningEffort
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.anthropic.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anthropic.types import (
        Base64ImageSourceParam,
        Base64PDFSourceParam,
        MessageDeltaUsage,
        OutputConfigParam,
        ThinkingConfigParam,
        URLImageSourceParam,
        URLPDFSourceParam,
        Usage,
    )
    from anthropic.types.content_block_param import ContentBlockParam
    from anthropic.types.message_create_params import MessageCreateParamsBase

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams

_FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
}
_EFFORTS: dict[ReasoningEffort, Literal["low", "medium", "high"]] = {
    ReasoningEffort.LOW: "low",
    ReasoningEffort.MEDIUM: "medium",
    ReasoningEffort.HIGH: "high",
}
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_MAX_TOKENS = 8192  # the API wants a limit; this is it where neither the job nor the catalogue says


class AnthropicLLMWorker(SdkWorker[AsyncAnthropic | AsyncAnthropicBedrock], LLMWorkerAbstract):
    """Serves LLM calls through Anthropic's messages API."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._ask(job)

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        return await self._ask(job, json_schema)

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        request = await self._request(job)
        usage: InferenceUsage | None = None
        reason: FinishReason | None = None
        ended = False
        messages = (await self._client()).messages
        async with await messages.create(**request, stream=True, extra_body=_extra_body(job.params)) as events:
            async for event in events:
                if event.type == "content_block_delta":
                    if event.delta.type == "text_delta":
                        yield LLMTextChunk(text=event.delta.text)
                elif event.type == "message_start":
                    usage = _usage(event.message.usage)
                    yield LLMTextChunk(text="", usage=usage, model_served=event.message.model)
                elif event.type == "message_delta":
                    usage = _usage(event.usage, at_start=usage)
                    reason = _FINISH_REASONS.get(event.delta.stop_reason or "", FinishReason.OTHER)
                elif event.type == "message_stop":
                    ended = True
        if not ended:
            raise InferenceServerError("The stream ended before the answer was whole")
        yield LLMTextChunk(text="", usage=usage, finish_reason=reason)

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _ask(self, job: LLMJob, json_schema: dict[str, object] | None = None) -> InferenceResult[str]:
        request = await self._request(job, json_schema)
        messages = (await self._client()).messages
        message: object = await messages.create(**request, extra_body=_extra_body(job.params))
        # The SDK neither looks whether the answer is JSON nor whether it is a message.
        if not isinstance(message, Message) or not {"content", "usage"} <= message.model_fields_set:
            raise InferenceInvalidAnswerError("The answer is no message of Anthropic's API")
        return InferenceResult(
            content="".join(block.text for block in message.content if block.type == "text"),
            usage=_usage(message.usage),
            finish_reason=_FINISH_REASONS.get(message.stop_reason or "", FinishReason.OTHER),
            model_served=message.model,
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
        if _has_open_object(json_schema):
            msg = "Anthropic's structured output knows no objects with free keys (dict): use a list of key and value"
            raise InferenceRequestError(msg)
        try:
            return transform_schema(json_schema)
        except ValueError as exc:
            raise InferenceRequestError(f"The type asked for cannot be met: {exc}") from exc


def _has_open_object(schema: object) -> bool:
    if isinstance(schema, list):
        return any(_has_open_object(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    return bool(schema.get("additionalProperties")) or any(_has_open_object(value) for value in schema.values())


def _thinking(effort: ReasoningEffort) -> ThinkingConfigParam:
    """Say whether to think; how long is the effort's matter."""
    return {"type": "disabled"} if effort is ReasoningEffort.NONE else {"type": "adaptive"}


def _extra_body(params: LLMJobParams) -> dict[str, object] | None:
    """Return what older models take and the SDK's signature no longer has."""
    return {"temperature": params.temperature} if params.temperature is not None else None


def _usage(counts: Usage | MessageDeltaUsage, at_start: InferenceUsage | None = None) -> InferenceUsage:
    """Read the counts; those at a stream's end may leave out what its start said."""
    details = counts.output_tokens_details
    cached = counts.cache_read_input_tokens
    usage = InferenceUsage(
        input_tokens=None
        if counts.input_tokens is None
        else counts.input_tokens + (counts.cache_creation_input_tokens or 0) + (cached or 0),
        output_tokens=counts.output_tokens,
        cached_input_tokens=cached,
        reasoning_tokens=details.thinking_tokens if details is not None else None,
    )
    if usage.input_tokens is None and at_start is not None:
        return InferenceUsage(
            input_tokens=at_start.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=at_start.cached_input_tokens,
            reasoning_tokens=usage.reasoning_tokens,
        )
    return usage
