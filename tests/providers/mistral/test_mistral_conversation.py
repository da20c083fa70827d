"""Conversations with tools over Mistral's API: what is sent; an answer is the same at once and streamed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import (
    PromptCache,
    ReasoningPart,
    TextPart,
    TokenLogprob,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    VendorPart,
)
from pipelex.generated.builtins import MistralPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers import replay as scripted
from tests.providers.calls import ONCE, Caller
from tests.providers.conversations import LOOK, answered, asking, continued, made_elsewhere, streamed
from tests.providers.mistral import wire
from tests.providers.replay import Replay

pytestmark = pytest.mark.counterpart("mistral_docs", "llm:mistral")

PATH = "POST /v1/chat/completions"
ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'


def caller(replay: Replay) -> Caller:
    return Caller(plugin=MistralPlugin(), family=InferenceFamily.LLM, sdk="mistral", endpoint=replay.url, policy=ONCE)


def whole(message: dict[str, Any], finish_reason: str = "stop", **choice: Any) -> dict[str, object]:
    frame = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason, **choice}
    return {**wire.completion(None), "choices": [frame]}


def pieces(*deltas: dict[str, Any], finish_reason: str = "stop", **choice: Any) -> list[dict[str, object]]:
    frame = {"id": wire.completion(None)["id"], "object": "chat.completion.chunk", "created": 1, "model": wire.MODEL_ID}
    made = [{**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}]} for delta in deltas]
    return [
        *made,
        {**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}], "usage": wire.USAGE},
    ]


def call(id: str | None, arguments: object, **more: Any) -> dict[str, Any]:
    return {"id": id, "function": {"name": "look", "arguments": arguments}, **more}


def thinking(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **more}


def chunk(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


REFERENCE = {"type": "reference", "reference_ids": [1, 2]}
LOGPROB = {"token": "Hi", "logprob": -0.5, "bytes": [], "token_id": 1, "top_logprobs": []}
TWO_CALLS = (
    ToolCallPart(id="D681PevKs", name="look", arguments=ROME),
    ToolCallPart(id="9tb4tzL5x", name="look", arguments=OSLO),
)
ANSWERS: dict[str, tuple[dict[str, object], list[dict[str, object]], tuple[object, ...], FinishReason]] = {
    "a text": (
        whole({"content": "Hi there"}),
        pieces({"role": "assistant", "content": ""}, {"content": "Hi"}, {"content": " there"}),
        (TextPart(text="Hi there"),),
        FinishReason.STOP,
    ),
    "a thought before a text": (
        whole({"content": [thinking("hmm", signature="SIGNED"), chunk("Hi")]}),
        pieces({"content": [thinking("h")]}, {"content": [thinking("mm", signature="SIGNED")]}, {"content": "Hi"}),
        (ReasoningPart(text="hmm", opaque='{"signature": "SIGNED"}'), TextPart(text="Hi")),
        FinishReason.STOP,
    ),
    "a reference between texts": (
        whole({"content": [chunk("Hi"), REFERENCE, chunk("there")]}),
        pieces({"content": "Hi"}, {"content": [REFERENCE]}, {"content": "there"}),
        (
            TextPart(text="Hi"),
            VendorPart(vendor_kind="reference", opaque=json.dumps(REFERENCE, sort_keys=True)),
            TextPart(text="there"),
        ),
        FinishReason.STOP,
    ),
    "a call that was cut": (
        whole({"content": "", "tool_calls": [call("D681PevKs", '{"city": "Ro')]}, "length"),
        pieces({"tool_calls": [call("D681PevKs", '{"city": "Ro', index=0)]}, finish_reason="length"),
        (ToolCallPart(id="D681PevKs", name="look", arguments='{"city": "Ro'),),
        FinishReason.LENGTH,
    ),
    "two calls": (
        whole({"content": "", "tool_calls": [call("D681PevKs", ROME), call("9tb4tzL5x", OSLO)]}, "tool_calls"),
        pieces(
            {"content": "", "tool_calls": [call("D681PevKs", ROME, index=0), call("9tb4tzL5x", OSLO, index=1)]},
            finish_reason="tool_calls",
        ),
        TWO_CALLS,
        FinishReason.TOOL_CALLS,
    ),
    "arguments as an object": (
        whole({"content": "Hm", "tool_calls": [call("D681PevKs", {"city": "Rome"})]}, "tool_calls"),
        pieces(
            {"content": "Hm"},
            {"tool_calls": [call("D681PevKs", {"city": "Rome"}, index=0)]},
            finish_reason="tool_calls",
        ),
        (TextPart(text="Hm"), TWO_CALLS[0]),
        FinishReason.TOOL_CALLS,
    ),
}


@pytest.mark.parametrize("title", ANSWERS)
def test_an_answer_is_the_same_at_once_and_streamed(replay: Replay, title: str) -> None:
    at_once, in_pieces, parts, reason = ANSWERS[title]
    replay.on(PATH, scripted.answer(at_once), scripted.sse(in_pieces))
    one, other = answered(caller(replay), asking()), streamed(caller(replay), asking())
    assert parts == one.parts
    assert (parts, reason, one.usage, one.model_served, one.request_id) == (
        other.parts,
        other.finish_reason,
        other.usage,
        other.model_served,
        other.request_id,
    )
    assert reason is one.finish_reason
    assert (reason is FinishReason.TOOL_CALLS) is bool(one.tool_calls) is bool(other.tool_calls)


def test_a_call_without_an_id_gets_one(replay: Replay) -> None:
    replay.on(PATH, scripted.answer(whole({"content": "", "tool_calls": [call("null", ROME)]}, "tool_calls")))
    (made,) = answered(caller(replay), asking()).tool_calls
    assert re.fullmatch(r"[A-Za-z0-9]{9}", made.id)


def test_calls_and_results_go_back_and_the_user_speaks_after_the_model(replay: Replay) -> None:
    content = [thinking("hmm", signature="SIGNED"), chunk("Let me look."), REFERENCE]
    calls = [call("D681PevKs", ROME), call("9tb4tzL5x", OSLO)]
    replay.on(
        PATH,
        scripted.answer(whole({"content": content, "tool_calls": calls}, "tool_calls")),
        scripted.answer(whole({"content": "Rome"})),
    )
    job = asking()
    answer = answered(caller(replay), job)
    assert "Rome" == answered(caller(replay), continued(job, answer)).text
    messages: Any = replay.last.json()["messages"]
    assert ["user", "assistant", "tool", "tool", "assistant", "user"] == [message["role"] for message in messages]
    kept = [{key: value for key, value in part.items() if value is not None} for part in messages[1]["content"]]
    assert [thinking("hmm", signature="SIGNED"), chunk("Let me look."), REFERENCE] == [
        {key: value for key, value in part.items() if key != "closed"} for part in kept
    ]
    assert [("D681PevKs", ROME), ("9tb4tzL5x", OSLO)] == [
        (one["id"], one["function"]["arguments"]) for one in messages[1]["tool_calls"]
    ]
    assert [("D681PevKs", "look", "31 degrees (0)"), ("9tb4tzL5x", "look", "31 degrees (1)")] == [
        (one["tool_call_id"], one["name"], one["content"]) for one in messages[2:4]
    ]
    assert "And then?" == messages[5]["content"]


def test_a_turn_of_calls_alone_has_no_content_and_a_failed_tool_says_so(replay: Replay) -> None:
    replay.on(
        PATH,
        scripted.answer(whole({"content": "", "tool_calls": [call("D681PevKs", ROME)]}, "tool_calls")),
        scripted.answer(whole({"content": "Rome"})),
    )
    job = asking()
    answer = answered(caller(replay), job)
    answered(caller(replay), continued(job, answer, is_error=True))
    messages: Any = replay.last.json()["messages"]
    assert "content" not in messages[1]
    assert "Error: 31 degrees (0)" == messages[2]["content"]


def test_another_backend_gets_nothing_that_is_opaque(replay: Replay) -> None:
    content = [thinking("hmm", signature="SIGNED"), chunk("Let me look."), REFERENCE]
    replay.on(
        PATH,
        scripted.answer(whole({"content": content, "tool_calls": [call("D681PevKs", ROME)]}, "tool_calls")),
        scripted.answer(whole({"content": "Rome"})),
    )
    job = asking()
    answer = answered(caller(replay), job)
    answered(caller(replay), made_elsewhere(continued(job, answer)))
    sent = json.dumps(replay.last.json()["messages"])
    assert "Let me look." in sent
    assert not {"SIGNED", "hmm", "reference"} & set(re.findall(r"\w+", sent))


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"tool_choice": ToolChoice()}, {"tool_choice": "auto"}),
        ({"tool_choice": ToolChoice(mode=ToolChoiceMode.NONE)}, {"tool_choice": "none"}),
        ({"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED)}, {"tool_choice": "any"}),
        (
            {"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED, name="look")},
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
        ({"single_tool_call": True}, {"parallel_tool_calls": False}),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"presence_penalty": 0.5, "frequency_penalty": 1.0}, {"presence_penalty": 0.5, "frequency_penalty": 1.0}),
        ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"prompt_cache": PromptCache(key="me")}, {"prompt_cache_key": "me"}),
        (
            {"vendor_params": {"safe_prompt": True, "random_seed": 7}, "seed": 1},
            {"safe_prompt": True, "random_seed": 7},
        ),
    ],
)
def test_a_parameter_is_sent_as_mistral_names_it(
    replay: Replay, params: dict[str, Any], sent: dict[str, object]
) -> None:
    replay.on(PATH, scripted.answer(whole({"content": "Hi"})))
    answered(caller(replay), asking(**params))
    body: Any = replay.last.json()
    assert sent.items() <= body.items()
    function = {"name": "look", "description": LOOK.description, "parameters": dict(LOOK.json_schema)}
    assert function.items() <= body["tools"][0]["function"].items()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"prompt_cache": PromptCache(key="me", ttl="1h")}, "no 'ttl'"),
        ({"prompt_cache": PromptCache()}, "'key'"),
        ({"vendor_params": {"extra": 1}}, "no parameter 'extra'"),
    ],
)
def test_what_cannot_be_sent_is_refused(replay: Replay, params: dict[str, Any], words: str) -> None:
    with pytest.raises(InferenceRequestError, match=words):
        answered(caller(replay), asking(**params))
    assert not replay.requests


def test_log_probabilities_come_with_the_answer(replay: Replay) -> None:
    logprobs = {"content": [LOGPROB]}
    replay.on(
        PATH,
        scripted.answer(whole({"content": "Hi"}, logprobs=logprobs)),
        scripted.sse(pieces({"content": "Hi"}, logprobs=logprobs)),
    )
    job = asking(top_logprobs=2)
    expected = (TokenLogprob(token="Hi", logprob=-0.5),)
    assert expected == answered(caller(replay), job).logprobs == streamed(caller(replay), job).logprobs
