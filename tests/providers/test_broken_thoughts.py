"""A stream that breaks off in the middle of a thought, with every vendor: the conversation goes on without the thought.

A vendor refuses a thought without its signature, and with it every later turn of the conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.cogt.exceptions import InferenceServerError
from tests.providers import replay as scripted
from tests.providers.anthropic import test_anthropic_conversation as anthropic
from tests.providers.anthropic import wire as anthropic_wire
from tests.providers.conversations import answered, asking, streamed
from tests.providers.google import test_google_conversation as google
from tests.providers.google import wire as google_wire
from tests.providers.mistral import test_mistral_conversation as mistral
from tests.providers.openai import test_chat_conversation as chat
from tests.providers.openai import test_responses_conversation as responses
from tests.providers.openai import wire as openai_wire
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.testing.loopback import HttpReply
    from tests.providers.calls import Caller

pytestmark = [
    pytest.mark.counterpart("anthropic_docs", "llm:anthropic"),
    pytest.mark.counterpart("google_docs", "llm:google"),
    pytest.mark.counterpart("mistral_docs", "llm:mistral"),
    pytest.mark.counterpart("openai_docs", "llm:openai", "llm:openai_responses"),
]

SAID, THOUGHT = "Let me see.", "half a thought"


class Vendor(NamedTuple):
    """A driver, a stream of its vendor's that breaks off, and a whole answer."""

    caller: Caller
    broken: HttpReply
    whole: object


def _anthropic(replay: Replay) -> Vendor:
    said: list[dict[str, object]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SAID}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "thinking_delta", "thinking": THOUGHT}},
    ]
    events = [anthropic_wire.events("")[0], *((str(event["type"]), event) for event in said)]
    return Vendor(anthropic.caller(replay), scripted.named_sse(events), anthropic_wire.message("Done"))


def _google(replay: Replay) -> Vendor:
    parts: tuple[dict[str, object], ...] = ({"text": SAID}, {"text": THOUGHT, "thought": True})
    broken = scripted.sse([google_wire.response(part, reason=None) for part in parts], last=None)
    return Vendor(google.caller(replay), broken, google_wire.text("Done"))


def _mistral(replay: Replay) -> Vendor:
    pieces = mistral.pieces({"content": SAID}, {"content": [mistral.thinking(THOUGHT)]})
    return Vendor(mistral.caller(replay), scripted.sse(pieces[:-1], last=None), mistral.whole({"content": "Done"}))


def _chat(replay: Replay) -> Vendor:
    pieces = chat.chunks({"content": SAID}, {"reasoning_content": THOUGHT})
    return Vendor(chat.caller(replay), scripted.sse(pieces[:2], last=None), openai_wire.completion("Done"))


def _responses(replay: Replay) -> Vendor:
    started = {**openai_wire.response(""), "status": "in_progress", "output": [], "usage": None}
    events: list[tuple[str, dict[str, object]]] = [
        ("response.created", {"response": started}),
        ("response.output_text.delta", {"output_index": 0, "content_index": 0, "item_id": "m", "delta": SAID}),
        ("response.reasoning_summary_text.delta", {"output_index": 1, "delta": THOUGHT}),
    ]
    broken = scripted.named_sse((kind, {"type": kind, "sequence_number": n, **e}) for n, (kind, e) in enumerate(events))
    return Vendor(responses.caller(replay), broken, openai_wire.response("Done"))


@pytest.mark.parametrize("make", [_anthropic, _google, _mistral, _chat, _responses])
def test_a_thought_that_was_broken_off_is_not_sent_back(replay: Replay, make: Callable[[Replay], Vendor]) -> None:
    vendor = make(replay)
    replay.on("*", vendor.broken, scripted.answer(vendor.whole))
    with pytest.raises(InferenceServerError) as caught:
        streamed(vendor.caller, asking())
    answer = caught.value.answer
    assert answer is not None
    assert "Done" == answered(vendor.caller, asking().then(answer, "Go on.")).text
    sent = replay.last.body.decode()
    assert (True, False) == (SAID in sent, THOUGHT in sent)
