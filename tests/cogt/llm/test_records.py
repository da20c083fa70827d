"""The records of the contract: as fields of a user's own pydantic model, and conversations as JSON."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pipelex.cogt.exceptions import ConversationFormatError
from pipelex.cogt.inference.inference_result import FinishReason, PartialAnswer
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.conversation_json import conversation_from_json, conversation_to_json
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    Citation,
    DocumentPart,
    ImagePart,
    LLMAnswer,
    LLMJob,
    LLMMessage,
    LLMPrompt,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnknownPart,
    UserMessage,
    VendorPart,
)
from tests.architecture.tree import SPEC

RECORDS = sorted(symbol for symbol in SPEC["symbols"] if symbol.partition(":")[2][0].isupper())


def record_of(symbol: str) -> Any:
    module, _, name = symbol.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("symbol", [symbol for symbol in RECORDS if dataclasses.is_dataclass(record_of(symbol))])
def test_pydantic_knows_the_fields_of_every_published_record(symbol: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(record_of(symbol))
    assert adapter.rebuild(force=True, raise_errors=True) is not False
    assert adapter.json_schema(mode="serialization")


def say(text: str) -> UserMessage:
    return UserMessage(parts=(TextPart(text=text),))


EVERY_PART: tuple[LLMMessage, ...] = (
    UserMessage(
        parts=(
            TextPart(text="Señor 🚂"),
            ImagePart(source=MediaSource(data=b"\x00\xff\xfe")),
            DocumentPart(source=MediaSource(path=Path("night-train.pdf"))),
        )
    ),
    AssistantMessage(
        parts=(
            ReasoningPart(text="hm", opaque="SIGNED"),
            TextPart(text="ok", citations=(Citation(url="https://example.com", start=0, end=2),), opaque="T"),
            VendorPart(vendor_kind="search", opaque="{}"),
            ToolCallPart(id="a", name="look", arguments='{"at": 1}', opaque="C"),
        ),
        backend_name="acme",
    ),
    UserMessage(
        parts=(ToolResultPart(call_id="a", content=(ImagePart(source=MediaSource(data=b"\x01")),), name="look"),)
    ),
)


def test_a_conversation_of_every_part_comes_back_from_json() -> None:
    assert EVERY_PART == conversation_from_json(conversation_to_json(EVERY_PART))


@pytest.mark.parametrize("place", ["part", "inside a result"])
def test_a_part_of_an_unknown_kind_survives(place: str) -> None:
    later = {"kind": "hologram", "beam": [1, None, "ü"]}
    written = json.loads(conversation_to_json(EVERY_PART))
    parts = written["messages"][2]["parts"]
    (parts if place == "part" else parts[0]["content"]).append(later)
    read = conversation_from_json(json.dumps(written))
    found = read[2].parts[-1] if place == "part" else read[2].parts[0].content[-1]  # type: ignore[union-attr]
    assert isinstance(found, UnknownPart)
    assert later == json.loads(found.json)
    assert written == json.loads(conversation_to_json(read))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "no JSON"),
        ("[]", "it is none"),
        ("[" * 100_000, "no JSON"),
        ('{"version": 2, "messages": []}', "version is 2"),
        ('{"version": 1, "messages": [3]}', "messages.0"),
        ('{"version": 1, "messages": [{"role": "user", "parts": [{"kind": "text"}]}]}', "messages.0"),
        ('{"version": 1, "messages": [{"role": "user", "parts": 3}]}', "messages.0"),
        ('{"version": 1, "messages": [{"role": "robot", "parts": [{"kind": []}]}]}', "messages.0"),
        ('{"version": 1, "messages": [{"role": "robot", "parts": []}]}', "role"),
    ],
)
def test_what_is_no_conversation_is_a_named_error(text: str, named: str) -> None:
    with pytest.raises(ConversationFormatError, match=named):
        conversation_from_json(text)


def test_a_job_made_of_messages_is_a_history() -> None:
    assert (say("a"),) == LLMJob.of([say("a")]).prompt.history


def test_a_conversation_continues_as_a_value() -> None:
    first = LLMJob(prompt=LLMPrompt(user_text="a", system_text="s", images=(MediaSource(data=b"x"),)))
    answer = LLMAnswer(text="b", backend_name="acme")
    then = first.then(answer, "c")
    assert ("s", "") == (then.prompt.system_text, then.prompt.user_text)
    assert ["user", "assistant", "user"] == [message.role for message in then.prompt.messages()]
    assert answer.message == then.prompt.messages()[1]
    assert "a" == first.prompt.user_text


def test_a_partial_answer_continues_a_conversation() -> None:
    message = LLMJob.of("a").then(PartialAnswer(text="half"), "more").prompt.history[1]
    assert AssistantMessage(parts=(TextPart(text="half"),)) == message


def test_the_text_of_an_answer_is_that_of_its_parts() -> None:
    answer = LLMAnswer(parts=(ReasoningPart(text="hm"), TextPart(text="a"), TextPart(text="b")))
    assert ("ab", "hm") == (answer.text, answer.reasoning)
    assert (TextPart(text="ab"),) == LLMAnswer(text="ab").parts


def test_a_cut_call_is_neither_carried_out_nor_continued() -> None:
    call = ToolCallPart(id="a", name="look", arguments="{")
    cut = LLMAnswer(parts=(TextPart(text="t"), call), finish_reason=FinishReason.LENGTH)
    assert () == cut.tool_calls
    assert (TextPart(text="t"),) == cut.message.parts
    whole = dataclasses.replace(cut, finish_reason=FinishReason.TOOL_CALLS)
    assert (call,) == whole.tool_calls
    assert (TextPart(text="t"), call) == whole.message.parts
