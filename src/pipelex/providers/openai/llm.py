"""LLM calls by chat completions: OpenAI, Azure OpenAI, and everybody who copied the format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError
from pipelex.cogt.inference.answer_parts import field_of, has_reasoning, items_of, json_of, text_of, usage_of, word_of
from pipelex.cogt.inference.http_answers import refuse_error_event, require_event_stream
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult, PartialAnswer
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.openai.dialects import LIMIT_NAMES, dialect_of
from pipelex.providers.openai.errors import classify
from pipelex.providers.openai.inputs import chat_messages
from pipelex.providers.openai.strict_schema import AnswerSchema
from pipelex.providers.openai.structured import (
    WAYS,
    StructuredOptions,
    ask_for,
    given_to_tool,
    naming_setting,
    with_schema,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openai.types.chat import ChatCompletionStreamOptionsParam

    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.providers.openai.dialects import LimitName
    from pipelex.reporting.reporting_protocol import InferenceUsage

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_CALLED = ("tool_calls", "function_call")


class _Options(StructuredOptions, total=False):
    """The parameters of a request that may be left to the model."""

    temperature: float
    max_tokens: int
    max_completion_tokens: int
    seed: int
    stop: list[str]
    reasoning_effort: Literal["none", "low", "medium", "high"]
    stream_options: ChatCompletionStreamOptionsParam


class OpenAICompletionsWorker(SdkWorker[AsyncOpenAI], LLMWorkerAbstract):
    """Serves LLM calls by ``POST /chat/completions``.

    Args:
        sdk_instance: The backend's client.
        inference_model: The model that this worker serves. Its extra ``structured_by`` names the way to a structured
            answer (``"json_schema"``, ``"json_object"`` or ``"tool"``), ``limit_name`` the limit of an answer; with
            ``stream_usage = false`` a stream is not asked for its usage.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    streams_name_their_end = True

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._complete(job, self._options(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        answer, way = AnswerSchema.of(json_schema), self.inference_model.choice("structured_by", *WAYS)
        options: _Options = {**self._options(job), **ask_for(answer, way=way)}
        result = await self._complete(with_schema(job, answer) if way == "json_object" else job, options)
        return replace(result, content=answer.unwrapped(result.content))

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        client, model, options = await self._client(), self.inference_model, self._options(job)
        if model.extras.get("stream_usage") is not False:
            options["stream_options"] = {"include_usage": True}
        stream = await client.chat.completions.create(
            model=model.model_id,
            messages=await chat_messages(job.prompt),
            stream=True,
            extra_headers=model.extra_headers,
            extra_body=model.extra_body,
            **options,
        )
        async with stream:
            await require_event_stream(stream.response)
            async for chunk in stream:
                piece = _piece(chunk)
                if piece is not None:
                    yield piece

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return naming_setting(classify(error))

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
        return cast("LimitName", model.choice("limit_name", dialect_of(model.sdk).limit_name, *LIMIT_NAMES))

    async def _complete(self, job: LLMJob, options: _Options) -> InferenceResult[str]:
        client, model = await self._client(), self.inference_model
        completion = await client.chat.completions.create(
            model=model.model_id,
            messages=await chat_messages(job.prompt),
            extra_headers=model.extra_headers,
            extra_body=model.extra_body,
            **options,
        )
        return _result(completion, by_tool="tools" in options)


def _result(completion: object, *, by_tool: bool) -> InferenceResult[str]:
    """Read a whole answer; the SDK validates nothing, so a look-alike's oddities are met here.

    Args:
        completion: What the SDK returned.
        by_tool: Whether the model was made to call a function with its answer.

    Raises:
        InferenceError: It is an error with status 200, no chat completion, or holds no choice.
    """
    if isinstance(completion, str):  # JSON that is called another type, or sent as the one event of a stream
        plain = json_of(completion)
        completion = ChatCompletion.construct(**plain) if isinstance(plain, dict) and "choices" in plain else completion
    if not isinstance(completion, ChatCompletion):
        raise InferenceError.from_answer(completion, expected="a chat completion")
    _raise_error_in(completion.model_extra)
    usage, served = _usage(completion.usage), word_of(completion.model)
    choice = next(iter(items_of(completion.choices)), None)
    if choice is None:
        answer = PartialAnswer(usage=usage, model_served=served)
        if field_of(completion, "choices") is not None:
            raise InferenceInvalidAnswerError("The answer holds no choice", answer=answer)
        raise InferenceError.from_answer(completion, expected="a chat completion with a choice", known=answer)
    _raise_error_in(field_of(choice, "model_extra"))
    message = field_of(choice, "message")
    content = field_of(message, "content")
    reason, detail = _ending(choice, refusal=_refusal(field_of(message, "refusal"), content))
    given = given_to_tool(message) if by_tool else None
    if given is not None and detail in _CALLED:
        reason = FinishReason.STOP
    return InferenceResult(
        content=text_of(content) if given is None else given,
        usage=usage,
        finish_reason=reason or FinishReason.OTHER,
        finish_detail=detail,
        model_served=served,
        has_reasoning=has_reasoning(content) or _reasons(message),
        has_tool_calls=_calls_tools(message),
    )


def _piece(chunk: object) -> LLMTextChunk | None:
    """Read a chunk of a stream; ``None`` where it adds nothing."""
    extra = field_of(chunk, "model_extra")
    counts: object = getattr(chunk, "usage", None)
    if extra:
        _raise_error_in(extra)
        counts = counts or field_of(extra, "x_groq", "usage")  # where Groq has them in the last chunk
    usage = _usage(counts) if counts is not None else None
    choice = next(iter(items_of(getattr(chunk, "choices", None))), None)
    if choice is None:
        refuse_error_event(chunk)
        return LLMTextChunk(text="", usage=usage) if usage is not None else None
    delta: object = getattr(choice, "delta", None)
    content: object = getattr(delta, "content", None)
    text = content if type(content) is str else text_of(content)
    reason, detail = _ending(choice, refusal=_refusal(getattr(delta, "refusal", None), content))
    reasons, calls = False, False
    if not text:
        reasons, calls = has_reasoning(content) or _reasons(delta), _calls_tools(delta)
        if usage is None and reason is None and not reasons and not calls:
            return None
    return LLMTextChunk(
        text=text,
        usage=usage,
        finish_reason=reason,
        finish_detail=detail,
        model_served=word_of(getattr(chunk, "model", None)),
        has_reasoning=reasons,
        has_tool_calls=calls,
    )


def _ending(choice: object, *, refusal: object) -> tuple[FinishReason | None, str | None]:
    """Return why an answer ended, and what was said about it; a refusal is a part of the answer."""
    if word_of(refusal) is not None:
        return FinishReason.CONTENT_FILTER, word_of(refusal)
    said = word_of(getattr(choice, "finish_reason", None))
    if said is None:
        return None, None
    reason = _FINISH_REASONS.get(said, FinishReason.OTHER)
    return reason, _filters(choice) if reason is FinishReason.CONTENT_FILTER else said


def _refusal(stated: object, content: object) -> object:
    """Return a refusal: the field of a message, or a block of its content."""
    if stated or not isinstance(content, list):
        return stated
    return next((field_of(block, "refusal") for block in content if field_of(block, "type") == "refusal"), None)


def _filters(choice: object) -> str | None:
    """Return what Azure's content filter found, by the names of its categories."""
    results = field_of(choice, "content_filter_results")
    found = (
        [name for name, result in results.items() if field_of(result, "filtered") is True]
        if isinstance(results, dict)
        else []
    )
    return ", ".join(found) or None


def _reasons(message: object) -> bool:
    """Tell whether a message has reasoning beside its content, where servers that copied the format put it."""
    return bool(field_of(message, "reasoning_content") or field_of(message, "reasoning"))


def _calls_tools(message: object) -> bool:
    return bool(field_of(message, "tool_calls") or field_of(message, "function_call"))


def _raise_error_in(extra: object) -> None:
    error = InferenceError.in_answer(extra)
    if error is not None:
        raise error


def _usage(counts: object) -> InferenceUsage | None:
    return usage_of(
        counts,
        input_tokens="prompt_tokens",
        output_tokens="completion_tokens",
        cached_input_tokens="prompt_tokens_details.cached_tokens",
        reasoning_tokens="completion_tokens_details.reasoning_tokens",
    )
