"""LLM calls served by Amazon Bedrock's Converse, which has one format for the models of all vendors."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.answer_parts import field_of
from pipelex.cogt.inference.http_answers import note_headers
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.llm.answer_schemas import RootObject
from pipelex.cogt.llm.history import tools_named_in
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    LLMTool,
    ReasoningEffort,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
)
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.providers.bedrock.answers import EventReader, answer_of
from pipelex.providers.bedrock.client import BedrockClient
from pipelex.providers.bedrock.errors import classify
from pipelex.providers.bedrock.messages import MessageWriter
from pipelex.providers.bedrock.schema import for_bedrock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMEvent, LLMJob, LLMJobParams

_TOOL = "answer"
_BY_SCHEMA, _BY_TOOL = "json_schema", "tool"
_ANY = ToolChoice(mode=ToolChoiceMode.REQUIRED)
# What Converse has no field for; some models take the like of it among their own parameters.
_NOT_TAKEN = (
    "seed",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "show_reasoning",
    "top_logprobs",
    "single_tool_call",
)
# The fields of a request, by which those of the model's vendor are told apart
# (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).
_REQUEST_FIELDS = {
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "inferenceConfig",
    "messages",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
    "system",
    "toolConfig",
}
_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
_Json = dict[str, object]


class _Schema(NamedTuple):
    """The schema of an answer.

    Attributes:
        root: The schema as it was asked for.
        sent: The schema as Bedrock takes it.
        is_tool: Whether the model is made to call a tool with the answer.
    """

    root: RootObject
    sent: _Json
    is_tool: bool


class BedrockLLMWorker(SdkWorker[BedrockClient], LLMWorkerAbstract):
    """Serves LLM calls through Converse and ConverseStream.

    Args:
        sdk_instance: The backend's client.
        inference_model: The model that this worker serves; its extra ``structured_by`` is how it is made to answer
            with JSON: ``"json_schema"`` (the default) or ``"tool"``, for models without structured output of their own.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        schema = self._schema(job.params)
        answer = await (await self._client()).converse(await self._request(job, schema))
        _note_headers(answer)
        read = answer_of(answer, model_id=self.inference_model.model_id)
        if field_of(answer, "output", "message") is None:
            raise InferenceInvalidAnswerError("The answer is none of Bedrock's Converse", answer=read)
        return _given_to_tool(read, schema.root) if schema is not None and schema.is_tool else read

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        schema = self._schema(job.params)
        if schema is not None and schema.is_tool:  # the answer is in a call, which is to be read whole
            yield AnswerDone(answer=await self._generate(job))
            return
        reader, client = EventReader(), await self._client()
        async with aclosing(client.converse_stream(await self._request(job, schema))) as events:
            async for event in events:
                if "ResponseMetadata" in event:
                    _note_headers(event)
                for made in reader.events(event):
                    yield made
        for made in reader.end(model_id=self.inference_model.model_id):
            yield made

    async def _count_tokens(self, job: LLMJob) -> int:
        request = await self._request(job, self._schema(job.params))
        converse = {name: request[name] for name in _COUNTED if name in request}
        client = await self._client()
        answer = await client.count_tokens({"modelId": request["modelId"], "input": {"converse": converse}})
        count = field_of(answer, "inputTokens")
        if not isinstance(count, int):
            raise InferenceInvalidAnswerError("The answer holds no count of tokens")
        return count

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _schema(self, params: LLMJobParams) -> _Schema | None:
        if params.structured_output is None:
            return None
        is_tool = self.inference_model.choice("structured_by", _BY_SCHEMA, _BY_TOOL) == _BY_TOOL
        asked = dict(params.structured_output)
        root = RootObject.of(asked) if is_tool else RootObject(asked, is_wrapped=False)
        try:
            return _Schema(root, for_bedrock(root.schema), is_tool)
        except ValueError as exc:
            raise InferenceRequestError(f"The type asked for cannot be met: {exc}") from exc

    async def _request(self, job: LLMJob, schema: _Schema | None) -> _Json:
        """Write a job in the Converse format; what it does not set is left to the model."""
        params = job.params
        _refuse_unknown(params)
        tools = _tool_config(job, schema)
        settings: _Json = {
            "maxTokens": params.max_tokens or self.inference_model.max_output_tokens,
            "temperature": params.temperature,
            "topP": params.top_p,
            "stopSequences": list(params.stop) or None,
        }
        request: _Json = {
            "modelId": self.inference_model.model_id,
            "messages": await MessageWriter(has_calls=bool(tools)).messages(job.prompt),
            "inferenceConfig": {name: value for name, value in settings.items() if value is not None},
            **tools,
        }
        if job.prompt.system_text is not None:
            request["system"] = [{"text": job.prompt.system_text}]
        output: _Json = {"effort": params.reasoning_effort.value} if params.reasoning_effort is not None else {}
        if schema is not None and not schema.is_tool:
            definition = {"name": _TOOL, "schema": json.dumps(schema.sent)}
            output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": definition}}
        if output:
            request["outputConfig"] = output
        _mark_cache(request, params)
        return request | _vendor_fields({**self.inference_model.extra_body, **(params.vendor_params or {})})


