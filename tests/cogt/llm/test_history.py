"""Conversations made fit to be sent."""

from __future__ import annotations

import json
import re

import pytest

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.history import portable_id, repair_messages, sendable, tools_named_in
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    ImagePart,
    LLMMessage,
    LLMTool,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    UnknownPart,
    UserMessage,
    VendorPart,
)

IMAGE = ImagePart(source=MediaSource(data=b"\x89PNG"))


def say(*texts: str) -> UserMessage:
    return UserMessage(parts=tuple(TextPart(text=text) for text in texts))


def call(id: str, name: str = "f", arguments: str = "{}") -> ToolCallPart:
    return ToolCallPart(id=id, name=name, arguments=arguments, opaque=f"opaque of {id}")


CALLING = AssistantMessage(
    parts=(
        ReasoningPart(text="hm", opaque="SIGNED"),
        TextPart(text="", opaque="K"),
        VendorPart(vendor_kind="search", opaque="V"),
        call("c1", "f", '{"a":'),
        call("c2", "g"),
    ),
    backend_name="acme",
)
RESULTS = UserMessage(
    parts=(ToolResultPart(call_id="c2", content="2"), TextPart(text="and?"), ToolResultPart(call_id="c1", content=""))
)
WITH_CALLS = (say("q"), CALLING, RESULTS, say("more"))


def sent(*messages: LLMMessage, to: str = "acme", files: bool = True) -> tuple[LLMMessage, ...]:
    return sendable(messages, backend_name=to, has_tool_result_files=files)


def test_results_come_first_in_the_order_of_the_calls_with_names_and_never_empty() -> None:
    last = sent(*WITH_CALLS)[2]
    results = [part for part in last.parts if isinstance(part, ToolResultPart)]
    assert [("c1", "f", "(no output)"), ("c2", "g", "2")] == [(r.call_id, r.name, r.content) for r in results]
    assert results == list(last.parts[:2])


def test_turns_of_one_side_are_joined_without_joining_their_texts() -> None:
    turns = sent(say("a"), say("b"), AssistantMessage(parts=()), say("", "c"))
    assert (say("a", "b", "c"),) == turns


def test_its_own_backend_gets_everything_back() -> None:
    parts = sent(*WITH_CALLS)[1].parts
    assert ["reasoning", "text", "vendor", "tool_call", "tool_call"] == [part.kind for part in parts]
    assert ["SIGNED", "K", "V", "opaque of c1", "opaque of c2"] == [getattr(part, "opaque", "") for part in parts]


def test_another_backend_gets_nothing_opaque_no_thought_and_ids_that_it_takes() -> None:
    first, second = sent(*WITH_CALLS, to="other"), sent(*WITH_CALLS, to="other")
    assert first == second
    calls = first[1].parts
    assert ["tool_call", "tool_call"] == [part.kind for part in calls]
    assert [None, None] == [getattr(part, "opaque", "") for part in calls]
    ids = [part.id for part in calls if isinstance(part, ToolCallPart)]
    assert ids == [part.call_id for part in first[2].parts if isinstance(part, ToolResultPart)]
    assert all(re.fullmatch("[A-Za-z0-9]{9}", id) for id in ids)
    assert portable_id("c1") == ids[0]


def test_a_thought_that_nothing_was_signed_for_is_not_sent() -> None:
    broken = AssistantMessage(parts=(ReasoningPart(text="hm"), TextPart(text="half")), backend_name="acme")
    assert ["text"] == [part.kind for part in sent(say("a"), broken, say("b"))[1].parts]


BROKEN = (
    '{"a":',
    "[1]",
    '{"a": NaN}',
    '{"a": -Infinity}',
    '{"a": 1e999}',
    r'{"a": "\ud83d"}',
    "[" * 100_000,
    '{"a": "\ud83d"}',
)


@pytest.mark.parametrize("arguments", BROKEN, ids=lambda text: ascii(text[:12]))
def test_broken_arguments_become_an_object(arguments: str) -> None:
    asked = AssistantMessage(parts=(call("c1", arguments=arguments),), backend_name="acme")
    (part,) = sent(say("q"), asked, UserMessage(parts=(ToolResultPart(call_id="c1", content="1"),)))[1].parts
    assert isinstance(part, ToolCallPart)
    kept = arguments.encode("utf-8", "backslashreplace").decode()
    assert {"invalid_json": kept} == json.loads(part.arguments)


