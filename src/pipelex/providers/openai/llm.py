"""LLM calls by chat completions: OpenAI, Azure OpenAI, and everybody who copied the format."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from openai import AsyncOpenAI

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.answer_parts import json_of
from pipelex.cogt.inference.event_streams import read_json_events
from pipelex.cogt.inference.http_answers import require_event_stream
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.function_tools import function_tools
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.openai.chat_answers import ChunkReader, answer_of
from pipelex.providers.openai.dialects import LIMIT_NAMES, dialect_of
from pipelex.providers.openai.errors import classify
from pipelex.providers.openai.inputs import chat_messages
from pipelex.providers.openai.strict_schema import AnswerSchema
from pipelex.providers.openai.structured import WAYS, ask_for, naming_setting, with_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from openai import AsyncStream
    from openai._legacy_response import LegacyAPIResponse
    from openai.types.chat import ChatCompletionChunk

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob, LLMJobParams

_SAME_NAME = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")


class OpenAICompletionsWorker(SdkWorker[AsyncOpenAI], LLMWorkerAbstract):
    """Serves LLM calls by ``POST /chat/completions``.

    Args:
        sdk_instance: The backend's client.
        inference_model: The model that this worker serves. Its extra ``structured_by`` names the way to a structured
            answer (``"json_schema"``, ``"json_object"`` or ``"tool"``), ``limit_name`` the limit of an answer; with
            ``stream_usage = false`` a stream is not asked for its usage; with ``return_reasoning = false`` the server
            does not get back what its model thought.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        schema, way = self._schema(job)
        request = await self._request(job, schema, way)
        completions = (await self._client()).chat.completions
        create = cast("Callable[..., Awaitable[LegacyAPIResponse[object]]]", completions.with_raw_response.create)
        answer = answer_of(json_of((await create(**request)).http_response.content), by_tool=way == "tool")
        return schema.root.unwrapped_answer(answer) if schema is not None else answer

    def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        schema, way = self._schema(job)
        if way == "tool":
            return self._events_at_once(job)
        events = self._events(job, schema, way)
        return schema.root.unwrapped_events(events) if schema is not None else events

    async def _events_at_once(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        """Yield an answer whole: that in a call is to be read so."""
        yield AnswerDone(answer=await self._generate(job))

    async def _events(self, job: LLMJob, schema: AnswerSchema | None, way: str) -> AsyncIterator[LLMEvent]:
        request = await self._request(job, schema, way)
        if self.inference_model.extras.get("stream_usage") is not False:
            request["stream_options"] = {"include_usage": True}
        create = cast(
            "Callable[..., Awaitable[AsyncStream[ChatCompletionChunk]]]",
            (await self._client()).chat.completions.create,
        )
        stream = await create(**request, stream=True)
        reader = ChunkReader()
        async with stream:
            await require_event_stream(stream.response)
            async with aclosing(read_json_events(stream.response.aiter_bytes(), keys=("choices",))) as chunks:
                async for chunk in chunks:
                    for event in reader.events(chunk):
                        yield event
        for event in reader.end():
            yield event
        if reader.has_ended:
            yield AnswerDone(answer=LLMAnswer())

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return naming_setting(classify(error))

    def _schema(self, job: LLMJob) -> tuple[AnswerSchema | None, str]:
        """Return the schema of the answer, if it has one, and the way to ask for it."""
        if job.params.structured_output is None:
            return None, ""
        way = self.inference_model.choice("structured_by", *WAYS)
        return AnswerSchema.of(dict(job.params.structured_output)), way

    async def _request(self, job: LLMJob, schema: AnswerSchema | None, way: str) -> dict[str, object]:
        """Write a job in the format; what it leaves open is not sent."""
        model, params = self.inference_model, job.params
        options = self._options(params)
        if schema is not None:
            options |= ask_for(schema, way=way, params=params)
            job = with_schema(job, schema) if way == "json_object" else job
        returns_reasoning = model.extras.get("return_reasoning") is not False
        body = {"top_k": params.top_k} if params.top_k is not None else {}  # OpenAI has none; many who copied it do
        return {
            "model": model.model_id,
            "messages": await chat_messages(job.prompt, returns_reasoning=returns_reasoning),
            "extra_headers": model.extra_headers,
            "extra_body": {**body, **model.extra_body, **(params.vendor_params or {})},
            **options,
        }

    def _options(self, params: LLMJobParams) -> dict[str, object]:
        options: dict[str, object] = {
            name: value for name in _SAME_NAME if (value := getattr(params, name)) is not None
        }
        max_tokens = params.max_tokens or self.inference_model.max_output_tokens
        if max_tokens is not None:
            options[self._limit_name()] = max_tokens
        if params.stop:
            options["stop"] = list(params.stop)
        if params.reasoning_effort is not None:
            options["reasoning_effort"] = params.reasoning_effort.value
        if params.top_logprobs is not None:
            options |= {"logprobs": True, "top_logprobs": params.top_logprobs}
        if params.prompt_cache is not None:
            if params.prompt_cache.ttl is not None or params.prompt_cache.key is None:
                raise InferenceRequestError("Chat completions take the 'key' of a prompt_cache, and no 'ttl'")
            options["prompt_cache_key"] = params.prompt_cache.key
        return options | function_tools(params)

    def _limit_name(self) -> str:
        model = self.inference_model
        return model.choice("limit_name", dialect_of(model.sdk).limit_name, *LIMIT_NAMES)
