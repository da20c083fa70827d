"""LLM calls served by Gemini."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from google.genai.types import (
    AutomaticFunctionCallingConfig,
    FunctionCallingConfig,
    FunctionCallingConfigMode,
    FunctionDeclaration,
    HttpOptions,
    ThinkingConfig,
    ThinkingLevel,
    Tool,
    ToolConfig,
)

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, ReasoningEffort, ToolChoiceMode
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.google.answers import StreamReader, answer_of
from pipelex.providers.google.client import GoogleClient, RequestConfig, remember_responses
from pipelex.providers.google.content import ending_of
from pipelex.providers.google.errors import classify
from pipelex.providers.google.messages import contents_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from google.genai.types import GenerateContentResponse, ToolListUnion
    from httpx2 import Response

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob, LLMJobParams, ToolChoice

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
_MODES = {
    ToolChoiceMode.AUTO: FunctionCallingConfigMode.AUTO,
    ToolChoiceMode.NONE: FunctionCallingConfigMode.NONE,
    ToolChoiceMode.REQUIRED: FunctionCallingConfigMode.ANY,
}


class GoogleLLMWorker(SdkWorker[GoogleClient], LLMWorkerAbstract):
    """Serves LLM calls through Gemini's generateContent.

    Args:
        sdk_instance: The backend's client.
        inference_model: The model that this worker serves. With the extra ``thinking = "budget"`` its reasoning
            effort is said in tokens, as models before Gemini 3 want it.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        client, contents = await self._client(), await contents_of(job.prompt)
        response = await client.generate(
            model_id=self.inference_model.model_id, contents=contents, config=self._config(job)
        )
        answer = answer_of(response)
        if ending_of(response)[0] is not None:
            return answer
        msg = "The answer holds no candidate that was brought to an end"
        raise InferenceInvalidAnswerError(msg, answer=answer)

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        reader = StreamReader()
        async with aclosing(self._responses(job)) as responses:
            async for response in responses:
                for event in reader.events(response):
                    yield event
        for event in reader.end():
            yield event
        if reader.has_ended:
            yield AnswerDone(answer=LLMAnswer())

    async def _count_tokens(self, job: LLMJob) -> int:
        client = await self._client()
        contents, config = await contents_of(job.prompt), self._config(job)
        counted = await client.count_tokens(model_id=self.inference_model.model_id, contents=contents, config=config)
        if counted is None:
            raise InferenceInvalidAnswerError("The answer holds no count of tokens")
        return counted

    async def _responses(self, job: LLMJob) -> AsyncGenerator[GenerateContentResponse, None]:
        """Draw the pieces of a stream, and close what is below it, which the SDK would leave open."""
        opened: list[Response] = []
        models = (await self._client()).models
        stream = await models.generate_content_stream(
            model=self.inference_model.model_id, contents=list(await contents_of(job.prompt)), config=self._config(job)
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

    def _config(self, job: LLMJob) -> RequestConfig:
        """Write how to answer; what the job does not set is left to the model.

        Raises:
            InferenceRequestError: Gemini has no parameter for something that the job sets.
        """
        params, model = job.params, self.inference_model
        wishes = {"single_tool_call": params.single_tool_call, "prompt_cache": params.prompt_cache is not None}
        unknown = [name for name, is_set in wishes.items() if is_set]
        if unknown:
            raise InferenceRequestError(f"Gemini knows no {', '.join(unknown)}. Take it from 'capabilities'")
        config = RequestConfig(
            system_instruction=job.prompt.system_text,
            temperature=params.temperature,
            top_p=params.top_p,
            top_k=params.top_k,
            max_output_tokens=params.max_tokens or model.max_output_tokens,
            seed=params.seed,
            stop_sequences=list(params.stop) or None,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            thinking_config=self._thinking(params),
            tools=_tools(params),
            tool_config=_tool_config(params.tool_choice),
            automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
            http_options=self._http_options(params),
        )
        if params.top_logprobs is not None:
            config.response_logprobs, config.logprobs = True, params.top_logprobs
        if params.structured_output is not None:
            config.response_mime_type = "application/json"
            config.response_json_schema = dict(params.structured_output)
        return config

    def _thinking(self, params: LLMJobParams) -> ThinkingConfig | None:
        effort, shown = params.reasoning_effort, params.show_reasoning or None
        if effort is None:
            return ThinkingConfig(include_thoughts=True) if shown else None
        if self.inference_model.extras.get("thinking") == "budget":
            return ThinkingConfig(thinking_budget=_BUDGETS[effort], include_thoughts=shown)
        if effort not in _LEVELS:
            msg = f"Gemini always thinks: reasoning_effort '{effort}' is none of {', '.join(_LEVELS)}"
            raise InferenceRequestError(msg)
        return ThinkingConfig(thinking_level=_LEVELS[effort], include_thoughts=shown)

    def _http_options(self, params: LLMJobParams) -> HttpOptions | None:
        """Return what goes into the request beside what the SDK writes."""
        model = self.inference_model
        body = {**model.extra_body, **(params.vendor_params or {})}
        if not body and not model.extra_headers:
            return None
        return HttpOptions(extra_body=body or None, headers=dict(model.extra_headers) or None)


def _tools(params: LLMJobParams) -> ToolListUnion | None:
    declarations = [
        FunctionDeclaration(
            name=tool.name, description=tool.description or None, parameters_json_schema=dict(tool.json_schema)
        )
        for tool in params.tools
    ]
    return [Tool(function_declarations=declarations)] if declarations else None


def _tool_config(choice: ToolChoice | None) -> ToolConfig | None:
    if choice is None:
        return None
    names = [choice.name] if choice.name else None
    calling = FunctionCallingConfig(mode=_MODES[choice.mode], allowed_function_names=names)
    return ToolConfig(function_calling_config=calling)
