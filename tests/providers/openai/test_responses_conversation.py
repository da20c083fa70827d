"""Conversations with tools over the Responses API: items go back with their ids, thoughts with their ciphertext."""

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
from pipelex.generated.builtins import OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.providers import replay as scripted
from tests.providers.calls import ONCE, Caller
from tests.providers.conversations import LOOK, answered, asking, continued, made_elsewhere, streamed
from tests.providers.openai import wire
from tests.providers.replay import Replay, named_sse

pytestmark = pytest.mark.counterpart("openai_docs", "llm:openai_responses")

RESPONSES = "POST /v1/responses"
THOUGHT = {
    **{"type": "reasoning", "id": "rs_1", "encrypted_content": "CIPHER+/=="},
    "summary": [{"type": "summary_text", "text": "hmm"}],
}
BARE = {"type": "reasoning", "id": "rs_1", "summary": []}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "Rome"}}
CITED = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 2, "end_index": 6}


def message(text: str, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": list(annotations)}]
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": content, **more}


def call(place: str, arguments: str) -> dict[str, Any]:
    return {
        **{"type": "function_call", "id": f"fc_{place}", "call_id": f"call_{place}", "status": "completed"},
        **{"name": "look", "arguments": arguments},
    }


ROME, OSLO = '{"city": "Rome"}', '{"city": "Oslo"}'
KEPT = json.dumps({"id": "msg_1", "status": "completed"})
CALLS = tuple(
    ToolCallPart(
        id=f"call_{place}",
        name="look",
        arguments=arguments,
        opaque=json.dumps({"id": f"fc_{place}", "status": "completed"}),
    )
    for place, arguments in (("a", ROME), ("b", OSLO))
)
SEEN = ReasoningPart(text="hmm", opaque=json.dumps(THOUGHT, sort_keys=True))
ANSWERS: dict[str, tuple[list[dict[str, Any]], tuple[object, ...], FinishReason]] = {
    "a text": ([message("Hi there")], (TextPart(text="Hi there", opaque=KEPT),), FinishReason.STOP),
    "a thought without ciphertext": (
        [BARE, message("Hi")],
        (ReasoningPart(), TextPart(text="Hi", opaque=KEPT)),
        FinishReason.STOP,
    ),
    "a thought and two calls after a text": (
        [THOUGHT, message("Hm", phase="commentary"), call("a", ROME), call("b", OSLO)],
        (
            SEEN,
            TextPart(text="Hm", opaque=json.dumps({"id": "msg_1", "phase": "commentary", "status": "completed"})),
            *CALLS,
        ),
        FinishReason.TOOL_CALLS,
    ),
    "a cited text": (
        [message("🚂 Rome", CITED)],
        (
            TextPart(
                text="🚂 Rome",
                citations=(Citation(url="https://a.example", title="A", start=2, end=6),),
                opaque=KEPT,
            ),
        ),
        FinishReason.STOP,
    ),
    "a tool of the vendor": (
        [SEARCH, message("Hi")],
        (
            VendorPart(vendor_kind="web_search_call", opaque=json.dumps(SEARCH, sort_keys=True)),
            TextPart(text="Hi", opaque=KEPT),
        ),
        FinishReason.STOP,
    ),
}


def caller(replay: Replay) -> Caller:
    return Caller(
        plugin=OpenaiPlugin(),
        family=InferenceFamily.LLM,
        sdk="openai_responses",
        endpoint=f"{replay.url}/v1",
        policy=ONCE,
    )


def whole(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**wire.response(""), "output": list(items), **more}


def events_of(response: dict[str, Any]) -> Any:
    """Return the events of a whole response, its texts and arguments cut in two."""
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {**response, "output": []}}]
    for place, item in enumerate(response["output"]):
        at = {"output_index": place}
        begun = {**item, "arguments": ""} if item["type"] == "function_call" else item
        events.append({"type": "response.output_item.added", **at, "item": begun})
        if item["type"] == "message":
            text = item["content"][0]["text"]
            events += [
                {"type": "response.output_text.delta", **at, "content_index": 0, "item_id": item["id"], "delta": piece}
                for piece in (text[:2], text[2:])
            ]
        elif item["type"] == "function_call":
            kind = "response.function_call_arguments.delta"
            pieces = (item["arguments"][:3], item["arguments"][3:])
            events += [{"type": kind, **at, "item_id": item["id"], "delta": piece} for piece in pieces]
        elif item["type"] == "reasoning":
            events += [
                {"type": "response.reasoning_summary_text.delta", **at, "delta": said["text"]}
                for said in item["summary"]
            ]
        events.append({"type": "response.output_item.done", **at, "item": item})
    events.append({"type": f"response.{response['status']}", "response": response})
    return named_sse((event["type"], {"sequence_number": n, **event}) for n, event in enumerate(events))


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_is_the_same_at_once_and_streamed(replay: Replay, kind: str) -> None:
    items, parts, reason = ANSWERS[kind]
    response = whole(*items)
    replay.on(RESPONSES, scripted.answer(response), events_of(response))
    made = caller(replay)
    at_once, in_pieces = answered(made, asking()), streamed(made, asking())
    assert (parts, reason) == (at_once.parts, at_once.finish_reason)
    assert at_once == in_pieces
    assert "resp_1" == at_once.request_id


