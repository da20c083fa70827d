"""Conversations with tools over the messages API: signed thoughts, results, what the API refuses."""

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
    ReasoningEffort,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
    VendorPart,
)
from pipelex.generated.builtins import AnthropicPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.providers import replay as scripted
from tests.providers.anthropic import wire
from tests.providers.calls import ONCE, Caller
from tests.providers.conversations import LOOK, answered, asking, continued, made_elsewhere, streamed
from tests.providers.replay import Replay

pytestmark = pytest.mark.counterpart("anthropic_docs", "llm:anthropic")

MESSAGES = "POST /v1/messages"
TEXT = {"type": "text", "text": "Hm 🚂"}
THINKING = {"type": "thinking", "thinking": "Let me think.", "signature": "EqQB+/=="}
REDACTED = {"type": "redacted_thinking", "data": "Redac/ted=="}
USE = {"type": "tool_use", "id": "toolu_a", "name": "look", "input": {"city": "Rome"}}
OTHER_USE = {"type": "tool_use", "id": "toolu_b", "name": "look", "input": {}}
SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "Rome"}}
CITED = {
    **{"type": "char_location", "cited_text": "It is warm.", "document_index": 0, "document_title": "Doc"},
    **{"start_char_index": 0, "end_char_index": 11, "file_id": None},
}
CALLS = (
    ToolCallPart(id="toolu_a", name="look", arguments='{"city": "Rome"}'),
    ToolCallPart(id="toolu_b", name="look", arguments="{}"),
)
SEEN = (ReasoningPart(text="Let me think.", opaque="EqQB+/=="), ReasoningPart(opaque="redacted:Redac/ted=="))


def caller(replay: Replay, sdk: str = "anthropic") -> Caller:
    return Caller(
        plugin=AnthropicPlugin(), family=InferenceFamily.LLM, sdk=sdk, endpoint=replay.url, policy=ONCE,
        model_id=wire.MODEL_ID,
    )  # fmt: skip


def whole(*blocks: dict[str, Any], stop_reason: str = "end_turn", **more: Any) -> dict[str, object]:
    return {**wire.message("", stop_reason=stop_reason), "content": list(blocks), **more}


