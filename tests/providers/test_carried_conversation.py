"""One conversation with tools from Anthropic to OpenAI to Gemini and back: what each wire gets of the others' turns."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cogt.llm.conversation_json import conversation_from_json, conversation_to_json
from pipelex.cogt.llm.llm_job import LLMJob, ReasoningEffort, ToolResultPart
from pipelex.generated.builtins import OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers import replay as scripted
from tests.providers.anthropic import test_anthropic_conversation as anthropic
from tests.providers.anthropic import wire as anthropic_wire
from tests.providers.calls import Caller
from tests.providers.conversations import answered, asking, streamed
from tests.providers.google import test_google_conversation as google
from tests.providers.openai import test_chat_conversation as openai
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.llm.llm_job import LLMAnswer

pytestmark = [
    pytest.mark.counterpart("anthropic_docs", "llm:anthropic"),
    pytest.mark.counterpart("openai_docs", "llm:openai"),
    pytest.mark.counterpart("google_docs", "llm:google"),
]

_SIGNED_BY_GOOGLE = b64encode(b"signed by google").decode()
_MARK = b64encode(b"skip_thought_signature_validator").decode()


class Callers(NamedTuple):
    """A backend of each vendor, all at one server."""

    anthropic: Caller
    openai: Caller
    google: Caller


@pytest.fixture(params=[False, True], ids=["at once", "streamed"])
def ask(request: pytest.FixtureRequest, replay: Replay) -> Callable[[Caller, LLMJob], LLMAnswer]:
    """Script the vendors' answers, each a call with a thought before it; return how a backend is asked."""
    message: Any = anthropic.whole(anthropic.THINKING, anthropic.USE, stop_reason="tool_use")
    delta = {"reasoning_content": "thought at openai", "tool_calls": [openai.call("call_o", openai.ROME, index=0)]}
    parts: list[dict[str, object]] = [
        {"text": "thought at google", "thought": True},
        google.call("Oslo", id="fc-g", signed=_SIGNED_BY_GOOGLE),
    ]
    if request.param:
        replay.on(anthropic.MESSAGES, scripted.named_sse(anthropic_wire.events_of(message)))
        replay.on(openai.CHAT, scripted.sse(openai.chunks(delta, finish_reason="tool_calls")))
        replay.on("*", scripted.sse(google.pieces(parts), last=None))
        return streamed
    replay.on(anthropic.MESSAGES, scripted.answer(message))
    replay.on(openai.CHAT, scripted.answer(openai.whole(delta, "tool_calls")))
    replay.on("*", scripted.answer(google.whole(*parts)))
    return answered


@pytest.fixture
def callers(replay: Replay) -> Callers:
    """The backends."""
    llm = InferenceFamily.LLM
    return Callers(
        replace(anthropic.caller(replay), name="anthropic"),
        Caller(plugin=OpenaiPlugin(), family=llm, sdk="openai", endpoint=f"{replay.url}/v1", name="openai"),
        replace(google.caller(replay), name="google"),
    )


def after(job: LLMJob, answer: LLMAnswer, result: str) -> LLMJob:
    """Return the job with the result of the one call; between two turns it is kept as JSON."""
    (call,) = answer.tool_calls
    job = job.then(answer, ToolResultPart(call_id=call.id, content=result), f"after {result}")
    history = conversation_from_json(conversation_to_json(job.prompt.messages()))
    return replace(job, prompt=replace(job.prompt, history=history))


def test_each_backend_gets_back_what_it_signed_and_nothing_that_another_did(
    replay: Replay, callers: Callers, ask: Callable[[Caller, LLMJob], LLMAnswer]
) -> None:
    job = asking(reasoning_effort=ReasoningEffort.HIGH)
    bodies: list[Any] = []
    for caller, result in zip((*callers, *callers), ("A", "O", "G", "A2", "O2", "G2"), strict=True):
        answer = ask(caller, job)
        bodies.append(replay.last.json())
        job = after(job, answer, result)
    _, at_openai, at_google, back_at_anthropic, back_at_openai, back_at_google = bodies

    # Anthropic's turn at OpenAI: its call and the result, under an id that fits every vendor.
    _, turn, result_turn, then = at_openai["messages"]
    (call,) = turn["tool_calls"]
    assert {"name": "look", "arguments": '{"city": "Rome"}'} == call["function"]
    assert {"role": "tool", "tool_call_id": call["id"], "content": "A"} == result_turn
    assert ("after A", {"role", "tool_calls"}) == (then["content"], set(turn))

    # The turns of both at Gemini: calls with the mark in place of a signature, results by their names.
    calls = [part for content in at_google["contents"] if content["role"] == "model" for part in content["parts"]]
    mark = google.bare({"thoughtSignature": _MARK})
    assert [{"name": "look", "args": {"city": "Rome"}}] * 2 == [part["functionCall"] for part in calls]
    assert [mark] * 2 == [google.bare({"thoughtSignature": part["thoughtSignature"]}) for part in calls]

    # Back at Anthropic: its own thought, signed as it came, and of the others the calls alone.
    turns = [message["content"] for message in back_at_anthropic["messages"] if message["role"] == "assistant"]
    assert [anthropic.THINKING, anthropic.USE] == turns[0]
    assert [["tool_use"], ["tool_use"]] == [[block["type"] for block in turn] for turn in turns[1:]]
    results = [m["content"][0] for m in back_at_anthropic["messages"] if m["role"] == "user"][1:]
    assert [turn[-1]["id"] for turn in turns] == [block["tool_use_id"] for block in results]

    # Back at the others: each gets its own thought, and its own ids.
    own = back_at_openai["messages"][4]
    assert ("thought at openai", "call_o") == (own["reasoning_content"], own["tool_calls"][0]["id"])
    own_parts = [part for content in back_at_google["contents"] for part in content["parts"] if "functionCall" in part]
    assert ["fc-g"] == [part["functionCall"]["id"] for part in own_parts if "id" in part["functionCall"]]
    signed = google.bare({"thoughtSignature": _SIGNED_BY_GOOGLE})
    assert signed == google.bare({"thoughtSignature": own_parts[2]["thoughtSignature"]})

    # What one vendor made for itself is in no other one's request.
    secrets = {
        callers.anthropic.name: ("EqQB", "toolu_a", "Let me think."),
        callers.openai.name: ("thought at openai", "call_o"),
        callers.google.name: (_SIGNED_BY_GOOGLE[:8], "thought at google", "fc-g"),
    }
    for name, body in zip((*secrets, *secrets), map(json.dumps, bodies), strict=True):
        assert [] == [secret for owner, kept in secrets.items() if owner != name for secret in kept if secret in body]
