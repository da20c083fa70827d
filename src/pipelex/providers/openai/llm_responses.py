"""LLM calls by OpenAI's Responses API, at OpenAI, at Azure and behind gateways."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, cast

from openai import AsyncOpenAI
from openai.types.responses import Response

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError, InferenceServerError
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.openai.errors import classify, of_code
from pipelex.providers.openai.inputs import response_content
from pipelex.providers.openai.strict_schema import AnswerSchema
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openai.types.responses import ResponseInputParam, ResponseStreamEvent, ResponseTextConfigParam, ResponseUsage
    from openai.types.shared_params import Reasoning

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMJob

_REASONS_OF_INCOMPLETE = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class _Options(TypedDict, total=False):
    """The parameters of a request that may be left to the model."""

    instructions: str
    temperature: float
    max_output_tokens: int
    reasoning: Reasoning
    text: ResponseTextConfigParam


class OpenAIResponsesWorker(SdkWorker[AsyncOpenAI], LLMWorkerAbstract):
    """Serves LLM calls by ``POST /responses``. Nothing is stored at the vendor's."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._respond(job, self._options(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        answer = AnswerSchema.of(json_schema)
        options = self._options(job)
        options["text"] = {
            "format": {"type": "json_schema", "name": "answer", "schema": answer.schema, "strict": answer.is_strict}
        }
        result = await self._respond(job, options)
        return replace(result, content=answer.unwrapped(result.content))

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        last: LLMTextChunk | None = None
        options = self._options(job)
        client = await self._client()
        stream = await client.responses.create(
            model=self.inference_model.model_id,
            input=await self._input(job),
            store=False,
            stream=True,
            **options,
        )
        async with stream:
            async for event in stream:
                chunk = self._chunk(event)
                if chunk is not None and chunk.finish_reason is not None:
                    last = chunk
                elif chunk is not None:
                    yield chunk
        if last is None:
            raise InferenceServerError("The stream ended before the answer was whole")
        yield last

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _options(self, job: LLMJob) -> _Options:
        """Say how the model is to answer; what the job leaves open is not sent."""
        params = job.params
        for name in ("seed", "stop"):
            if getattr(params, name) not in (None, ()):
                msg = f"The Responses API takes no '{name}': leave it out, or reach the model by chat completions"
                raise InferenceRequestError(msg)
        effort = params.reasoning_effort
        options: dict[str, object] = {
            "instructions": job.prompt.system_text,
            "temperature": params.temperature,
            "max_output_tokens": params.max_tokens or self.inference_model.max_output_tokens,
            "reasoning": {"effort": effort.value} if effort is not None else None,
        }
        return cast("_Options", {name: value for name, value in options.items() if value is not None})

    async def _input(self, job: LLMJob) -> ResponseInputParam:
        return [{"type": "message", "role": "user", "content": await response_content(job.prompt)}]

    async def _respond(self, job: LLMJob, options: _Options) -> InferenceResult[str]:
        client = await self._client()
        response: object = await client.responses.create(
            model=self.inference_model.model_id, input=await self._input(job), store=False, **options
        )  # the SDK validates nothing
        if not isinstance(response, Response) or "output" not in response.model_fields_set:
            raise InferenceInvalidAnswerError("The answer is no response of the Responses API")
        return self._result(response)

    def _result(self, response: Response) -> InferenceResult[str]:
        if response.error is not None:
            raise of_code(
                response.error.code,
                message=response.error.message,
            )
        return InferenceResult(
            content=response.output_text,
            usage=_usage(response.usage),
            finish_reason=_reason(response),
            model_served=response.model,
        )

    def _chunk(self, event: ResponseStreamEvent) -> LLMTextChunk | None:
        """Say an event as a piece of the answer; only the last piece has a finish reason."""
        match event.type:
            case "response.output_text.delta":
                return LLMTextChunk(text=event.delta)
            case "response.completed" | "response.incomplete" | "response.failed":
                result = self._result(event.response)
                return LLMTextChunk(
                    text="",
                    usage=result.usage,
                    finish_reason=result.finish_reason,
                    model_served=result.model_served,
                )
            case "error":
                raise of_code(
                    event.code,
                    message=event.message,
                )
        return None


def _reason(response: Response) -> FinishReason:
    """Return why the answer ended; a refusal is a part of the answer, not a status."""
    if any(part.type == "refusal" for item in response.output if item.type == "message" for part in item.content):
        return FinishReason.CONTENT_FILTER
    if response.status == "completed":
        return FinishReason.STOP
    detail = response.incomplete_details
    return _REASONS_OF_INCOMPLETE.get((detail and detail.reason) or "", FinishReason.OTHER)


def _usage(usage: ResponseUsage | None) -> InferenceUsage | None:
    if usage is None:
        return None
    return InferenceUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=getattr(usage.input_tokens_details, "cached_tokens", None),  # look-alikes leave them out
        reasoning_tokens=getattr(usage.output_tokens_details, "reasoning_tokens", None),
    )
