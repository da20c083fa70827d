"""Conversations with tools over Bedrock's Converse: what is sent; an answer is the same at once and streamed."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError, InferenceServerError
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    Citation,
    DocumentPart,
    ImagePart,
    LLMJob,
    LLMTool,
    PromptCache,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
    UserMessage,
)
from pipelex.generated.builtins import BedrockPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.providers import replay as scripted
from tests.providers.bedrock import frames, wire
from tests.providers.calls import ONCE, Caller
from tests.providers.conversations import LOOK, answered, asking, continued, made_elsewhere, streamed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.testing.loopback import HttpReply
    from tests.providers.replay import Replay

pytestmark = pytest.mark.counterpart("aws_docs", "llm:bedrock_aioboto", "llm:bedrock_boto3")

both_sdks = pytest.mark.parametrize("sdk", ["bedrock_boto3", "bedrock_aioboto"])
PNG = b"\x89PNG\r\n\x1a\nimage"
HIDDEN = b"\x00\xff hidden"


def caller(replay: Replay, sdk: str = "bedrock_aioboto", **model_extras: str) -> Caller:
    return Caller(
        plugin=BedrockPlugin(),
        family=InferenceFamily.LLM,
        sdk=sdk,
        endpoint=replay.url,
        extras={"region": "eu-west-1"},
        policy=ONCE,
        model_id=wire.MODEL_ID,
        model_extras=model_extras,
    )


def thought(text: str, signature: str | None = "SIGNED") -> dict[str, Any]:
    return {"reasoningContent": {"reasoningText": {"text": text, **({"signature": signature} if signature else {})}}}


def use(id: str, city: str, name: str = "look") -> dict[str, Any]:
    return {"toolUse": {"toolUseId": id, "name": name, "input": {"city": city}}}


def block(index: int, *deltas: Mapping[str, object], start: Mapping[str, object] | None = None) -> list[bytes]:
    """The frames of one block."""
    begun = [frames.event("contentBlockStart", {"contentBlockIndex": index, "start": start})] if start else []
    pieces = [frames.event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
    return [*begun, *pieces, frames.event("contentBlockStop", {"contentBlockIndex": index})]


def called(index: int, id: str, *pieces: str) -> list[bytes]:
    deltas = ({"toolUse": {"input": piece}} for piece in pieces)
    return block(index, *deltas, start={"toolUse": {"toolUseId": id, "name": "look"}})


def stream(*blocks: list[bytes], stop_reason: str = "end_turn", **metadata: object) -> HttpReply:
    """A whole stream."""
    return frames.stream(
        frames.event("messageStart", {"role": "assistant"}),
        *(frame for frames_of_one in blocks for frame in frames_of_one),
        frames.event("messageStop", {"stopReason": stop_reason}),
        frames.event("metadata", {"usage": wire.USAGE, "metrics": {"latencyMs": 12}, **metadata}),
    )


SOURCE = {
    "title": "A",
    "sourceContent": [{"text": "It is warm."}],
    "location": {"documentPage": {"documentIndex": 1, "start": 0, "end": 2}},
}
GUARDED = {"guardrail": {"actionReason": "Guardrail blocked."}}
ROME = ToolCallPart(id="fc-1", name="look", arguments='{"city": "Rome"}')
OSLO = ToolCallPart(id="fc-2", name="look", arguments='{"city": "Oslo"}')
ANSWERS: dict[str, tuple[dict[str, object], HttpReply, tuple[object, ...], FinishReason]] = {
    "a text": (
        wire.message({"text": "Hi there"}),
        stream(block(0, {"text": "Hi"}, {"text": " there"})),
        (TextPart(text="Hi there"),),
        FinishReason.STOP,
    ),
    "two texts": (
        wire.message({"text": "Hi"}, {"text": "there"}),
        stream(block(0, {"text": "Hi"}), block(1, {"text": "there"})),
        (TextPart(text="Hi"), TextPart(text="there")),
        FinishReason.STOP,
    ),
    "a signed thought, one that is hidden, one that is not signed, a text": (
        wire.message(
            thought("hmm"),
            {"reasoningContent": {"redactedContent": b64encode(HIDDEN).decode()}},
            thought("well", None),
            {"text": "Hi"},
        ),
        stream(
            block(
                0,
                {"reasoningContent": {"text": "h"}},
                {"reasoningContent": {"text": "mm"}},
                {"reasoningContent": {"signature": "SIGNED"}},
            ),
            block(1, {"reasoningContent": {"redactedContent": b64encode(HIDDEN).decode()}}),
            block(2, {"reasoningContent": {"text": "well"}}),
            block(3, {"text": "Hi"}),
        ),
        (
            ReasoningPart(text="hmm", opaque="SIGNED"),
            ReasoningPart(opaque=f"redacted:{b64encode(HIDDEN).decode()}"),
            ReasoningPart(text="well"),
            TextPart(text="Hi"),
        ),
        FinishReason.STOP,
    ),
    "two calls": (
        wire.message({"text": "Hm"}, use("fc-1", "Rome"), use("fc-2", "Oslo"), stop_reason="tool_use"),
        stream(
            block(0, {"text": "Hm"}),
            called(1, "fc-1", "", '{"city": ', '"Rome"}'),
            called(2, "fc-2", '{"city": "Oslo"}'),
            stop_reason="tool_use",
        ),
        (TextPart(text="Hm"), ROME, OSLO),
        FinishReason.TOOL_CALLS,
    ),
    "a call without arguments": (
        wire.message({"toolUse": {"toolUseId": "fc-1", "name": "look", "input": {}}}, stop_reason="tool_use"),
        stream(called(0, "fc-1", ""), stop_reason="tool_use"),
        (ToolCallPart(id="fc-1", name="look", arguments="{}"),),
        FinishReason.TOOL_CALLS,
    ),
    "a text with its sources": (
        wire.message({"citationsContent": {"content": [{"text": "War"}, {"text": "m."}], "citations": [SOURCE]}}),
        stream(block(0, {"text": "War"}, {"text": "m."}, {"citation": SOURCE})),
        (TextPart(text="Warm.", citations=(Citation(title="A", quoted="It is warm.", document=1),)),),
        FinishReason.STOP,
    ),
    "what a guardrail refused": (
        {**wire.message({"text": "No."}, stop_reason="guardrail_intervened"), "trace": GUARDED},
        stream(block(0, {"text": "No."}), stop_reason="guardrail_intervened", trace=GUARDED),
        (TextPart(text="No."),),
        FinishReason.CONTENT_FILTER,
    ),
    "an image": (
        wire.message({"image": {"format": "png", "source": {"bytes": b64encode(PNG).decode()}}}),
        stream(
            block(
                0,
                {"image": {"source": {"bytes": b64encode(PNG[:5]).decode()}}},
                {"image": {"source": {"bytes": b64encode(PNG[5:]).decode()}}},
                start={"image": {"format": "png"}},
            )
        ),
        (ImagePart(source=MediaSource(data=PNG)),),
        FinishReason.STOP,
    ),
}


@pytest.mark.parametrize("title", ANSWERS)
def test_an_answer_is_the_same_at_once_and_streamed(replay: Replay, title: str) -> None:
    at_once, in_pieces, parts, reason = ANSWERS[title]
    replay.on(wire.CONVERSE, scripted.answer(at_once)).on(wire.CONVERSE_STREAM, in_pieces)
    one, other = answered(caller(replay), asking()), streamed(caller(replay), asking())
    assert parts == one.parts == other.parts
    assert reason is one.finish_reason is other.finish_reason
    assert [one.finish_detail, one.usage, one.model_served] == [other.finish_detail, other.usage, other.model_served]


def test_files_go_where_converse_takes_them(replay: Replay) -> None:
    replay.on(wire.CONVERSE, scripted.answer(wire.message({"text": "Hi"})))
    document = UserMessage(parts=(DocumentPart(source=MediaSource(data=b"%PDF-1.4", mime_type="application/pdf")),))
    drawn = AssistantMessage(parts=(ImagePart(source=MediaSource(data=PNG)),), backend_name=caller(replay).name)
    answered(caller(replay), LLMJob.of([document, drawn, document]))
    asked, made, _ = messages_sent(replay)
    assert [["document"], ["text"], [{"text": "(an image)"}]] == [*map(list, asked["content"]), made["content"]]


@both_sdks
def test_the_request_id_and_the_model_of_a_router_are_known(replay: Replay, sdk: str) -> None:
    trace = {"promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/a.b"}}
    headers = {"x-amzn-requestid": "req-1"}
    whole = {**wire.message({"text": "Hi"}), "trace": trace}
    pieces = stream(block(0, {"text": "Hi"}), trace=trace)
    replay.on(wire.CONVERSE, scripted.answer(whole, headers=headers))
    replay.on(wire.CONVERSE_STREAM, replace(pieces, headers={**pieces.headers, **headers}))
    for ask in (answered, streamed):
        answer = ask(caller(replay, sdk), "Hello")
        assert ("req-1", trace["promptRouter"]["invokedModelId"]) == (answer.request_id, answer.model_served)


def test_a_cut_call_is_not_to_be_carried_out(replay: Replay) -> None:
    replay.on(wire.CONVERSE_STREAM, stream(called(0, "fc-1", '{"city": "Ro'), stop_reason="max_tokens"))
    answer = streamed(caller(replay), asking())
    assert (FinishReason.LENGTH, ()) == (answer.finish_reason, answer.tool_calls)


def test_a_thought_that_was_broken_off_is_not_sent_back(replay: Replay) -> None:
    begun = [frames.event("messageStart", {"role": "assistant"}), *block(0, {"text": "Let me think."})]
    half = {"contentBlockIndex": 1, "delta": {"reasoningContent": {"text": "hm"}}}
    replay.on(wire.CONVERSE_STREAM, frames.stream(*begun, frames.event("contentBlockDelta", half)))
    replay.on(wire.CONVERSE, scripted.answer(wire.message({"text": "Rome"})))
    job = asking()
    with pytest.raises(InferenceServerError) as caught:
        streamed(caller(replay), job)
    assert caught.value.answer is not None
    assert "Rome" == answered(caller(replay), job.then(caught.value.answer, "Go on.")).text
    sent: Any = replay.last.json()["messages"]
    assert [{"text": "Let me think."}] == sent[1]["content"]


def messages_sent(replay: Replay) -> list[Any]:
    messages: Any = replay.last.json()["messages"]
    return list(messages)


PARTS: tuple[dict[str, object], ...] = (
    thought("hmm"),
    {"reasoningContent": {"redactedContent": b64encode(HIDDEN).decode()}},
    {"text": "Let me look."},
    use("fc-1", "Rome"),
    use("fc-2", "Oslo"),
)


@both_sdks
def test_thoughts_go_back_where_they_were_and_results_come_first(replay: Replay, sdk: str) -> None:
    replay.on(
        wire.CONVERSE,
        scripted.answer(wire.message(*PARTS, stop_reason="tool_use")),
        scripted.answer(wire.message({"text": "Rome"})),
    )
    job = asking()
    assert "Rome" == answered(caller(replay, sdk), continued(job, answered(caller(replay, sdk), job))).text
    user, model, results = messages_sent(replay)
    assert ["user", "assistant", "user"] == [user["role"], model["role"], results["role"]]
    assert list(PARTS) == model["content"]
    assert [
        {"toolResult": {"toolUseId": "fc-1", "content": [{"text": "31 degrees (0)"}]}},
        {"toolResult": {"toolUseId": "fc-2", "content": [{"text": "31 degrees (1)"}]}},
        {"text": "And then?"},
    ] == results["content"]


def test_a_failed_tool_has_its_status_and_files_go_inside_of_the_result(replay: Replay) -> None:
    replay.on(
        wire.CONVERSE,
        scripted.answer(wire.message(use("fc-1", "Rome"), stop_reason="tool_use")),
        scripted.answer(wire.message({"text": "Rome"})),
    )
    paper = DocumentPart(source=MediaSource(data=b"%PDF-1.4"))
    job = LLMJob.of([UserMessage(parts=(paper, TextPart(text="Read it.")))])
    job = replace(job, params=asking().params)
    answer = answered(caller(replay), job)
    content = (TextPart(text="See:"), ImagePart(source=MediaSource(data=PNG)), paper)
    answered(caller(replay), job.then(answer, ToolResultPart(call_id="fc-1", content=content, is_error=True)))
    (asked, _, results) = messages_sent(replay)
    result = results["content"][0]["toolResult"]
    text, image, document = result["content"]
    assert ("error", {"text": "See:"}) == (result["status"], text)
    assert PNG == b64decode(image["image"]["source"]["bytes"])
    assert ["document 1", "document 2"] == [asked["content"][0]["document"]["name"], document["document"]["name"]]


def test_another_backend_gets_nothing_that_is_opaque(replay: Replay) -> None:
    replay.on(
        wire.CONVERSE,
        scripted.answer(wire.message(*PARTS, stop_reason="tool_use")),
        scripted.answer(wire.message({"text": "Rome"})),
    )
    job = asking()
    answered(caller(replay), made_elsewhere(continued(job, answered(caller(replay), job))))
    _, model, results = messages_sent(replay)
    assert ["text", "toolUse", "toolUse"] == [next(iter(one)) for one in model["content"]]
    ids = [one["toolUse"]["toolUseId"] for one in model["content"][1:]]
    assert all(re.fullmatch(r"[A-Za-z0-9]{9}", id) for id in ids)
    assert ids == [one["toolResult"]["toolUseId"] for one in results["content"][:2]]
    assert not {"SIGNED", "hmm", "redactedContent"} & set(re.findall(r"\w+", json.dumps([model, results])))


def test_a_tool_of_the_vendors_own_goes_back_as_it_came(replay: Replay) -> None:
    server: dict[str, Any] = {
        "toolUse": {"toolUseId": "s1", "name": "search", "type": "server_tool_use", "input": {"q": "Rome"}}
    }
    found: dict[str, Any] = {"toolResult": {"toolUseId": "s1", "content": [{"text": "Warm."}]}}
    pieces = stream(
        block(0, {"toolUse": {"input": '{"q": '}}, {"toolUse": {"input": '"Rome"}'}}, start=_without(server, "input")),
        block(1, {"toolResult": [{"text": "Warm."}]}, start=_without(found, "content")),
        block(2, {"text": "Warm."}),
    )
    replay.on(wire.CONVERSE_STREAM, pieces)
    replay.on(wire.CONVERSE, scripted.answer(wire.message(server, found, {"text": "Warm."})))
    job = asking()
    one, other = answered(caller(replay), job), streamed(caller(replay), job)
    assert one.parts == other.parts
    assert () == one.tool_calls
    answered(caller(replay), job.then(one, "And then?"))
    assert [server, found, {"text": "Warm."}] == messages_sent(replay)[1]["content"]


def _without(block: dict[str, dict[str, Any]], name: str) -> dict[str, object]:
    return {kind: {key: value for key, value in fields.items() if key != name} for kind, fields in block.items()}


def conversation(replay: Replay, **params: Any) -> LLMJob:
    """Return a conversation with a call and its result, with parameters of its own."""
    replay.on(
        wire.CONVERSE,
        scripted.answer(wire.message(use("fc-1", "Rome"), stop_reason="tool_use")),
        scripted.answer(wire.message({"text": "Rome"})),
    )
    job = asking()
    return replace(continued(job, answered(caller(replay), job)), params=asking(**params).params)


def test_a_conversation_with_calls_has_its_tools_even_where_the_job_has_none(replay: Replay) -> None:
    answered(caller(replay), conversation(replay, tools=()))
    config: Any = replay.last.json()["toolConfig"]
    assert ["look"] == [tool["toolSpec"]["name"] for tool in config["tools"]]


def test_where_no_tool_may_be_called_calls_and_results_are_text(replay: Replay) -> None:
    answered(caller(replay), conversation(replay, tool_choice=ToolChoice(mode=ToolChoiceMode.NONE)))
    assert "toolConfig" not in replay.last.json()
    _, model, results = messages_sent(replay)
    assert [{"text": 'Call fc-1 of the tool look: {"city": "Rome"}'}] == model["content"]
    assert [
        {"text": "Result of the call fc-1 of the tool look:"},
        {"text": "31 degrees (0)"},
        {"text": "And then?"},
    ] == results["content"]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        (ToolChoice(), {"auto": {}}),
        (ToolChoice(mode=ToolChoiceMode.REQUIRED), {"any": {}}),
        (ToolChoice(mode=ToolChoiceMode.REQUIRED, name="look"), {"tool": {"name": "look"}}),
    ],
)
def test_a_tool_and_its_choice_are_sent_as_converse_names_them(
    replay: Replay, choice: ToolChoice | None, sent: object
) -> None:
    replay.on(wire.CONVERSE, scripted.answer(wire.message({"text": "Hi"})))
    answered(caller(replay), asking(tool_choice=choice))
    config: Any = replay.last.json()["toolConfig"]
    spec = {"name": "look", "description": LOOK.description, "inputSchema": {"json": dict(LOOK.json_schema)}}
    assert [{"toolSpec": spec}] == config["tools"]
    assert sent == config.get("toolChoice")


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"top_p": 0.5}, {"inferenceConfig": {"topP": 0.5}}),
        ({"vendor_params": {"top_k": 3}}, {"additionalModelRequestFields": {"top_k": 3}}),
        (
            {"vendor_params": {"inferenceConfig": {"topP": 0.9}, "top_k": 3}, "top_p": 0.5},
            {"inferenceConfig": {"topP": 0.9}, "additionalModelRequestFields": {"top_k": 3}},
        ),
    ],
)
def test_a_parameter_is_sent_as_converse_names_it(
    replay: Replay, params: dict[str, Any], sent: dict[str, object]
) -> None:
    replay.on(wire.CONVERSE, scripted.answer(wire.message({"text": "Hi"})))
    answered(caller(replay), asking(**params))
    assert sent.items() <= replay.last.json().items()


def test_the_prompt_is_cached_up_to_its_end(replay: Replay) -> None:
    replay.on(wire.CONVERSE, scripted.answer(wire.message({"text": "Hi"})))
    job = asking(prompt_cache=PromptCache(ttl="1h"))
    answered(caller(replay), replace(job, prompt=replace(job.prompt, system_text="Be kind.")))
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert [{"text": "Be kind."}, point] == replay.last.json()["system"]
    assert point == messages_sent(replay)[-1]["content"][-1]


@pytest.mark.parametrize(
    "params",
    [
        {"top_k": 3},
        {"presence_penalty": 0.0},
        {"frequency_penalty": 1.0},
        {"top_logprobs": 0},
        {"single_tool_call": True},
        {"show_reasoning": True},
        {"prompt_cache": PromptCache(key="me")},
    ],
)
def test_what_converse_has_no_word_for_is_refused_by_name(replay: Replay, params: dict[str, Any]) -> None:
    with pytest.raises(InferenceRequestError, match=next(iter(params))):
        answered(caller(replay), asking(**params))
    assert not replay.requests


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize("ask", [answered, streamed])
def test_a_model_that_answers_by_a_tool_may_call_the_others_too(replay: Replay, ask: Any) -> None:
    replay.on(
        wire.CONVERSE,
        scripted.answer(wire.message(use("fc-1", "Rome"), stop_reason="tool_use")),
        scripted.answer(wire.message(thought("hmm"), use("fc-2", "Rome", name="answer"), stop_reason="tool_use")),
    )
    job = asking(structured_output=SCHEMA)
    by_tool = caller(replay, structured_by="tool")
    first = ask(by_tool, job)
    config: Any = replay.last.json()["toolConfig"]
    assert (["look", "answer"], {"any": {}}) == (
        [tool["toolSpec"]["name"] for tool in config["tools"]],
        config["toolChoice"],
    )
    assert (ROME,) == first.tool_calls
    last = ask(by_tool, continued(job, first))
    assert (FinishReason.STOP, '{"city": "Rome"}', "hmm") == (last.finish_reason, last.text, last.reasoning)


def test_a_tool_with_the_name_of_the_answer_is_refused(replay: Replay) -> None:
    tools = (LLMTool(name="answer", json_schema=SCHEMA),)
    with pytest.raises(InferenceRequestError, match="another name"):
        answered(caller(replay, structured_by="tool"), asking(tools=tools, structured_output=SCHEMA))
    assert not replay.requests


@both_sdks
def test_tokens_are_counted_with_the_tools(replay: Replay, sdk: str) -> None:
    replay.on("*", scripted.answer({"inputTokens": 31}))
    job = asking(max_tokens=5)  # which has no place in what is counted
    assert 31 == caller(replay, sdk).llm(lambda worker: worker.count_tokens(job))
    assert replay.last.target.endswith("/count-tokens")
    body: Any = replay.last.json()
    assert {"messages", "toolConfig"} == set(body["input"]["converse"])


@both_sdks
def test_an_answer_without_a_count_is_an_error(replay: Replay, sdk: str) -> None:
    replay.on("*", scripted.answer({}))
    with pytest.raises(InferenceInvalidAnswerError, match="no count"):
        caller(replay, sdk).llm(lambda worker: worker.count_tokens("Hello"))


def test_what_a_cache_was_given_is_counted_at_once_and_streamed(replay: Replay) -> None:
    usage = {**wire.USAGE, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 3}
    replay.on(wire.CONVERSE, scripted.answer({**wire.message({"text": "Hi"}), "usage": usage}))
    replay.on(wire.CONVERSE_STREAM, stream(block(0, {"text": "Hi"}), usage=usage))
    expected = InferenceUsage(input_tokens=34, output_tokens=7, cached_input_tokens=20, cache_write_tokens=3)
    assert expected == answered(caller(replay), "Hi").usage == streamed(caller(replay), "Hi").usage
