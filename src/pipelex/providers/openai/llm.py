"""LLM calls by chat completions: OpenAI, Azure OpenAI, and everybody who copied the format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypedDict, cast

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceServerError
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.openai.dialects import dialect_of
from pipelex.providers.openai.errors import classify, in_answer
from pipelex.providers.openai.inputs import chat_messages
from pipelex.providers.openai.strict_schema import AnswerSchema
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk
    from openai.types.chat.chat_completion import Choice
    from openai.types.chat.completion_create_params import ResponseFormat

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.providers.openai.dialects import LimitName

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class _Options(TypedDict, total=False):
    """The parameters of a request that may be left to the model."""

    temperature: float
    max_tokens: int
    max_completion_tokens: int
    seed: int
    stop: list[str]
    reasoning_effort: Literal["none", "low", "medium", "high"]
    response_format: ResponseFormat


class OpenAICompletionsWorker(SdkWorker[AsyncOpenAI], LLMWorkerAbstract):
    """Serves LLM calls by ``POST /chat/completions``."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._complete(job, self._options(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        answer = AnswerSchema.of(json_schema)
        options = self._options(job)
        options["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": answer.schema, "strict": answer.is_strict},
        }
        result = await self._complete(job, options)
        return replace(result, content=answer.unwrapped(result.content))

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        usage: InferenceUsage | None = None
        reason: FinishReason | None = None
        served: str | None = None
        client = await self._client()
        stream = await client.chat.completions.create(
            model=self.inference_model.model_id,
            messages=await chat_messages(job.prompt),
            stream=True,
            stream_options={"include_usage": True},
            **self._options(job),
        )
        async with stream:
            async for chunk in stream:
                served = chunk.model or served
                usage = _usage(chunk.usage) or usage
                text, stopped = self._piece(chunk)
                reason = stopped or reason
                if text:
                    yield LLMTextChunk(text=text)
        if reason is None:
            raise InferenceServerError("The stream ended before the answer was whole")
        yield LLMTextChunk(text="", usage=usage, finish_reason=reason, model_served=served)

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _options(self, job: LLMJob) -> _Options:
        """Say how the model is to answer; what the job leaves open is not sent."""
        params = job.params
        options: _Options = {}
        max_tokens = params.max_tokens or self.inference_model.max_output_tokens
        if max_tokens is not None:
            options[self._limit_name()] = max_tokens
        if params.temperature is not None:
            options["temperature"] = params.temperature
        if params.seed is not None:
            options["seed"] = params.seed
        if params.stop:
            options["stop"] = list(params.stop)
        if params.reasoning_effort is not None:
            options["reasoning_effort"] = params.reasoning_effort.value
        return options

    def _limit_name(self) -> LimitName:
        model = self.inference_model
        return cast("LimitName", model.extras.get("limit_name", dialect_of(model.sdk).limit_name))

    async def _complete(self, job: LLMJob, options: _Options) -> InferenceResult[str]:
        client = await self._client()
        completion = await client.chat.completions.create(
            model=self.inference_model.model_id, messages=await chat_messages(job.prompt), **options
        )
        choice = self._first_choice(completion)
        content = choice.message.content
        reason = _reason(choice.finish_reason) or FinishReason.OTHER
        if choice.message.refusal:
            reason = FinishReason.CONTENT_FILTER
        if content is None and reason is FinishReason.STOP:
            raise InferenceInvalidAnswerError("The answer holds no text")
        return InferenceResult(
            content=content or "", usage=_usage(completion.usage), finish_reason=reason, model_served=completion.model
        )

    def _first_choice(self, completion: ChatCompletion) -> Choice:
        """Return the answer; the SDK hands on whatever came, so a look-alike's oddities are met here."""
        if not isinstance(completion, ChatCompletion):
            raise InferenceInvalidAnswerError("The answer is no chat completion")
        self._raise_error_in(completion.model_extra)
        choice = next(iter(completion.choices or ()), None)
        if choice is None or choice.message is None:
            raise InferenceInvalidAnswerError("The answer holds no choice")
        self._raise_error_in(choice.model_extra)
        return choice

    def _piece(self, chunk: ChatCompletionChunk) -> tuple[str, FinishReason | None]:
        """Return the new text of a chunk and why the answer ended, where it did."""
        self._raise_error_in(chunk.model_extra)
        choice = next(iter(chunk.choices or ()), None)
        if choice is None:
            return "", None
        if choice.delta.refusal:
            return "", FinishReason.CONTENT_FILTER
        return choice.delta.content or "", _reason(choice.finish_reason)

    def _raise_error_in(self, extra: dict[str, object] | None) -> None:
        error = in_answer(extra)
        if error is not None:
            raise error


def _reason(reason: str | None) -> FinishReason | None:
    return _FINISH_REASONS.get(reason, FinishReason.OTHER) if reason else None


def _usage(usage: CompletionUsage | None) -> InferenceUsage | None:
    if usage is None:
        return None
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return InferenceUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_input_tokens=read.cached_tokens if read is not None else None,
        reasoning_tokens=written.reasoning_tokens if written is not None else None,
    )
