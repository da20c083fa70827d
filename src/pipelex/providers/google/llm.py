"""LLM calls served by Gemini."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from google.genai.types import (
    AutomaticFunctionCallingConfig,
    Content,
    GenerateContentConfig,
    Part,
    ThinkingConfig,
    ThinkingLevel,
)
from httpx2 import Response

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.inference_result import InferenceResult, PartialAnswer
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk, ReasoningEffort
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.google.client import GoogleClient, remember_responses
from pipelex.providers.google.content import all_parts, ending_of, file_parts, text_of, usage_of
from pipelex.providers.google.errors import classify

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from google.genai.types import GenerateContentResponse

    from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams

_LEVELS = {
    ReasoningEffort.LOW: ThinkingLevel.LOW,
    ReasoningEffort.MEDIUM: ThinkingLevel.MEDIUM,
    ReasoningEffort.HIGH: ThinkingLevel.HIGH,
}
# Models before Gemini 3 take tokens in place of a level; these are the numbers that Google's own OpenAI-compatible
# endpoint uses (ai.google.dev/gemini-api/docs/openai).
_BUDGETS = {
    ReasoningEffort.NONE: 0,
    ReasoningEffort.LOW: 1024,
    ReasoningEffort.MEDIUM: 8192,
    ReasoningEffort.HIGH: 24576,
}


class GoogleLLMWorker(SdkWorker[GoogleClient], LLMWorkerAbstract):
    """Serves LLM calls through Gemini's generateContent.

    Args:
        sdk_instance: The backend's client.
        inference_model: The model that this worker serves. With the extra ``thinking = "budget"`` its reasoning
            effort is said in tokens, as models before Gemini 3 want it.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    streams_name_their_end = True

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._ask(job, self._config(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        config = self._config(job)
        config.response_mime_type = "application/json"
        config.response_json_schema = json_schema
        return await self._ask(job, config)

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        async with aclosing(self._responses(job)) as responses:
            async for response in responses:
                reason, detail = ending_of(response)
                yield LLMTextChunk(
                    text=text_of(response),
                    usage=usage_of(response),  # each piece has the counts so far
                    finish_reason=reason,
                    finish_detail=detail,
                    model_served=response.model_version,
                    has_reasoning=_reasons(response),
                    has_tool_calls=_calls_tools(response),
                )

    async def _responses(self, job: LLMJob) -> AsyncGenerator[GenerateContentResponse, None]:
        """Draw the pieces of a stream, and close what is below it, which the SDK would leave open."""
        opened: list[Response] = []
        models = (await self._client()).models
        stream = await models.generate_content_stream(
            model=self.inference_model.model_id, contents=await self._contents(job), config=self._config(job)
        )
        try:
            while True:
                with remember_responses(opened):
                    response = await anext(stream, None)
                if response is None:
                    return
                yield response
        finally:
            for http_response in opened:
                await http_response.aclose()

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    async def _ask(self, job: LLMJob, config: GenerateContentConfig) -> InferenceResult[str]:
        models = (await self._client()).models
        contents, opened = await self._contents(job), list[Response]()
        with remember_responses(opened):
            response = await models.generate_content(
                model=self.inference_model.model_id, contents=contents, config=config
            )
        reason, detail = ending_of(response)
        if reason is None and not response.model_fields_set & {"candidates", "usage_metadata"}:
            raise InferenceError.from_answer(opened[-1].content, expected="an answer with a candidate")
        if reason is None:
            served = response.model_version
            answer = PartialAnswer(text=text_of(response), usage=usage_of(response), model_served=served)
            msg = "The answer holds no candidate that was brought to an end"
            raise InferenceInvalidAnswerError(msg, answer=answer)
        return InferenceResult(
            content=text_of(response),
            usage=usage_of(response),
            finish_reason=reason,
            finish_detail=detail,
            model_served=response.model_version,
            has_reasoning=_reasons(response),
            has_tool_calls=_calls_tools(response),
        )

    async def _contents(self, job: LLMJob) -> list[Content]:
        """Return what the user says, the files before the text that speaks of them."""
        files = await file_parts((*job.prompt.images, *job.prompt.documents))
        return [Content(role="user", parts=[*files, Part.from_text(text=job.prompt.user_text)])]

    def _config(self, job: LLMJob) -> GenerateContentConfig:
        """Say how to answer; what the job does not set is left to the model."""
        params = job.params
        return GenerateContentConfig(
            system_instruction=job.prompt.system_text,
            temperature=params.temperature,
            max_output_tokens=params.max_tokens or self.inference_model.max_output_tokens,
            seed=params.seed,
            stop_sequences=list(params.stop) or None,
            thinking_config=self._thinking(params),
            automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
        )

    def _thinking(self, params: LLMJobParams) -> ThinkingConfig | None:
        effort = params.reasoning_effort
        if effort is None:
            return None
        if self.inference_model.extras.get("thinking") == "budget":
            return ThinkingConfig(thinking_budget=_BUDGETS[effort])
        if effort not in _LEVELS:
            msg = f"Gemini always thinks: reasoning_effort '{effort}' is none of {', '.join(_LEVELS)}"
            raise InferenceRequestError(msg)
        return ThinkingConfig(thinking_level=_LEVELS[effort])


def _reasons(response: GenerateContentResponse) -> bool:
    return any(part.thought for part in all_parts(response))


def _calls_tools(response: GenerateContentResponse) -> bool:
    return any(part.function_call is not None for part in all_parts(response))