def _note_headers(answer: Mapping[str, object]) -> None:
    headers = field_of(answer, "ResponseMetadata", "HTTPHeaders")
    if isinstance(headers, dict):
        note_headers(headers)


def _refuse_unknown(params: LLMJobParams) -> None:
    """Refuse what Converse has no field for.

    Raises:
        InferenceRequestError: The job sets it.
    """
    for name in _NOT_TAKEN:
        value = getattr(params, name)
        if value is not None and value is not False:  # a 0 is set
            raise InferenceRequestError(f"Bedrock's Converse knows no {name}. Take it from 'capabilities'")
    if params.reasoning_effort is ReasoningEffort.NONE:
        raise InferenceRequestError("Bedrock's Converse knows no reasoning_effort 'none': low, medium or high")
    if params.prompt_cache is not None and params.prompt_cache.key is not None:
        raise InferenceRequestError("Bedrock's Converse takes the 'ttl' of a prompt_cache, and no 'key'")


def _tool_config(job: LLMJob, schema: _Schema | None) -> _Json:
    """Write the tools; a conversation with calls needs theirs, even where the job has none.

    There is no choice ``none``: such a request has no tools at all, and the calls in its messages become text.
    """
    params, choice = job.params, job.params.tool_choice
    is_none = choice is not None and choice.mode is ToolChoiceMode.NONE
    tools = () if is_none else tools_named_in(job.prompt.history, params.tools)
    if schema is not None and schema.is_tool:
        if any(tool.name == _TOOL for tool in tools):
            raise InferenceRequestError(f"The model answers by calling a tool {_TOOL!r}: give yours another name")
        may_call = params.tools and not is_none
        choice = (choice if choice is not None and choice.name else _ANY) if may_call else replace(_ANY, name=_TOOL)
        tools = (*tools, LLMTool(name=_TOOL, description="Give the answer.", json_schema=schema.sent))
    if not tools:
        return {}
    config: _Json = {"tools": [{"toolSpec": _tool(tool)} for tool in tools]}
    if choice is not None:
        config["toolChoice"] = _choice(choice)
    return {"toolConfig": config}


def _tool(tool: LLMTool) -> _Json:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "inputSchema": {"json": dict(tool.json_schema)}}


def _choice(choice: ToolChoice) -> _Json:
    if choice.name:
        return {"tool": {"name": choice.name}}
    return {"any" if choice.mode is ToolChoiceMode.REQUIRED else "auto": {}}


def _mark_cache(request: _Json, params: LLMJobParams) -> None:
    """Mark the ends of the system text and of the last message, up to which the vendor keeps the prompt."""
    if params.prompt_cache is None:
        return
    ttl = {"ttl": params.prompt_cache.ttl} if params.prompt_cache.ttl is not None else {}
    point: _Json = {"cachePoint": {"type": "default", **ttl}}
    messages = request["messages"]
    if isinstance(messages, list):
        messages[-1]["content"].append(point)
    system = request.get("system")
    if isinstance(system, list):
        system.append(point)


def _vendor_fields(given: _Json) -> _Json:
    """Return fields of the request as they are, and all others as those of the model's own vendor."""
    fields = {name: value for name, value in given.items() if name in _REQUEST_FIELDS}
    own = {name: value for name, value in given.items() if name not in _REQUEST_FIELDS}
    return {"additionalModelRequestFields": own, **fields} if own else fields


def _given_to_tool(answer: LLMAnswer, root: RootObject) -> LLMAnswer:
    """Return an answer whose text is what the model called the answer tool with; the text beside it is no answer."""
    calls = [part for part in answer.parts if isinstance(part, ToolCallPart)]
    given = next((call for call in calls if call.name in (_TOOL, "") and call.arguments), None)
    if given is None:
        return answer
    thoughts = tuple(part for part in answer.parts if isinstance(part, ReasoningPart))
    reason = FinishReason.STOP if answer.finish_reason is FinishReason.TOOL_CALLS else answer.finish_reason
    return replace(answer, parts=(*thoughts, TextPart(text=root.unwrapped(given.arguments))), finish_reason=reason)
