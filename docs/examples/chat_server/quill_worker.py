"""The worker: one hook for answers at once and streamed, with or without tools and a schema."""

from collections.abc import AsyncIterator, Iterator

from httpx import AsyncClient

from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.inference.answer_parts import arguments_of, field_of, items_of, json_of, text_of, usage_of, word_of
from pipelex.cogt.inference.event_streams import read_events
from pipelex.cogt.inference.http_answers import refuse_error_event, require_event_stream
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.function_tools import function_tools
from pipelex.cogt.llm.llm_job import (
    AnswerDone, AnswerUpdate, LLMAnswer, LLMEvent, LLMJob, TextDelta, TextPart, ToolCallDelta, ToolCallPart,
    ToolResultPart,
)  # fmt: skip
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract


class QuillWorker(SdkWorker[AsyncClient], LLMWorkerAbstract):
    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        client, has_ended = await self._client(), False
        async with client.stream("POST", "/chat/completions", json=self._body(job)) as response:
            if response.is_error:
                body, headers = await response.aread(), response.headers
                raise InferenceError.from_body(body, status_code=response.status_code, headers=headers)
            await require_event_stream(response)
            async for event in read_events(response.aiter_bytes()):
                for made in _events(json_of(event.data)) if event.data != "[DONE]" else ():
                    has_ended = has_ended or (isinstance(made, AnswerUpdate) and made.finish_reason is not None)
                    yield made
        if has_ended:  # without a finish reason, the stream was broken off
            yield AnswerDone(answer=LLMAnswer())

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return InferenceError.from_transport(error)

    def _body(self, job: LLMJob) -> dict[str, object]:
        params, model = job.params, self.inference_model.model_id
        body: dict[str, object] = {"model": model, "messages": list(_messages(job)), "stream": True}
        body |= {name: value for name in ("temperature", "max_tokens") if (value := getattr(params, name)) is not None}
        if params.structured_output is not None:
            schema = {"name": "answer", "schema": dict(params.structured_output)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return {**body, **function_tools(params), "stream_options": {"include_usage": True}}


def _messages(job: LLMJob) -> Iterator[dict[str, object]]:
    if job.prompt.system_text is not None:
        yield {"role": "system", "content": job.prompt.system_text}
    for message in job.prompt.messages():
        calls: list[dict[str, object]] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                content = part.content if isinstance(part.content, str) else ""
                yield {"role": "tool", "tool_call_id": part.call_id, "content": content}
            elif isinstance(part, ToolCallPart):
                function = {"name": part.name, "arguments": part.arguments}
                calls.append({"id": part.id, "type": "function", "function": function})
        text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
        if text or calls:
            yield {"role": message.role, "content": text, **({"tool_calls": calls} if calls else {})}


def _events(chunk: object) -> Iterator[LLMEvent]:
    choice = next(iter(items_of(field_of(chunk, "choices"))), None)
    if choice is None:
        refuse_error_event(chunk)
    said = word_of(field_of(choice, "finish_reason"))
    reason = FinishReason(said) if said in set(FinishReason) else FinishReason.OTHER
    usage = usage_of(field_of(chunk, "usage"), input_tokens="prompt_tokens", output_tokens="completion_tokens")
    served = word_of(field_of(chunk, "model"))
    yield AnswerUpdate(usage=usage, finish_reason=reason if said else None, model_served=served)
    yield TextDelta(text=text_of(field_of(choice, "delta", "content")))
    for call in items_of(field_of(choice, "delta", "tool_calls")):
        slot, name = field_of(call, "index"), word_of(field_of(call, "function", "name"))
        arguments = arguments_of(field_of(call, "function", "arguments"))
        slot = slot if isinstance(slot, int) else None
        yield ToolCallDelta(slot=slot, id=word_of(field_of(call, "id")), name=name, arguments=arguments)
