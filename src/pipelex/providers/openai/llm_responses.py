"""LLM calls by OpenAI's Responses API, at OpenAI, at Azure and behind gateways."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from openai import AsyncOpenAI

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.inference.answer_parts import json_of
from pipelex.cogt.inference.event_streams import read_json_events
from pipelex.cogt.inference.http_answers import require_event_stream
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import ReasoningEffort
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.openai.errors import classify
from pipelex.providers.openai.response_answers import EventReader, answer_of
from pipelex.providers.openai.response_inputs import response_input
from pipelex.providers.openai.strict_schema import AnswerSchema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from openai import AsyncStream
    from openai._legacy_response import LegacyAPIResponse
    from openai.types.responses import ResponseStreamEvent
    from openai.types.responses.input_token_count_response import InputTokenCountResponse

    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMEvent, LLMJob, LLMJobParams

_NOT_TAKEN = ("seed", "stop", "top_k", "presence_penalty", "frequency_penalty")
_COUNTED = ("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning")


class OpenAIResponsesWorker(SdkWorker[AsyncOpenAI], LLMWorkerAbstract):
    """Serves LLM calls by ``POST /responses``. Nothing is stored at the vendor's."""

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        schema = _schema(job.params)
        responses = (await self._client()).responses
        create = cast("Callable[..., Awaitable[LegacyAPIResponse[object]]]", responses.with_raw_response.create)
        response = json_of((await create(**await self._request(job, schema))).http_response.content)
        if not isinstance(response, dict) or not response.keys() & {"output", "status", "usage"}:
            raise InferenceError.from_answer(response, expected="a response of the Responses API")
        answer = answer_of(response)
        return schema.root.unwrapped_answer(answer) if schema is not None else answer

    def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        schema = _schema(job.params)
        events = self._events(job, schema)
        return schema.root.unwrapped_events(events) if schema is not None else events

    async def _events(self, job: LLMJob, schema: AnswerSchema | None) -> AsyncIterator[LLMEvent]:
        create = cast(
            "Callable[..., Awaitable[AsyncStream[ResponseStreamEvent]]]", (await self._client()).responses.create
        )
        stream, reader = await create(**await self._request(job, schema), stream=True), EventReader()
        async with stream:
            await require_event_stream(stream.response)
            async with aclosing(read_json_events(stream.response.aiter_bytes(), keys=("type", "output"))) as events:
                async for event in events:
                    for made in reader.events(event):
                        yield made

    async def _count_tokens(self, job: LLMJob) -> int:
        request = await self._request(job, _schema(job.params))
        counter = (await self._client()).responses.input_tokens.count
        count = cast("Callable[..., Awaitable[InputTokenCountResponse]]", counter)
        counted = await count(**{name: request[name] for name in _COUNTED if name in request})
        return counted.input_tokens

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _request(self, job: LLMJob, schema: AnswerSchema | None) -> dict[str, object]:
        """Write a job in the format; what it leaves open is not sent."""
        model, params = self.inference_model, job.params
        for name in _NOT_TAKEN:
            if getattr(params, name) not in (None, ()):
                msg = f"The Responses API takes no '{name}': leave it out, or reach the model by chat completions"
                raise InferenceRequestError(msg)
        options: dict[str, object] = {
            "instructions": job.prompt.system_text,
            "temperature": params.temperature,
            "top_p": params.top_p,
            "max_output_tokens": params.max_tokens or model.max_output_tokens,
            "top_logprobs": params.top_logprobs,
            "text": _format(schema) if schema is not None else None,
            "reasoning": _reasoning(params),
            "include": _included(params),
        }
        return {
            "model": model.model_id,
            "input": await response_input(job.prompt),
            "store": False,
            "extra_headers": model.extra_headers,
            "extra_body": {**model.extra_body, **(params.vendor_params or {})},
            **{name: value for name, value in options.items() if value not in (None, {}, [])},
            **_tools(params),
            **_cache(params),
        }


def _schema(params: LLMJobParams) -> AnswerSchema | None:
    return None if params.structured_output is None else AnswerSchema.of(dict(params.structured_output))


def _format(schema: AnswerSchema) -> dict[str, object]:
    answer = {"type": "json_schema", "name": "answer", "schema": schema.schema, "strict": schema.is_strict}
    return {"format": answer}


def _reasoning(params: LLMJobParams) -> dict[str, object]:
    reasoning: dict[str, object] = {}
    if params.reasoning_effort is not None:
        reasoning["effort"] = params.reasoning_effort.value
    if params.show_reasoning:
        reasoning["summary"] = "auto"
    return reasoning


def _included(params: LLMJobParams) -> list[str]:
    """Return what is to come beside the answer; models that do not think refuse to be asked for thoughts."""
    thinks = params.show_reasoning or params.reasoning_effort not in (None, ReasoningEffort.NONE)
    included = ["reasoning.encrypted_content"] if thinks else []
    return included + (["message.output_text.logprobs"] if params.top_logprobs is not None else [])


def _tools(params: LLMJobParams) -> dict[str, object]:
    request: dict[str, object] = {}
    if params.tools:
        request["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.json_schema),
                "strict": False,
            }
            for tool in params.tools
        ]
    choice = params.tool_choice
    if choice is not None:
        request["tool_choice"] = {"type": "function", "name": choice.name} if choice.name else choice.mode.value
    if params.single_tool_call:
        request["parallel_tool_calls"] = False
    return request


def _cache(params: LLMJobParams) -> dict[str, object]:
    cache = params.prompt_cache
    if cache is None:
        return {}
    if cache.ttl is not None or cache.key is None:
        raise InferenceRequestError("The Responses API takes the 'key' of a prompt_cache, and no 'ttl' of 5m or 1h")
    return {"prompt_cache_key": cache.key}
