"""LLM calls served by Mistral's chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mistralai.client.models import TextChunk

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceServerError
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.mistral.client import MistralClient
from pipelex.providers.mistral.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mistralai.client.models import (
        ChatCompletionRequestMessageTypedDict,
        ChatCompletionRequestTypedDict,
        ContentChunkTypedDict,
        ResponseFormatTypedDict,
        UsageInfo,
    )

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMJob

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class MistralLLMWorker(SdkWorker[MistralClient], LLMWorkerAbstract):
    """Serves LLM calls through Mistral's chat completions."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._ask(await self._request(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        request = await self._request(job)
        request["response_format"] = _answer_format(json_schema)
        return await self._ask(request)

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        usage: InferenceUsage | None = None
        reason: FinishReason | None = None
        async with await (await self._client()).sdk.chat.stream_async(**await self._request(job)) as events:
            async for event in events:
                usage = _usage(event.data.usage) or usage
                for choice in event.data.choices[:1]:
                    reason = self._reason(choice.finish_reason) if choice.finish_reason else reason
                    yield LLMTextChunk(text=_text(choice.delta.content), model_served=event.data.model)
        if reason is None:
            raise InferenceServerError("The stream ended before the answer was whole")
        yield LLMTextChunk(text="", usage=usage, finish_reason=reason)

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _reason(self, said: str) -> FinishReason:
        if said == "error":
            raise InferenceServerError("The model stopped with an error")
        return _FINISH_REASONS.get(said, FinishReason.OTHER)

    async def _ask(self, request: ChatCompletionRequestTypedDict) -> InferenceResult[str]:
        response = await (await self._client()).sdk.chat.complete_async(**request)
        choice = next(iter(response.choices), None)
        if choice is None or choice.message is None:
            raise InferenceInvalidAnswerError("The answer holds no choice")
        return InferenceResult(
            content=_text(choice.message.content),
            usage=_usage(response.usage),
            finish_reason=self._reason(choice.finish_reason),
            model_served=response.model,
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
    strict = not _has_free_keys(json_schema)
    definition = _closed(json_schema) if strict else json_schema
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema_definition": definition, "strict": strict},
    }


def _has_free_keys(node: object) -> bool:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    open_here = isinstance(node, dict) and bool(node.get("additionalProperties"))
    return open_here or any(_has_free_keys(child) for child in children)


def _closed(schema: dict[str, object]) -> dict[str, object]:
    """Return a schema whose objects say that they take no other keys than theirs."""

    def close(node: object) -> object:
        if isinstance(node, list):
            return [close(item) for item in node]
        return _closed(node) if isinstance(node, dict) else node

    closed = {key: close(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if closed.get("type") == "object" else closed


def _text(content: object) -> str:
    """Return the text of an answer: as it is, or of its pieces those that are no thoughts."""
    if isinstance(content, str):
        return content
    return "".join(chunk.text for chunk in content if isinstance(chunk, TextChunk)) if isinstance(content, list) else ""


def _usage(counts: UsageInfo | None) -> InferenceUsage | None:
    """Read the counts; the SDK puts in zeros where the vendor said nothing."""
    if counts is None or not counts.model_fields_set:
        return None
    said = counts.model_dump(exclude_unset=True)
    details = said.get("prompt_tokens_details")
    cached = said.get("num_cached_tokens", details.get("cached_tokens") if isinstance(details, dict) else None)
    return InferenceUsage(
        input_tokens=said.get("prompt_tokens"), output_tokens=said.get("completion_tokens"), cached_input_tokens=cached
    )
