"""LLM calls served by Mistral's chat completions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mistralai.client.errors import ResponseValidationError
from mistralai.client.models import UsageInfo
from mistralai.client.utils.eventstreaming import EventStreamAsync
from mistralai.client.utils.unmarshal_json_response import unmarshal_json_response

from pipelex.cogt.exceptions import InferenceError, InferenceServerError
from pipelex.cogt.inference.answer_parts import field_of, has_reasoning, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.http_answers import refuse_error_event, require_event_stream
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult, PartialAnswer
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.answer_schemas import describe_keywords, has_free_keys, has_look_around, map_schema
from pipelex.cogt.llm.llm_job import LLMTextChunk
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.mistral.client import MistralClient
from pipelex.providers.mistral.errors import classify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mistralai.client.models import (
        ChatCompletionRequestMessageTypedDict,
        ChatCompletionRequestTypedDict,
        ContentChunkTypedDict,
        ResponseFormatTypedDict,
    )

    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.reporting.reporting_protocol import InferenceUsage

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class MistralLLMWorker(SdkWorker[MistralClient], LLMWorkerAbstract):
    """Serves LLM calls through Mistral's chat completions."""

    streams_name_their_end = True

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._ask(await self._request(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        request = await self._request(job)
        request["response_format"] = _answer_format(json_schema)
        return await self._ask(request)

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        async with await (await self._client()).sdk.chat.stream_async(**await self._request(job)) as events:
            http = events.response
            await require_event_stream(http)
            # The SDK refuses a piece whole where one field of it is null or of another type: it is read as plain JSON.
            decoded = EventStreamAsync[object](http, lambda raw: unmarshal_json_response(object, http, raw), "[DONE]")
            async for event in decoded:
                piece = _piece(field_of(event, "data"))
                if piece is not None:
                    yield piece

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _ask(self, request: ChatCompletionRequestTypedDict) -> InferenceResult[str]:
        try:
            response: object = await (await self._client()).sdk.chat.complete_async(**request)
        except ResponseValidationError as exc:
            response = _plain(exc)
        usage, served = _usage(field_of(response, "usage")), word_of(field_of(response, "model"))
        choice = next(iter(items_of(field_of(response, "choices"))), None)
        if choice is None:
            answer = PartialAnswer(usage=usage, model_served=served)
            raise InferenceError.from_answer(response, expected="a completion with a choice", known=answer)
        content = field_of(choice, "message", "content")
        reason, detail = _ending(choice)
        return InferenceResult(
            content=text_of(content),
            usage=usage,
            finish_reason=reason or FinishReason.OTHER,
            finish_detail=detail,
            model_served=served,
            has_reasoning=has_reasoning(content),
            has_tool_calls=bool(field_of(choice, "message", "tool_calls")),
        )

    async def _request(self, job: LLMJob) -> ChatCompletionRequestTypedDict:
        """Say a job in the chat completions format; what it does not set is left to the model."""
        params, prompt = job.params, job.prompt
        messages: list[ChatCompletionRequestMessageTypedDict] = []
        if prompt.system_text is not None:
            messages.append({"role": "system", "content": prompt.system_text})
        messages.append({"role": "user", "content": await _content(job)})
        request: ChatCompletionRequestTypedDict = {"model": self.inference_model.model_id, "messages": messages}
        max_tokens = params.max_tokens or self.inference_model.max_output_tokens
        if max_tokens is not None:
            request["max_tokens"] = max_tokens
        if params.temperature is not None:
            request["temperature"] = params.temperature
        if params.seed is not None:
            request["random_seed"] = params.seed
        if params.stop:
            request["stop"] = list(params.stop)
        if params.reasoning_effort is not None:
            request["reasoning_effort"] = params.reasoning_effort.value
        return request


async def _content(job: LLMJob) -> str | list[ContentChunkTypedDict]:
    """Return what the user says, the files before the text that speaks of them."""
    prompt = job.prompt
    if not prompt.images and not prompt.documents:
        return prompt.user_text
    chunks: list[ContentChunkTypedDict] = [
        {"type": "image_url", "image_url": await address(image)} for image in prompt.images
    ]
    chunks += [{"type": "document_url", "document_url": await address(document)} for document in prompt.documents]
    return [*chunks, {"type": "text", "text": prompt.user_text}]


async def address(source: MediaSource) -> str:
    """Return the address of a file, made of its bytes where it has none: Mistral fetches the others by itself."""
    return source.url if source.url is not None else await source.as_data_url()


def _answer_format(json_schema: dict[str, object]) -> ResponseFormatTypedDict:
    """Ask for JSON that fits a schema: strictly, which takes schemas without free keys only."""
    strict = not has_free_keys(json_schema)
    definition = map_schema(json_schema, _closed) if strict else json_schema
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema_definition": definition, "strict": strict},
    }


def _closed(schema: dict[str, object]) -> dict[str, object]:
    """Return a schema whose objects take no other keys than theirs, with no pattern that looks ahead or behind."""
    kept = describe_keywords(schema, ("pattern",)) if has_look_around(schema) else schema
    return {**kept, "additionalProperties": False} if kept.get("type") == "object" else kept


def _plain(error: ResponseValidationError) -> dict[str, object]:
    """Return an answer that the SDK refuses, because a field of it is null or of another type, as plain JSON.

    Raises:
        ResponseValidationError: It is something else than a chat completion.
    """
    try:
        answer = json.loads(error.body)
    except ValueError:
        raise error from None
    if not isinstance(answer, dict) or not answer.keys() & {"choices", "usage"}:
        raise error
    return answer


def _piece(data: object) -> LLMTextChunk | None:
    """Read an event of a stream; ``None`` where it adds nothing."""
    usage = _usage(field_of(data, "usage"))
    choice = next(iter(items_of(field_of(data, "choices"))), None)
    if choice is None:
        refuse_error_event(data)
    delta = field_of(choice, "delta") or field_of(choice, "message")  # some servers send the whole answer as one event
    content = field_of(delta, "content")
    reason, detail = _ending(choice)
    piece = LLMTextChunk(
        text=text_of(content),
        usage=usage,
        finish_reason=reason,
        finish_detail=detail,
        model_served=word_of(field_of(data, "model")),
        has_reasoning=has_reasoning(content),
        has_tool_calls=bool(field_of(delta, "tool_calls")),
    )
    return piece if choice is not None or usage is not None else None


def _ending(choice: object) -> tuple[FinishReason | None, str | None]:
    """Return why the answer ended; ``None`` where it is not said.

    Raises:
        InferenceServerError: The model stopped with an error.
    """
    said = word_of(field_of(choice, "finish_reason"))
    if said == "error":
        raise InferenceServerError("The model stopped with an error")
    return (_FINISH_REASONS.get(said, FinishReason.OTHER) if said is not None else None), said


def _usage(counts: object) -> InferenceUsage | None:
    """Read the counts; the SDK puts in zeros where the vendor said nothing."""
    return usage_of(
        counts.model_dump(exclude_unset=True) if isinstance(counts, UsageInfo) else counts,
        input_tokens="prompt_tokens",
        output_tokens="completion_tokens",
        cached_input_tokens="num_cached_tokens|prompt_tokens_details.cached_tokens",
    )