ANSWERS: dict[str, tuple[dict[str, Any], tuple[object, ...], FinishReason]] = {
    "a text": (whole(TEXT), (TextPart(text="Hm 🚂"),), FinishReason.STOP),
    "thoughts before calls": (
        whole(THINKING, REDACTED, TEXT, USE, OTHER_USE, stop_reason="tool_use"),
        (*SEEN, TextPart(text="Hm 🚂"), *CALLS),
        FinishReason.TOOL_CALLS,
    ),
    "a signed thought that is not shown": (
        whole({**THINKING, "thinking": ""}, TEXT),
        (ReasoningPart(opaque="EqQB+/=="), TextPart(text="Hm 🚂")),
        FinishReason.STOP,
    ),
    "two texts, one of them cited": (
        whole({"type": "text", "text": "It is "}, {"type": "text", "text": "warm", "citations": [CITED]}),
        (
            TextPart(text="It is "),
            TextPart(text="warm", citations=(Citation(title="Doc", quoted="It is warm.", document=0),)),
        ),
        FinishReason.STOP,
    ),
    "a tool of the vendor": (
        whole(SEARCH, TEXT),
        (VendorPart(vendor_kind="server_tool_use", opaque=json.dumps(SEARCH, sort_keys=True)), TextPart(text="Hm 🚂")),
        FinishReason.STOP,
    ),
    "a refusal": (
        whole(stop_reason="refusal", stop_details={"category": "cyber", "explanation": "I will not"}),
        (),
        FinishReason.CONTENT_FILTER,
    ),
    "a turn that was paused": (
        whole(TEXT, stop_reason="pause_turn"),
        (TextPart(text="Hm 🚂"),),
        FinishReason.UNFINISHED,
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_is_the_same_at_once_and_streamed(replay: Replay, kind: str) -> None:
    message, parts, reason = ANSWERS[kind]
    replay.on(MESSAGES, scripted.answer(message), scripted.named_sse(wire.events_of(message)))
    made = caller(replay)
    at_once, in_pieces = answered(made, asking()), streamed(made, asking())
    assert (parts, reason) == (at_once.parts, at_once.finish_reason)
    assert at_once == in_pieces
    assert message["id"] == at_once.request_id
    assert kind != "a refusal" or at_once.finish_detail == "I will not"


def test_a_cut_call_is_no_call(replay: Replay) -> None:
    events = [("message_start", wire.events_of(whole())[0][1])]
    cut = wire.pieces_of(0, USE)[:3]
    events += [(piece["type"], piece) for piece in cut]
    events.append(("message_delta", {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {}}))
    events.append(("message_stop", {"type": "message_stop"}))
    replay.on(MESSAGES, scripted.named_sse(events))
    answer = streamed(caller(replay), asking())
    assert (FinishReason.LENGTH, ()) == (answer.finish_reason, answer.tool_calls)


def test_what_a_cache_was_given_is_counted_once(replay: Replay) -> None:
    counts = {"input_tokens": 1, "output_tokens": 7, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 300}
    message = whole(TEXT, usage=counts)
    replay.on(MESSAGES, scripted.answer(message), scripted.named_sse(wire.events_of(message)))
    at_once, in_pieces = answered(caller(replay), "x"), streamed(caller(replay), "x")
    assert at_once.usage == in_pieces.usage
    assert at_once.usage is not None
    assert (321, 300, 20) == (
        at_once.usage.input_tokens,
        at_once.usage.cached_input_tokens,
        at_once.usage.cache_write_tokens,
    )


def sent_after(replay: Replay, kind: str, **params: Any) -> tuple[LLMJob, dict[str, Any]]:
    """Answer, give the results, and return the job and the body of the second request."""
    message, *_ = ANSWERS[kind]
    replay.on(MESSAGES, scripted.answer(message), scripted.answer(wire.message("Done")))
    made = caller(replay)
    job = continued(asking(**params), answered(made, asking(**params)), is_error=True)
    answered(made, job)
    return job, replay.last.json()


def test_thoughts_and_calls_go_back_as_they_came_and_results_first(replay: Replay) -> None:
    _, body = sent_after(replay, "thoughts before calls")
    user, assistant, results = body["messages"]
    assert [THINKING, REDACTED, TEXT, USE, OTHER_USE] == assistant["content"]
    assert ["tool_result", "tool_result", "text"] == [block["type"] for block in results["content"]]
    assert {"tool_use_id": "toolu_a", "content": "31 degrees (0)", "is_error": True}.items() <= results["content"][
        0
    ].items()
    assert "user" == user["role"]


def test_a_tool_of_the_vendor_goes_back_as_it_came(replay: Replay) -> None:
    assert [SEARCH, TEXT] == sent_after(replay, "a tool of the vendor")[1]["messages"][1]["content"]


def test_another_backend_s_conversation_goes_without_what_it_signed(replay: Replay) -> None:
    job, _ = sent_after(replay, "thoughts before calls", reasoning_effort=ReasoningEffort.HIGH)
    assert {"type": "adaptive"} == replay.last.json()["thinking"]
    answered(caller(replay), made_elsewhere(job))
    body: Any = replay.last.json()
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert ["text", "tool_use", "tool_use"] == kinds
    ids = [block["id"] for block in body["messages"][1]["content"][1:]]
    assert ids == [block["tool_use_id"] for block in body["messages"][2]["content"][:2]]
    assert all(re.fullmatch("[A-Za-z0-9]{9}", id) for id in ids)
    assert {"type": "disabled"} == body[
        "thinking"
    ]  # calls without a signed thought cannot be answered with thinking on


def test_a_conversation_with_calls_has_its_tools_though_none_may_be_called(replay: Replay) -> None:
    job, _ = sent_after(replay, "thoughts before calls")
    answered(caller(replay), replace(job, params=replace(job.params, tools=())))
    body: Any = replay.last.json()
    assert (["look"], {"type": "none"}) == ([tool["name"] for tool in body["tools"]], body["tool_choice"])


@pytest.mark.parametrize("wish", [{"reasoning_effort": ReasoningEffort.LOW}, {"show_reasoning": True}])
def test_a_forced_tool_with_thinking_is_refused_before_it_is_sent(replay: Replay, wish: dict[str, Any]) -> None:
    with pytest.raises(InferenceRequestError, match="Nothing was sent"):
        answered(caller(replay), asking(tool_choice=ToolChoice(mode=ToolChoiceMode.REQUIRED), **wish))
    assert [] == replay.requests


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({}, {"tools": [{"name": "look", "description": LOOK.description, "input_schema": LOOK.json_schema}]}),
        ({"tool_choice": ToolChoice(mode=ToolChoiceMode.NONE)}, {"tool_choice": {"type": "none"}}),
        ({"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED)}, {"tool_choice": {"type": "any"}}),
        (
            {"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED, name="look"), "single_tool_call": True},
            {"tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True}},
        ),
        ({"single_tool_call": True}, {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}),
        ({"top_p": 0.5, "top_k": 4}, {"top_p": 0.5, "top_k": 4}),
        ({"show_reasoning": True}, {"thinking": {"type": "adaptive", "display": "summarized"}}),
        ({"prompt_cache": PromptCache(ttl="1h")}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        ({"vendor_params": {"service_tier": "auto"}}, {"service_tier": "auto"}),
    ],
)
def test_a_parameter_is_sent_under_the_api_s_name(
    replay: Replay, params: dict[str, Any], sent: dict[str, object]
) -> None:
    replay.on(MESSAGES, scripted.answer(wire.message("Hi")))
    answered(caller(replay), asking(**params))
    assert sent.items() <= replay.last.json().items()


def test_an_image_of_a_tool_is_inside_its_result(replay: Replay) -> None:
    message, *_ = ANSWERS["thoughts before calls"]
    replay.on(MESSAGES, scripted.answer(message), scripted.answer(wire.message("Done")))
    made = caller(replay)
    png = ImagePart(source=MediaSource(data=samples.png("kit-000001")))
    results = [ToolResultPart(call_id=call.id, content=(TextPart(text="see"), png)) for call in CALLS]
    answered(made, asking().then(answered(made, asking()), *results))
    body: Any = replay.last.json()
    assert ["text", "image"] == [block["type"] for block in body["messages"][2]["content"][0]["content"]]


def test_tokens_are_counted_without_the_limit_of_the_answer(replay: Replay) -> None:
    replay.on("POST /v1/messages/count_tokens", scripted.answer({"input_tokens": 42}))
    assert 42 == caller(replay).llm(lambda worker: worker.count_tokens(asking()))
    assert {"model", "messages", "tools"} == set(replay.last.json())
