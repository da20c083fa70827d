"""LLM calls served by Amazon Bedrock's Converse, which says the same for the models of all vendors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.answer_parts import field_of, items_of, text_of, usage_of, word_of
from pipelex.cogt.inference.http_answers import note_headers
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult, PartialAnswer
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.answer_schemas import RootObject
from pipelex.cogt.llm.llm_job import LLMTextChunk, ReasoningEffort
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.bedrock.client import BedrockClient
from pipelex.providers.bedrock.errors import classify
from pipelex.providers.bedrock.schema import for_bedrock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.reporting.reporting_protocol import InferenceUsage

_FINISH_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "tool_use": FinishReason.STOP,  # the only tool that we ever offer is the answer itself
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "content_filtered": FinishReason.CONTENT_FILTER,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
}
_IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENT_FORMATS = {"application/pdf": "pdf"}
_TOOL = "answer"
_BY_SCHEMA, _BY_TOOL = "json_schema", "tool"


class BedrockLLMWorker(SdkWorker[BedrockClient], LLMWorkerAbstract):
    """Serves LLM calls through Converse and ConverseStream.

    Args:
        sdk_instance: The backend's client.
        inference_model: The model that this worker serves; its extra ``structured_by`` says how it is made to answer
            with JSON: ``"json_schema"`` (the default) or ``"tool"``, for models without structured output of their own.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    streams_name_their_end = True

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        return await self._ask(await self._request(job))

    async def _gen_object(self, job: LLMJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        request = await self._request(job)
        by_tool = self.inference_model.choice("structured_by", _BY_SCHEMA, _BY_TOOL) == _BY_TOOL
        root = RootObject.of(json_schema) if by_tool else RootObject(json_schema, is_wrapped=False)
        try:
            schema = for_bedrock(root.schema)
        except ValueError as exc:
            raise InferenceRequestError(f"The type asked for cannot be met: {exc}") from exc
        if by_tool:
            result = await self._ask({**request, "toolConfig": _answer_tool(schema)})
            return replace(result, content=root.unwrapped(result.content))
        definition = {"name": "answer", "schema": json.dumps(schema)}
        text_format = {"type": "json_schema", "structure": {"jsonSchema": definition}}
        effort = request.get("outputConfig", {})
        return await self._ask({**request, "outputConfig": {**effort, "textFormat": text_format}})

    async def _stream_text(self, job: LLMJob) -> AsyncIterator[LLMTextChunk]:
        client = await self._client()
        events = client.converse_stream(await self._request(job))
        try:
            async for event in events:
                piece = self._piece(event)
                if piece is not None:
                    yield piece
        finally:
            await events.aclose()

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _piece(self, event: dict[str, Any]) -> LLMTextChunk | None:
        """Read an event of a stream; ``None`` where it adds nothing."""
        delta = field_of(event, "contentBlockDelta", "delta")
        if delta is not None:
            text = text_of(delta)
            return LLMTextChunk(
                text=text, has_reasoning=_has(delta, "reasoningContent"), has_tool_calls=_has(delta, "toolUse")
            )
        if "messageStop" in event:
            reason, detail = _ending(event["messageStop"])
            model_id = self.inference_model.model_id
            return LLMTextChunk(text="", finish_reason=reason, finish_detail=detail, model_served=model_id)
        usage = _usage(field_of(event, "metadata", "usage"))
        return LLMTextChunk(text="", usage=usage) if usage is not None else None

    async def _ask(self, request: dict[str, Any]) -> InferenceResult[str]:
        answer = await (await self._client()).converse(request)
        note_headers(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}))
        usage, model_id = _usage(field_of(answer, "usage")), self.inference_model.model_id
        message = field_of(answer, "output", "message")
        if message is None:
            partial = PartialAnswer(usage=usage, model_served=model_id)
            raise InferenceInvalidAnswerError("The answer is none of Bedrock's Converse", answer=partial)
        blocks = items_of(field_of(message, "content"))
        given = _given_to_tool(blocks) if "toolConfig" in request else None
        reason, detail = _ending(answer)
        return InferenceResult(
            content=text_of(blocks) if given is None else given,
            usage=usage,
            finish_reason=reason,
            finish_detail=detail,
            model_served=model_id,
            has_reasoning=any(_has(block, "reasoningContent") for block in blocks),
            has_tool_calls=any(_has(block, "toolUse") for block in blocks),
        )

    async def _request(self, job: LLMJob) -> dict[str, Any]:
        """Say a job in the Converse format; what it does not set is left to the model."""
        params, prompt = job.params, job.prompt
        if params.seed is not None:
            raise InferenceRequestError("Bedrock's Converse knows no seed. Take it from 'capabilities'")
        settings: dict[str, object] = {
            "maxTokens": params.max_tokens or self.inference_model.max_output_tokens,
            "temperature": params.temperature,
            "stopSequences": list(params.stop) or None,
        }
        request: dict[str, Any] = {
            "modelId": self.inference_model.model_id,
            "messages": [{"role": "user", "content": await self._content(job)}],
            "inferenceConfig": {name: value for name, value in settings.items() if value is not None},
        }
        if prompt.system_text is not None:
            request["system"] = [{"text": prompt.system_text}]
        if params.reasoning_effort is ReasoningEffort.NONE:
            msg = "Bedrock's Converse knows no reasoning_effort 'none': low, medium or high"
            raise InferenceRequestError(msg)
        if params.reasoning_effort is not None:
            request["outputConfig"] = {"effort": params.reasoning_effort.value}
        return request

    async def _content(self, job: LLMJob) -> list[dict[str, object]]:
        """Return what the user says, the files before the text that speaks of them. Bedrock fetches no addresses."""
        prompt = job.prompt
        images: list[dict[str, object]] = [
            {"image": await self._file(image, _IMAGE_FORMATS)} for image in prompt.images
        ]
        documents: list[dict[str, object]] = [
            {"document": {"name": f"document {number}", **await self._file(document, _DOCUMENT_FORMATS)}}
            for number, document in enumerate(prompt.documents, start=1)
        ]
        return [*images, *documents, {"text": prompt.user_text}]

    async def _file(self, source: MediaSource, formats: dict[str, str]) -> dict[str, object]:
        fetched = await source.fetched()
        media_type = fetched.media_type()
        if media_type not in formats:
            msg = f"A file is of the type {media_type}; taken are {', '.join(formats)}"
            raise InferenceRequestError(msg)
        return {"format": formats[media_type], "source": {"bytes": fetched.data}}


