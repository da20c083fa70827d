"""LLM calls by OpenAI's Responses API, at OpenAI, at Azure and behind gateways."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, cast

from openai import AsyncOpenAI
from openai.types.responses import Response

from pipelex.cogt.exceptions import InferenceError, InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.answer_parts import field_of, has_reasoning, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.http_answers import refuse_error_event, require_event_stream
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult, PartialAnswer
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.llm_job import LLMTextChunk
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.openai.errors import classify
from pipelex.providers.openai.inputs import response_content
from pipelex.providers.openai.strict_schema import AnswerSchema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from openai.types.responses import ResponseInputParam, ResponseTextConfigParam
    from openai.types.shared_params import Reasoning

    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.reporting.reporting_protocol import InferenceUsage

_REASONS_OF_INCOMPLETE = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}

_REASONS_OF_STATUS = {
    "completed": FinishReason.STOP,
    "incomplete": FinishReason.UNFINISHED,
    "failed": FinishReason.UNFINISHED,
    "cancelled": FinishReason.UNFINISHED,
    "queued": FinishReason.UNFINISHED,
    "in_progress": FinishReason.UNFINISHED,
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

    streams_name_their_end = True

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
        options = self._options(job)
        client = await self._client()
        stream = await client.responses.create(
            model=self.inference_model.model_id,
            input=await self._input(job),
            store=False,
            stream=True,
            extra_headers=self.inference_model.extra_headers,
            extra_body=self.inference_model.extra_body,
            **options,
        )
        said: list[str] = []
        async with stream:
            await require_event_stream(stream.response)
            async for event in stream:
                piece = _piece(event)
                if piece is not None:
                    said.append(piece.text)
                    yield piece
                    if piece.finish_reason is not None:
                        _compare("".join(said), _text(field_of(event, "response")))

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
            model=self.inference_model.model_id,
            input=await self._input(job),
            store=False,
            extra_headers=self.inference_model.extra_headers,
            extra_body=self.inference_model.extra_body,
            **options,
        )  # the SDK validates nothing
        if not isinstance(response, Response) or not response.model_fields_set & {"output", "status", "usage"}:
            raise InferenceError.from_answer(response, expected="a response of the Responses API")
        return _result(response)


def _result(response: object) -> InferenceResult[str]:
    """Read a response; the SDK validates nothing.

    Raises:
        InferenceError: The response failed.
    """
    failure = field_of(response, "error")
    code, message = word_of(field_of(failure, "code")), word_of(field_of(failure, "message"))
    if code is not None or message is not None:
        raise InferenceError.from_status(None, message or "The response failed", codes=[code or ""])
    items = items_of(field_of(response, "output"))
    reason, detail = _ending(response)
    return InferenceResult(
        content=_text(response),
        usage=_usage(field_of(response, "usage")),
        finish_reason=reason,
        finish_detail=detail,
        model_served=word_of(field_of(response, "model")),
        has_reasoning=has_reasoning(items),
        has_tool_calls=any(str(_kind(item)).endswith("_call") for item in items),
    )


def _piece(event: object) -> LLMTextChunk | None:
    """Read an event of a stream; ``None`` where it adds nothing."""
    kind = _kind(event)
    match kind:
        case "response.output_text.delta":
            delta = field_of(event, "delta")
            return LLMTextChunk(text=delta if type(delta) is str else text_of(delta))
        case "response.refusal.done":
            refusal = word_of(field_of(event, "refusal"))
            return LLMTextChunk(text="", finish_reason=FinishReason.CONTENT_FILTER, finish_detail=refusal)
        case "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled":
            response = field_of(event, "response")
            result = _result(response)
            named = _REASONS_OF_STATUS[kind.removeprefix("response.")]
            said = result.finish_reason if word_of(field_of(response, "status")) is not None else named
            return LLMTextChunk(
                text="",
                usage=result.usage,
                finish_reason=said,
                finish_detail=result.finish_detail,
                model_served=result.model_served,
                has_reasoning=result.has_reasoning,
                has_tool_calls=result.has_tool_calls,
            )
        case "error" | None:
            refuse_error_event(event)
    return None


def _kind(item: object) -> object:
    return field_of(item, "type")


def _parts(response: object) -> list[object]:
    """Return the parts of the messages of a response; an item with a content and no type is a message, too."""
    messages = [item for item in items_of(field_of(response, "output")) if word_of(_kind(item)) in ("message", None)]
    contents = [field_of(message, "content") for message in messages]
    return [part for content in contents for part in ([content] if isinstance(content, str) else items_of(content))]


def _text(response: object) -> str:
    return text_of(_parts(response))


def _compare(said: str, whole: str) -> None:
    """Compare the pieces of a stream with the whole answer at its end, where the server sends it.

    Raises:
        InferenceInvalidAnswerError: A piece was lost.
    """
    if whole and said.strip() != whole.strip():
        msg = "The pieces of the stream are not the answer that stands at its end"
        raise InferenceInvalidAnswerError(msg, answer=PartialAnswer(text=whole))


def _ending(response: object) -> tuple[FinishReason, str | None]:
    """Return why the answer ended, and what was said about it; a refusal is a part of the answer, not a status."""
    refusal = next((field_of(part, "refusal") for part in _parts(response) if _kind(part) == "refusal"), None)
    if refusal is not None:
        return FinishReason.CONTENT_FILTER, word_of(refusal)
    status = word_of(field_of(response, "status"))
    detail = word_of(field_of(response, "incomplete_details", "reason"))
    if detail in _REASONS_OF_INCOMPLETE:
        return _REASONS_OF_INCOMPLETE[detail], detail
    return _REASONS_OF_STATUS.get(status or "", FinishReason.OTHER), detail or status


def _usage(counts: object) -> InferenceUsage | None:
    return usage_of(
        counts,
        input_tokens="input_tokens",
        output_tokens="output_tokens",
        cached_input_tokens="input_tokens_details.cached_tokens",
        reasoning_tokens="output_tokens_details.reasoning_tokens",
    )