@pytest.mark.parametrize(
    ("came", "goes"), [("functions.look", "functions_look"), ("", "unnamed_tool"), ("a" * 70, "a" * 64)]
)
def test_a_name_that_a_model_made_up_fits_every_vendor(came: str, goes: str) -> None:
    asked = AssistantMessage(parts=(call("c1", came),), backend_name="acme")
    turns = sent(say("q"), asked, UserMessage(parts=(ToolResultPart(call_id="c1", content="1"),)))
    assert [goes, goes] == [part.name for turn in turns for part in turn.parts if not isinstance(part, TextPart)]  # type: ignore[union-attr]


@pytest.mark.parametrize("id", ["", "null", "\ud83d"])
def test_a_call_without_an_id_that_can_be_sent_gets_one(id: str) -> None:
    asked = AssistantMessage(parts=(call(id),), backend_name="acme")
    turns = sent(say("q"), asked, UserMessage(parts=(ToolResultPart(call_id=id, content="1"),)))
    assert {portable_id(id)} == set(ids_of(turns))


@pytest.mark.parametrize("to", ["acme", "other"])
def test_no_two_calls_of_a_conversation_have_one_id(to: str) -> None:
    asked = AssistantMessage(parts=(call("call_0"),), backend_name="acme")
    result = UserMessage(parts=(ToolResultPart(call_id="call_0", content="1"),))
    turns = sent(say("q"), asked, result, asked, result, asked, result, to=to)
    first, first_result, second, second_result, third, third_result = ids_of(turns)
    assert (first, second, third) == (first_result, second_result, third_result)
    assert 3 == len({first, second, third})
    assert turns == sent(say("q"), asked, result, asked, result, asked, result, to=to)


def ids_of(turns: tuple[LLMMessage, ...]) -> list[str]:
    parts = [part for turn in turns for part in turn.parts]
    return [
        part.id if isinstance(part, ToolCallPart) else part.call_id
        for part in parts
        if isinstance(part, ToolCallPart | ToolResultPart)
    ]


def test_blank_texts_are_not_sent() -> None:
    blank = AssistantMessage(parts=(TextPart(text=" \n"), call("c1")), backend_name="acme")
    results = (ToolResultPart(call_id="c1", content=(TextPart(text=" "),)), TextPart(text="\t"), TextPart(text="x"))
    turns = sent(say("q", " "), blank, UserMessage(parts=results))
    assert [["text"], ["tool_call"], ["tool_result", "text"]] == [[part.kind for part in turn.parts] for turn in turns]
    assert "(no output)" == turns[2].parts[0].content  # type: ignore[union-attr]


def test_an_image_alone_of_another_backend_has_a_text_beside_it() -> None:
    drawn = AssistantMessage(parts=(IMAGE,), backend_name="other")
    assert ["image", "text"] == [part.kind for part in sent(say("q"), drawn, say("x"))[1].parts]
    assert (IMAGE,) == sent(say("q"), drawn, say("x"), to="other")[1].parts


def test_a_thought_that_led_to_nothing_is_not_sent() -> None:
    cut = AssistantMessage(parts=(TextPart(text="a"), ReasoningPart(text="hm", opaque="S")), backend_name="acme")
    assert ["text"] == [part.kind for part in sent(say("q"), cut, say("go on"))[1].parts]
    alone = AssistantMessage(parts=(ReasoningPart(text="hm", opaque="S"),), backend_name="acme")
    assert (say("q", "go on"),) == sent(say("q"), alone, say("go on"))


def test_an_unknown_part_is_not_sent() -> None:
    assert (say("a"),) == sent(UserMessage(parts=(UnknownPart(json="{}"), TextPart(text="a"))))