def _answer_tool(schema: dict[str, object]) -> dict[str, object]:
    """Offer one tool and oblige the model to call it: what it is called with is the answer."""
    tool = {"name": _TOOL, "description": "Give the answer.", "inputSchema": {"json": schema}}
    return {"tools": [{"toolSpec": tool}], "toolChoice": {"tool": {"name": _TOOL}}}


def _given_to_tool(blocks: list[object]) -> str | None:
    """Return what the model called the answer tool with, the first time; the text beside the call is no answer."""
    calls = [call for block in blocks if (call := field_of(block, "toolUse")) is not None]
    given = next((field_of(call, "input") for call in calls if field_of(call, "name") in (_TOOL, None)), None)
    return json.dumps(given) if given is not None else None


def _has(block: object, name: str) -> bool:
    return field_of(block, name) is not None


def _ending(record: object) -> tuple[FinishReason, str | None]:
    """Return why the answer ended, as it is said in an answer or at the end of a stream."""
    said = word_of(field_of(record, "stopReason"))
    if said is not None and said.startswith("malformed_"):
        return FinishReason.UNFINISHED, said
    return _FINISH_REASONS.get(said or "", FinishReason.OTHER), said


def _usage(counts: object) -> InferenceUsage | None:
    """Read the counts; AWS counts the cached tokens beside the others."""
    return usage_of(
        counts,
        input_tokens="inputTokens+cacheReadInputTokens+cacheWriteInputTokens",
        output_tokens="outputTokens",
        cached_input_tokens="cacheReadInputTokens",
    )
