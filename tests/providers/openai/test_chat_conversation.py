"""Conversations with tools over chat completions: what is sent; an answer is the same at once and streamed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import (
    Citation,
    ImagePart,
    LLMJob,
    PromptCache,
    ReasoningPart,
    TextPart,
    TokenLogprob,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
)
from pipelex.generated.builtins import OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.providers import replay as scripted
from tests.providers.calls import ONCE, Caller
from tests.providers.conversations import LOOK, answered, asking, continued, made_elsewhere, streamed
from tests.providers.openai import wire
from tests.providers.replay import Replay

pytestmark = pytest.mark.counterpart("openai_docs", "llm:openai")

CHAT = "POST /v1/chat/completions"
FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x"}


def caller(replay: Replay, sdk: str = "openai", **model_extras: Any) -> Caller:
    return Caller(
        plugin=OpenaiPlugin(),
        family=InferenceFamily.LLM,
        sdk=sdk,
        endpoint=f"{replay.url}/v1",
        policy=ONCE,
        model_extras=model_extras,
    )


def whole(message: dict[str, Any], finish_reason: str = "stop", **choice: Any) -> dict[str, object]:
    body = wire.completion(None, finish_reason=finish_reason)
    frame = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason, **choice}
    return {**body, "choices": [frame]}


def chunks(*deltas: dict[str, Any], finish_reason: str = "stop", **choice: Any) -> list[dict[str, object]]:
    made: list[dict[str, object]] = [
        {**FRAME, "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}]} for delta in deltas
    ]
    made.append({**FRAME, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    return [*made, {**FRAME, "choices": [], "usage": wire.USAGE}]


def call(id: str | None, arguments: object, name: str | None = "look", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'
TWO_CALLS = (
    ToolCallPart(id="call_a", name="look", arguments=ROME),
    ToolCallPart(id="call_b", name="look", arguments=OSLO),
)
DETAILS = [{"type": "reasoning.text", "text": "hmm", "index": 0, "signature": "SIGNED"}]
CITED = {
    "type": "url_citation",
    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 2, "end_index": 6},
}
LOGPROB = {
    "token": "Hi",
    "logprob": -0.5,
    "top_logprobs": [{"token": "Hi", "logprob": -0.5}, {"token": "Ho", "logprob": -2}],
}

ANSWERS: dict[str, tuple[dict[str, object], list[dict[str, object]], tuple[object, ...], FinishReason]] = {
    "a text": (
        whole({"content": "Hi there"}),
        chunks({"role": "assistant", "content": ""}, {"content": "Hi"}, {"content": " there"}),
        (TextPart(text="Hi there"),),
        FinishReason.STOP,
    ),
    "a thought before a text": (
        whole({"reasoning_content": "hmm", "content": "Hi"}),
        chunks({"reasoning_content": "h"}, {"reasoning_content": "mm"}, {"content": "Hi"}),
        (ReasoningPart(text="hmm", opaque="reasoning_content"), TextPart(text="Hi")),
        FinishReason.STOP,
    ),
    "a thought in OpenRouter's blocks": (
        whole({"reasoning": "hmm", "reasoning_details": DETAILS, "content": "Hi"}),
        chunks(
            {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}]},
            {"reasoning": "mm", "reasoning_details": [{"type": "reasoning.text", "text": "mm", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.text", "signature": "SIGNED", "index": 0}]},
            {"content": "Hi"},
        ),
        (ReasoningPart(text="hmm", opaque=json.dumps(DETAILS)), TextPart(text="Hi")),
        FinishReason.STOP,
    ),
    "two calls after a text": (
        whole({"content": "Hm", "tool_calls": [call("call_a", ROME), call("call_b", OSLO)]}, "tool_calls"),
        chunks(
            {"content": "Hm"},
            {"tool_calls": [call("call_a", "", index=0)]},
            {"tool_calls": [call(None, '{"city": ', None, index=0)]},
            {"tool_calls": [call(None, '"Rome"}', None, index=0)]},
            {"tool_calls": [call("call_b", OSLO, index=1)]},
            finish_reason="tool_calls",
        ),
        (TextPart(text="Hm"), *TWO_CALLS),
        FinishReason.TOOL_CALLS,
    ),
    "a named choice, which ends with 'stop'": (
        whole({"content": None, "tool_calls": [call("call_a", ROME)]}, "stop"),
        chunks({"tool_calls": [call("call_a", ROME, index=0)]}, finish_reason="stop"),
        (TWO_CALLS[0],),
        FinishReason.TOOL_CALLS,
    ),
    "no index, empty id and name, arguments as an object": (
        whole({"content": "", "tool_calls": [call("call_a", {"city": "Rome"})]}, "tool_calls"),
        chunks(
            {"tool_calls": [call("call_a", "{")]},
            {"tool_calls": [call("", '"city": "Rome"}', "")]},
            finish_reason="tool_calls",
        ),
        (TWO_CALLS[0],),
        FinishReason.TOOL_CALLS,
    ),
    "no arguments": (
        whole({"content": None, "tool_calls": [call("call_a", "")]}, "tool_calls"),
        chunks({"tool_calls": [call("call_a", "", index=0)]}, finish_reason="tool_calls"),
        (ToolCallPart(id="call_a", name="look", arguments="{}"),),
        FinishReason.TOOL_CALLS,
    ),
    "a cut call": (
        whole({"content": None, "tool_calls": [call("call_a", '{"city')]}, "length"),
        chunks({"tool_calls": [call("call_a", '{"city', index=0)]}, finish_reason="length"),
        (ToolCallPart(id="call_a", name="look", arguments='{"city'),),
        FinishReason.LENGTH,
    ),
    "a cited text": (
        whole({"content": "🚂 Rome", "annotations": [CITED]}),
        chunks({"content": "🚂 "}, {"content": "Rome"}, {"annotations": [CITED]}),
        (TextPart(text="🚂 Rome", citations=(Citation(url="https://a.example", title="A", start=2, end=6),)),),
        FinishReason.STOP,
    ),
    "a refusal": (
        whole({"content": None, "refusal": "I will not"}),
        chunks({"refusal": "I will"}, {"refusal": " not"}),
        (),
        FinishReason.CONTENT_FILTER,
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_is_the_same_at_once_and_streamed(replay: Replay, kind: str) -> None:
    body, pieces, parts, reason = ANSWERS[kind]
    replay.on(CHAT, scripted.answer(body), scripted.sse(pieces))
    made = caller(replay)
    at_once, in_pieces = answered(made, asking()), streamed(made, asking())
    assert (parts, reason) == (at_once.parts, at_once.finish_reason)
    assert at_once == in_pieces
    assert ("chatcmpl-1", "gpt-x", "vendor") == (at_once.request_id, at_once.model_served, at_once.backend_name)
    assert kind != "a refusal" or at_once.finish_detail == "I will not"


def test_log_probabilities_are_asked_for_and_read(replay: Replay) -> None:
    logprobs = {"content": [LOGPROB]}
    replay.on(
        CHAT,
        scripted.answer(whole({"content": "Hi"}, logprobs=logprobs)),
        scripted.sse(chunks({"content": "Hi"}, logprobs=logprobs)),
    )
    job = asking(tools=(), top_logprobs=2)
    at_once = answered(caller(replay), job)
    assert {"logprobs": True, "top_logprobs": 2}.items() <= replay.last.json().items()
    assert (TokenLogprob(token="Hi", logprob=-0.5, top=(("Hi", -0.5), ("Ho", -2.0))),) == at_once.logprobs
    assert at_once == streamed(caller(replay), job)


FUNCTION = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look at a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({}, {"tools": [FUNCTION]}),
        ({"tool_choice": ToolChoice(mode=ToolChoiceMode.NONE)}, {"tool_choice": "none"}),
        ({"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED)}, {"tool_choice": "required"}),
        (
            {"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED, name="look")},
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
        ({"single_tool_call": True}, {"parallel_tool_calls": False}),
        ({"top_p": 0.5, "presence_penalty": 1.0}, {"top_p": 0.5, "presence_penalty": 1.0}),
        ({"frequency_penalty": -1.0, "top_k": 4}, {"frequency_penalty": -1.0, "top_k": 4}),
        ({"prompt_cache": PromptCache(key="k")}, {"prompt_cache_key": "k"}),
        ({"vendor_params": {"service_tier": "flex", "temperature": 2}}, {"service_tier": "flex", "temperature": 2}),
        ({"structured_output": {"type": "object", "properties": {}}}, {"tools": [FUNCTION]}),
    ],
)
def test_a_parameter_is_sent_under_openais_name(
    replay: Replay, params: dict[str, Any], sent: dict[str, object]
) -> None:
    replay.on(CHAT, scripted.answer(wire.completion("{}")))
    answered(caller(replay), asking(**params))
    assert sent.items() <= replay.last.json().items()
    assert ("response_format" in replay.last.json()) == ("structured_output" in params)


def test_a_lifetime_of_the_cache_is_refused_by_name(replay: Replay) -> None:
    with pytest.raises(InferenceRequestError, match="no 'ttl'"):
        answered(caller(replay), asking(prompt_cache=PromptCache(ttl="5m")))
    assert [] == replay.requests


def sent_after(replay: Replay, kind: str, **model_extras: Any) -> tuple[LLMJob, list[dict[str, Any]]]:
    """Answer, give the results, and return the job and the messages of the second request."""
    body, *_ = ANSWERS[kind]
    replay.on(CHAT, scripted.answer(body), scripted.answer(wire.completion("Done")))
    made = caller(replay, **model_extras)
    job = continued(asking(), answered(made, asking()))
    answered(made, job)
    return job, replay.last.json()["messages"]  # type: ignore[return-value]


def test_calls_and_results_go_back_in_their_order(replay: Replay) -> None:
    _, messages = sent_after(replay, "two calls after a text")
    assert ["user", "assistant", "tool", "tool", "user"] == [message["role"] for message in messages]
    assert [call("call_a", ROME), call("call_b", OSLO)] == messages[1]["tool_calls"]
    assert [("call_a", "31 degrees (0)"), ("call_b", "31 degrees (1)")] == [
        (message["tool_call_id"], message["content"]) for message in messages[2:4]
    ]
    assert "And then?" == messages[4]["content"]


def test_a_turn_with_calls_alone_has_no_content(replay: Replay) -> None:
    _, messages = sent_after(replay, "a named choice, which ends with 'stop'")
    assert "content" not in messages[1]


def test_a_thought_goes_back_in_the_field_that_it_came_in(replay: Replay) -> None:
    assert "hmm" == sent_after(replay, "a thought before a text")[1][1]["reasoning_content"]


def test_blocks_of_a_thought_go_back_as_they_came(replay: Replay) -> None:
    assert DETAILS == sent_after(replay, "a thought in OpenRouter's blocks")[1][1]["reasoning_details"]


def test_a_server_that_refuses_thoughts_gets_none(replay: Replay) -> None:
    message = sent_after(replay, "a thought before a text", return_reasoning=False)[1][1]
    assert {"role": "assistant", "content": "Hi"} == message


def test_what_another_backend_made_goes_without_thoughts_and_with_ids_that_fit(replay: Replay) -> None:
    job, _ = sent_after(replay, "two calls after a text")
    answered(caller(replay), made_elsewhere(job))
    messages: Any = replay.last.json()["messages"]
    ids = [made["id"] for made in messages[1]["tool_calls"]]
    assert ids == [message["tool_call_id"] for message in messages[2:4]]
    assert all(re.fullmatch("[A-Za-z0-9]{9}", id) for id in ids)


def test_a_failed_tool_says_so_and_its_image_is_an_image(replay: Replay) -> None:
    body, *_ = ANSWERS["a named choice, which ends with 'stop'"]
    replay.on(CHAT, scripted.answer(body), scripted.answer(wire.completion("Done")))
    made = caller(replay)
    answer = answered(made, asking())
    answered(made, asking().then(answer, ToolResultPart(call_id="call_a", content="no such city", is_error=True)))
    messages: Any = replay.last.json()["messages"]
    assert "Error: no such city" == messages[2]["content"]
    png = ImagePart(source=MediaSource(data=samples.png("kit-000001")))
    result = ToolResultPart(call_id="call_a", content=(TextPart(text="a picture"), png))
    answered(made, asking().then(answer, result))
    assert b"data:image/png;base64" in replay.last.body


LIST_OF_TEXTS: dict[str, object] = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize("way", ["json_schema", "json_object", "tool"])
def test_calls_and_thoughts_beside_the_schema_of_a_list_are_kept(replay: Replay, way: str) -> None:
    message = {"reasoning_content": "hmm", "content": None, "tool_calls": [call("call_a", ROME)]}
    replay.on(CHAT, scripted.answer(whole(message, "tool_calls")))
    job = asking(structured_output=LIST_OF_TEXTS)
    answer = answered(caller(replay, structured_by=way), job)
    assert ("hmm", TWO_CALLS[:1]) == (answer.reasoning, answer.tool_calls)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, "required"),
        (ToolChoice(mode=ToolChoiceMode.REQUIRED, name="look"), {"type": "function", "function": {"name": "look"}}),
        (ToolChoice(mode=ToolChoiceMode.NONE), {"type": "function", "function": {"name": "answer"}}),
    ],
)
def test_the_tool_of_the_answer_stands_beside_those_of_the_job(
    replay: Replay, choice: ToolChoice | None, sent: object
) -> None:
    replay.on(CHAT, scripted.answer(whole({"tool_calls": [call("a", '{"answer": ["x"]}', "answer")]}, "tool_calls")))
    job = asking(structured_output=LIST_OF_TEXTS, tool_choice=choice)
    assert '["x"]' == answered(caller(replay, structured_by="tool"), job).text
    body: Any = replay.last.json()
    assert ["look", "answer"] == [tool["function"]["name"] for tool in body["tools"]]
    assert sent == body["tool_choice"]


def test_a_tool_with_the_name_of_the_answer_s_is_refused(replay: Replay) -> None:
    job = asking(tools=(replace(LOOK, name="answer"),), structured_output=LIST_OF_TEXTS)
    with pytest.raises(InferenceRequestError, match="give yours another name"):
        answered(caller(replay, structured_by="tool"), job)
