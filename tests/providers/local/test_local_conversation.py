"""Conversations and tools with the local model: tools are a grammar, for the engine itself ignores them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    LLMJob,
    LLMJobParams,
    LLMTool,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
    UserMessage,
)
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.providers.local.client import make_client
from pipelex.providers.local.llm import LlamaCppLLMWorker
from pipelex.providers.local.tools import answer_schema, messages_of, part_of
from tests.providers.local.test_local_llm import CAPABILITIES, make_spec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pipelex.cogt.llm.llm_job import LLMEvent

pytestmark = pytest.mark.counterpart("llama_cpp", "llm:llama_cpp")

MORE = frozenset(
    {
        *(Capability.HISTORY, Capability.TOOLS, Capability.TOOL_CHOICE, Capability.SINGLE_TOOL_CALL),
        *(Capability.STRUCTURED_OUTPUT_WITH_TOOLS, Capability.TOP_P, Capability.TOP_K, Capability.TOP_LOGPROBS),
    }
)
LOOK = LLMTool(
    name="get_weather",
    description="Tell the weather of a city.",
    json_schema={"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "required": ["city"],
                 "additionalProperties": False, "$defs": {"City": {"enum": ["Rome", "Oslo"]}}},
)  # fmt: skip
FORCED = ToolChoice(mode=ToolChoiceMode.REQUIRED, name="get_weather")
NONE = ToolChoice(mode=ToolChoiceMode.NONE)


@pytest.fixture(scope="module")
def worker() -> Iterator[LlamaCppLLMWorker]:
    engine = make_client(sdk="llama_cpp", backend=InferenceBackend(name="local"))
    model = replace(make_spec(max_output_tokens=60), capabilities=CAPABILITIES | MORE)
    yield LlamaCppLLMWorker(sdk_instance=engine, inference_model=model, reporting_delegate=None)
    engine.close()


def asking(text: str = "How warm is it in Rome?", **params: Any) -> LLMJob:
    return LLMJob(
        prompt=LLMJob.of(text).prompt, params=LLMJobParams(**{"tools": (LOOK,), "temperature": 0.0, **params})
    )


def test_a_forced_call_is_a_call_with_arguments_that_fit(worker: LlamaCppLLMWorker) -> None:
    answer = worker.gen_answer_sync(asking(tool_choice=FORCED))
    (call,) = answer.tool_calls
    assert ("get_weather", FinishReason.TOOL_CALLS) == (call.name, answer.finish_reason)
    assert json.loads(call.arguments)["city"] in {"Rome", "Oslo"}
    assert answer == replace(worker.stream_answer_sync(asking(tool_choice=FORCED)).answer(), parts=answer.parts)


def test_where_none_may_be_called_it_answers_in_plain_text(worker: LlamaCppLLMWorker) -> None:
    answer = worker.gen_answer_sync(asking("Say hello.", tool_choice=NONE))
    assert () == answer.tool_calls
    assert answer.text
    assert not answer.text.startswith("{")


def test_a_conversation_reaches_the_model(worker: LlamaCppLLMWorker) -> None:
    first = LLMJob(prompt=LLMJob.of("Say the word: banana").prompt, params=LLMJobParams(temperature=0.0, max_tokens=8))
    answer = worker.gen_answer_sync(first)
    then = worker.gen_answer_sync(first.then(answer, "Say it again."))
    assert answer.usage is not None
    assert then.usage is not None
    assert (then.usage.input_tokens or 0) > (answer.usage.input_tokens or 0)


@dataclass
class Report:
    """What a run ends with."""

    city: str


def test_a_run_ends_with_a_typed_answer(worker: LlamaCppLLMWorker) -> None:
    asked: list[str] = []

    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        asked.append(city)
        return "31 degrees"

    class Guided(LlamaCppLLMWorker):
        """Calls the tool first and answers then: a model of 135 million parameters may do either, for ever."""

        async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
            is_first = len(job.prompt.messages()) == 1
            params = replace(job.params, tool_choice=FORCED) if is_first else replace(job.params, tools=())
            async for event in super()._stream(replace(job, params=params)):
                yield event

    guided = Guided(sdk_instance=worker._sdk_instance, inference_model=worker.inference_model, reporting_delegate=None)
    job = LLMJob(prompt=LLMJob.of("How warm is it in Rome?").prompt, params=LLMJobParams(temperature=0.0))
    run = guided.run_tools_sync(job, [get_weather], schema=Report)
    assert isinstance(run.output, Report)
    assert (2, 1) == (run.rounds, len(asked))


def test_log_probabilities_come_with_the_answer(worker: LlamaCppLLMWorker) -> None:
    answer = worker.gen_answer_sync(asking("Say hello.", tools=(), top_logprobs=2, max_tokens=3))
    assert 2 == len(answer.logprobs[0].top)
    assert answer.text == "".join(token.token for token in answer.logprobs)


class TestGrammar:
    """The schema and the text that stand for tools."""

    def test_there_is_one_object_per_tool_and_one_for_the_answer(self) -> None:
        schema: Any = answer_schema(LLMJobParams(tools=(LOOK,)))
        call, answer = schema["anyOf"]
        assert {"const": "get_weather"} == call["properties"]["tool"]
        assert {"$ref": "#/$defs/tool0_City"} == call["properties"]["arguments"]["properties"]["city"]
        assert {"enum": ["Rome", "Oslo"]} == schema["$defs"]["tool0_City"]
        assert {"answer": {"type": "string"}} == answer["properties"]

    def test_a_typed_answer_is_in_the_same_grammar(self) -> None:
        wanted = {"type": "array", "items": {"type": "integer"}}
        schema: Any = answer_schema(LLMJobParams(tools=(LOOK,), structured_output=wanted))
        assert {"answer": wanted} == schema["anyOf"][1]["properties"]

    def test_a_required_call_leaves_no_other_way(self) -> None:
        schema: Any = answer_schema(LLMJobParams(tools=(LOOK, replace(LOOK, name="other")), tool_choice=FORCED))
        assert ["get_weather"] == [way["properties"]["tool"]["const"] for way in schema["anyOf"]]

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ('{"tool": "f", "arguments": {"a": 1}}', ToolCallPart(id="", name="f", arguments='{"a": 1}')),
            ('{"answer": "ü"}', TextPart(text="ü")),
            ('{"answer": {"a": 1}}', TextPart(text='{"a": 1}')),
            ('{"answer": "cut o', TextPart(text='{"answer": "cut o')),
        ],
    )
    def test_an_answer_is_read_back(self, text: str, part: object) -> None:
        assert part == part_of(text)

    def test_calls_and_results_are_texts_of_the_roles_that_every_template_knows(self) -> None:
        messages = (
            UserMessage(parts=(TextPart(text="q"),)),
            AssistantMessage(parts=(ToolCallPart(id="a", name="f", arguments='{"a": 1}'),)),
            UserMessage(parts=(ToolResultPart(call_id="a", name="f", content="31"), TextPart(text="and?"))),
        )
        assert [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": '{"tool": "f", "arguments": {"a": 1}}'},
            {"role": "user", "content": "Result of the tool f: 31\n\nand?"},
        ] == list(messages_of(messages))


@pytest.mark.parametrize("params", [{"show_reasoning": True}, {"vendor_params": {"a": 1}}])
def test_what_the_engine_would_leave_out_is_refused(worker: LlamaCppLLMWorker, params: dict[str, Any]) -> None:
    everything = replace(worker.inference_model, capabilities=frozenset(Capability))
    wide = LlamaCppLLMWorker(sdk_instance=worker._sdk_instance, inference_model=everything, reporting_delegate=None)
    with pytest.raises(InferenceRequestError, match=next(iter(params))):
        wide.gen_answer_sync(asking(**params))
