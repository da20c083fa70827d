"""LLM calls served by Mistral's chat completions."""

from __future__ import annotations

from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any

from mistralai.client.errors import ResponseValidationError
from mistralai.client.models import ChatCompletionRequest, ChatCompletionRequestMessage
from pydantic import TypeAdapter

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.answer_parts import json_of
from pipelex.cogt.inference.event_streams import read_json_events
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.answer_schemas import describe_keywords, has_free_keys, has_look_around, map_schema
from pipelex.cogt.llm.function_tools import function_tools
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.mistral.answers import StreamReader, answer_of
from pipelex.providers.mistral.client import MistralClient
from pipelex.providers.mistral.errors import classify
from pipelex.providers.mistral.messages import chat_messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob, LLMJobParams

_SENT_AS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "random_seed",
}


class MistralLLMWorker(SdkWorker[MistralClient], LLMWorkerAbstract):
    """Serves LLM calls through Mistral's chat completions."""

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        request = await self._request(job)
        try:
            return answer_of(await (await self._client()).sdk.chat.complete_async(**request))
        except ResponseValidationError as exc:
            return answer_of(_plain(exc))

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        reader = StreamReader()
        stream = await (await self._client()).sdk.chat.stream_async(**await self._request(job))
        async with stream, aclosing(read_json_events(stream.response.aiter_bytes(), keys=("choices",))) as pieces:
            async for piece in pieces:
                for event in reader.events(piece):
                    yield event
        for event in reader.end():
            yield event
        if reader.has_ended:
            yield AnswerDone(answer=LLMAnswer())

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _request(self, job: LLMJob) -> dict[str, Any]:
        """Write a job in the format of the SDK's arguments; what it does not set is left to the model."""
        params = job.params
        request: dict[str, Any] = {
            "model": self.inference_model.model_id,
            "messages": _validator().validate_python(await chat_messages(job.prompt)),
            **{sent: value for name, sent in _SENT_AS.items() if (value := getattr(params, name)) is not None},
        }
        max_tokens = params.max_tokens or self.inference_model.max_output_tokens
        if max_tokens is not None:
            request["max_tokens"] = max_tokens
        if params.stop:
            request["stop"] = list(params.stop)
        if params.reasoning_effort is not None:
            request["reasoning_effort"] = params.reasoning_effort.value
        if params.top_logprobs is not None:
            request |= {"logprobs": True, "top_logprobs": params.top_logprobs}
        if params.structured_output is not None:
            request["response_format"] = _answer_format(dict(params.structured_output))
        if params.prompt_cache is not None:
            if params.prompt_cache.ttl is not None or params.prompt_cache.key is None:
                raise InferenceRequestError("Mistral takes the 'key' of a prompt_cache, and no 'ttl'")
            request["prompt_cache_key"] = params.prompt_cache.key
        return request | function_tools(params, required="any") | _vendor_params(params)


@cache
def _validator() -> TypeAdapter[list[ChatCompletionRequestMessage]]:
    """Return what makes the SDK's records of messages: the SDK builds a new one with each request that has none."""
    return TypeAdapter(list[ChatCompletionRequestMessage])


def _vendor_params(params: LLMJobParams) -> dict[str, object]:
    """Return the vendor's own parameters, which the SDK takes as arguments.

    Raises:
        InferenceRequestError: The SDK does not know one of them.
    """
    given = dict(params.vendor_params or {})
    unknown = sorted(given.keys() - (ChatCompletionRequest.model_fields.keys() - {"stream"}))
    if unknown:
        raise InferenceRequestError(f"Mistral's SDK takes no parameter {', '.join(map(repr, unknown))}")
    return given


def _answer_format(json_schema: dict[str, object]) -> dict[str, object]:
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
    answer = json_of(error.body)
    if not isinstance(answer, dict) or not answer.keys() & {"choices", "usage"}:
        raise error
    return answer