def test_files_of_a_result_follow_it_where_the_model_takes_none_inside() -> None:
    result = ToolResultPart(call_id="c1", content=(TextPart(text="here"), IMAGE))
    asked = AssistantMessage(parts=(call("c1"),), backend_name="acme")
    turn = UserMessage(parts=(result, TextPart(text="and?")))
    assert (TextPart(text="here"), IMAGE) == sent(say("q"), asked, turn)[2].parts[0].content  # type: ignore[union-attr]
    parts = sent(say("q"), asked, turn, files=False)[2].parts
    assert ["tool_result", "text", "image", "text"] == [part.kind for part in parts]
    assert "c1" in parts[1].text  # type: ignore[union-attr]
    assert IMAGE is parts[2]


WRONG: dict[str, tuple[tuple[LLMMessage, ...], str]] = {
    "empty": ((), "is empty"),
    "begins with the model": ((AssistantMessage(parts=(TextPart(text="hi"),)), say("q")), "begins with 'assistant'"),
    "ends with the model": ((say("q"), CALLING), "ends with 'assistant'"),
    "a call without a result": ((say("q"), CALLING, say("x")), "'c1', 'c2' have no result"),
    "a result without a call": ((say("q"), RESULTS), "'c2' answers no call"),
    "a second result": (
        (say("q"), CALLING, UserMessage(parts=(*RESULTS.parts, ToolResultPart(call_id="c1", content="x")))),
        "'c1' answers a second time",
    ),
    "half of a surrogate pair": ((say("\ud83d"),), "surrogate"),
    "half of a surrogate pair in a result": (
        (
            say("q"),
            AssistantMessage(parts=(call("c"),)),
            UserMessage(parts=(ToolResultPart(call_id="c", content=(TextPart(text="\ud83d"),)),)),
        ),
        "surrogate",
    ),
    "two calls with one id": (
        (say("q"), AssistantMessage(parts=(call("c"), call("c"))), RESULTS),
        "Message 1: two tool calls have the id",
    ),
    "blank texts alone": ((say(" "), say("\n")), "is empty .blank texts do not count"),
    "a text in place of a part": (
        (UserMessage(parts=("hi",)),),  # type: ignore[arg-type]  # the mistake
        "Message 0 .* holds 'hi' .*TextPart",
    ),
    "a text in place of the parts": (
        (UserMessage(parts="hi"),),  # type: ignore[arg-type]  # the mistake
        "Message 0 .* holds 'h' ",
    ),
    "a part of the other side": (
        (UserMessage(parts=(call("c"),)),),  # type: ignore[arg-type]  # the mistake
        "Message 0 of the history, a UserMessage, holds ToolCallPart",
    ),
    "arguments that are no text": (
        (say("q"), AssistantMessage(parts=(ToolCallPart(id="c", name="f", arguments={}),)), say("x")),  # type: ignore[arg-type]  # the mistake
        "Message 1: the text of a ToolCallPart is {} .*expected a str",
    ),
    "no message": ((3,), "Message 0 .* is a int"),  # type: ignore[dict-item]  # the mistake
}


@pytest.mark.parametrize("mistake", WRONG)
def test_what_a_vendor_would_refuse_is_refused_before_it_is_sent(mistake: str) -> None:
    messages, named = WRONG[mistake]
    with pytest.raises(InferenceRequestError, match=f"{named}.*Nothing was sent"):
        sent(*messages)


@pytest.mark.parametrize("mistake", ["ends with the model", "a call without a result", "a result without a call"])
def test_what_was_cut_down_or_broken_off_is_repaired(mistake: str) -> None:
    messages, _ = WRONG[mistake]
    repaired = repair_messages(messages)
    assert sent(*repaired, say("go on"))
    assert repaired == repair_messages(repaired)


def test_a_repaired_call_has_a_result_that_says_so() -> None:
    results = repair_messages(WRONG["ends with the model"][0])[2].parts
    assert [True, True] == [isinstance(part, ToolResultPart) and part.is_error for part in results]


def test_the_tools_that_a_conversation_calls_are_declared() -> None:
    tools = tools_named_in(WITH_CALLS, (LLMTool(name="g", json_schema={"type": "object"}, description="G"),))
    assert [("g", "G"), ("f", "")] == [(tool.name, tool.description) for tool in tools]