def test_a_cut_call_is_no_call(replay: Replay) -> None:
    response = whole(call("a", '{"ci'), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    replay.on(RESPONSES, scripted.answer(response), events_of(response))
    for answer in (answered(caller(replay), asking()), streamed(caller(replay), asking())):
        assert (FinishReason.LENGTH, ()) == (answer.finish_reason, answer.tool_calls)


def sent_after(replay: Replay, kind: str, **params: Any) -> tuple[LLMJob, list[dict[str, Any]]]:
    items, *_ = ANSWERS[kind]
    replay.on(RESPONSES, scripted.answer(whole(*items)), scripted.answer(wire.response("Done")))
    made = caller(replay)
    job = continued(asking(**params), answered(made, asking(**params)), is_error=True)
    answered(made, job)
    sent: Any = replay.last.json()["input"]
    return job, sent


def test_items_go_back_in_their_order_with_ids_ciphertext_and_phase(replay: Replay) -> None:
    _, items = sent_after(replay, "a thought and two calls after a text")
    assert [THOUGHT, message("Hm", phase="commentary"), call("a", ROME), call("b", OSLO)] == items[1:5]
    outputs = [(item["call_id"], item["output"]) for item in items[5:7]]
    assert [("call_a", "Error: 31 degrees (0)"), ("call_b", "Error: 31 degrees (1)")] == outputs
    assert "And then?" == items[7]["content"][0]["text"]


def test_a_tool_of_the_vendor_goes_back_as_it_came(replay: Replay) -> None:
    assert [SEARCH, message("Hi")] == sent_after(replay, "a tool of the vendor")[1][1:3]


def test_a_thought_without_ciphertext_stays_away(replay: Replay) -> None:
    assert [message("Hi")] == sent_after(replay, "a thought without ciphertext")[1][1:2]


def test_a_thought_never_goes_without_what_it_led_to(replay: Replay) -> None:
    cut = whole(THOUGHT, call("a", '{"ci'), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    replay.on(RESPONSES, scripted.answer(cut), scripted.answer(wire.response("Done")))
    made = caller(replay)
    answered(made, asking().then(answered(made, asking()), "go on"))
    body: Any = replay.last.json()
    (sent,) = body["input"]
    assert ["Which city is warmer?", "go on"] == [content["text"] for content in sent["content"]]


def test_another_backend_s_conversation_goes_without_ids_and_thoughts(replay: Replay) -> None:
    job, _ = sent_after(replay, "a thought and two calls after a text")
    answered(caller(replay), made_elsewhere(job))
    items: Any = replay.last.json()["input"]
    kinds = ["message", "message", "function_call", "function_call", *["function_call_output"] * 2, "message"]
    assert kinds == [item["type"] for item in items]
    assert not any("id" in item for item in items)
    ids = [item["call_id"] for item in items[2:4]]
    assert ids == [item["call_id"] for item in items[4:6]]
    assert all(re.fullmatch("[A-Za-z0-9]{9}", id) for id in ids)


FUNCTION = {
    **{"type": "function", "name": "look", "description": LOOK.description, "parameters": LOOK.json_schema},
    "strict": False,
}


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({}, {"tools": [FUNCTION], "store": False}),
        ({"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED)}, {"tool_choice": "required"}),
        (
            {"tool_choice": ToolChoice(mode=ToolChoiceMode.REQUIRED, name="look")},
            {"tool_choice": {"type": "function", "name": "look"}},
        ),
        ({"single_tool_call": True}, {"parallel_tool_calls": False}),
        ({"top_p": 0.5, "temperature": 0.0}, {"top_p": 0.5, "temperature": 0.0}),
        (
            {"show_reasoning": True, "reasoning_effort": ReasoningEffort.LOW},
            {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        ),
        ({"top_logprobs": 2}, {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}),
        ({"prompt_cache": PromptCache(key="k")}, {"prompt_cache_key": "k"}),
        ({"vendor_params": {"service_tier": "flex"}}, {"service_tier": "flex"}),
    ],
)
def test_a_parameter_is_sent_under_the_api_s_name(replay: Replay, params: dict[str, Any], sent: dict[str, Any]) -> None:
    replay.on(RESPONSES, scripted.answer(wire.response("Hi")))
    answered(caller(replay), asking(**params))
    assert sent.items() <= replay.last.json().items()


@pytest.mark.parametrize("params", [{"top_k": 3}, {"presence_penalty": 1.0}, {"prompt_cache": PromptCache(ttl="1h")}])
def test_what_the_api_does_not_take_is_refused_by_name(replay: Replay, params: dict[str, Any]) -> None:
    with pytest.raises(InferenceRequestError, match=next(iter(params))):
        answered(caller(replay), asking(**params))
    assert [] == replay.requests


def test_an_image_of_a_tool_is_inside_its_output(replay: Replay) -> None:
    items, *_ = ANSWERS["a thought and two calls after a text"]
    replay.on(RESPONSES, scripted.answer(whole(*items)), scripted.answer(wire.response("Done")))
    made = caller(replay)
    png = ImagePart(source=MediaSource(data=samples.png("kit-000001")))
    results = [ToolResultPart(call_id=one.id, content=(TextPart(text="see"), png)) for one in CALLS]
    answered(made, asking().then(answered(made, asking()), *results))
    sent: Any = replay.last.json()["input"]
    assert ["input_text", "input_image"] == [content["type"] for content in sent[5]["output"]]
    failed = [replace(result, is_error=True) for result in results]
    replay.on(RESPONSES, scripted.answer(whole(*items)), scripted.answer(wire.response("Done")))
    answered(made, asking().then(answered(made, asking()), *failed))
    sent = replay.last.json()["input"]
    assert ["Error:", "see"] == [content["text"] for content in sent[5]["output"][:2]]


def test_tokens_are_counted(replay: Replay) -> None:
    counted = {"object": "response.input_tokens", "input_tokens": 42}
    replay.on("POST /v1/responses/input_tokens", scripted.answer(counted))
    assert 42 == caller(replay).llm(lambda worker: worker.count_tokens(asking()))
    assert {"model", "input", "tools"} == set(replay.last.json())


def test_calls_and_thoughts_beside_the_schema_of_a_list_are_kept(replay: Replay) -> None:
    replay.on(RESPONSES, scripted.answer({**wire.response(""), "output": [THOUGHT, call("a", '{"city": "Rome"}')]}))
    job = asking(structured_output={"type": "array", "items": {"type": "string"}})
    answer = answered(caller(replay), job)
    assert ("hmm", ["look"]) == (answer.reasoning, [made.name for made in answer.tool_calls])
