"""One conversation goes through every LLM driver, and then through all of them once more: what each vendor is sent."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.conversation_json import conversation_from_json, conversation_to_json
from pipelex.cogt.llm.llm_job import (
    AssistantMessage,
    ImagePart,
    LLMAnswer,
    LLMJob,
    LLMJobParams,
    LLMPrompt,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.testing.conversation import ConversationVendor
from pipelex.testing.llm_jobs import LOOK, png
from pipelex.testing.loopback import HttpReply
from tests.providers.answers.test_streamed_answers import LLM_DRIVERS, ONE_A_WORKER, Script
from tests.providers.faults.drivers import play

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.testing.stage import Stage

_ID_OF_ANY_VENDOR = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_STANDARD_BASE64 = str.maketrans("-_", "+/")  # one SDK writes the other alphabet
_KIT = "kit"  # the backend of every worker of the kit


class Turn(NamedTuple):
    """What one driver was sent, and what came back.

    Attributes:
        name: The driver.
        reply: What its vendor answered, as JSON.
        sent: The request, as JSON.
    """

    name: str
    reply: str
    sent: str


def secret_of(name: str) -> str:
    """Return what a vendor signs its thoughts with: letters and digits alone, unlike that of any other."""
    return b64encode(f"signed by {name}!".encode()).decode().rstrip("=")


def answer_of(name: str) -> LLMAnswer:
    """Return a thought, a text and two parallel calls, with the ids that some servers use in every answer."""
    thought = ReasoningPart(text=f"thought at ({name})", opaque=secret_of(name))
    calls = (ToolCallPart(id=f"call_{place}", name="look", arguments=f'{{"place": "{place}"}}') for place in range(2))
    return LLMAnswer(parts=(thought, TextPart(text="I look."), *calls), finish_reason=FinishReason.TOOL_CALLS)


def owned(messages: Sequence[Any], old: str | None, new: str | None) -> tuple[Any, ...]:
    return tuple(
        replace(message, backend_name=new)
        if isinstance(message, AssistantMessage) and message.backend_name == old
        else message
        for message in messages
    )


def asked(name: str, job: LLMJob) -> tuple[Turn, LLMAnswer]:
    """Ask a driver; of the conversation, what it made itself is its own."""
    driver = LLM_DRIVERS[name]
    history = owned(job.prompt.messages(), name, _KIT)
    params = replace(job.params, tools=(LOOK,))

    async def scene(stage: Stage[Any, Any], worker: Any) -> tuple[Turn, LLMAnswer]:
        vendor, replies = stage.vendor, list[HttpReply]()
        assert isinstance(vendor, ConversationVendor)

        def keep(reply: HttpReply) -> HttpReply:
            replies.append(reply)
            return reply

        vendor.answer_with(Script(answer_of(name)))
        vendor.change_with(keep)
        answer = await worker.gen_answer(LLMJob(prompt=LLMPrompt(history=history), params=params))
        sent = json.dumps(json.loads(vendor.server.requests[-1].body))
        return Turn(name, vendor.texts_of(replies[-1]), sent), replace(answer, backend_name=name)

    with driver.vendor() as vendor:
        return play(driver, scene, vendor=vendor)


def carried(names: Sequence[str]) -> list[Turn]:
    """Take one conversation to each driver in turn, kept as JSON in between; one tool fails, one returns an image."""
    prompt = LLM_DRIVERS[names[0]].prompt("kit-abcdef")
    job, turns = LLMJob(prompt=LLMPrompt(user_text=prompt), params=LLMJobParams()), []
    for name in names:
        turn, answer = asked(name, job)
        turns.append(turn)
        one, other = answer.tool_calls
        seen = (TextPart(text=f"seen by ({name})"), ImagePart(source=png(name)))
        results = (
            ToolResultPart(call_id=other.id, content=f"failed at ({name})", is_error=True),
            ToolResultPart(call_id=one.id, content=seen),
        )
        job = job.then(answer, *results, "", f"and then, ({name})?")
        kept = conversation_from_json(conversation_to_json(job.prompt.messages()))
        job = replace(job, prompt=LLMPrompt(history=kept))
    return turns


def strings_in(value: object) -> list[str]:
    match value:
        case dict():
            return [text for inner in value.values() for text in strings_in(inner)]
        case list():
            return [text for inner in value for text in strings_in(inner)]
    return [value] if isinstance(value, str) else []


def ids_in(value: object) -> list[str]:
    """Return the ids of calls and of results in a request, whatever the vendor calls them."""
    if isinstance(value, list):
        return [id for inner in value for id in ids_in(inner)]
    if not isinstance(value, dict):
        return []
    is_call = value.get("type") in {"tool_use", "function"} and "id" in value
    names = ("tool_call_id", "tool_use_id", "toolUseId", "call_id", *(["id"] if is_call else []))
    return [value[name] for name in names if name in value] + ids_in(list(value.values()))


@pytest.mark.parametrize("names", [ONE_A_WORKER, pytest.param(tuple(LLM_DRIVERS), marks=pytest.mark.heavy)])
def test_a_conversation_goes_through_every_driver_and_back(names: tuple[str, ...]) -> None:
    turns = carried([*names, *names])
    for place, turn in enumerate(turns):
        before = turns[:place]
        for other in {earlier.name for earlier in before} - {turn.name}:
            assert secret_of(other) not in turn.sent
            assert f"thought at ({other})" not in turn.sent
        for earlier in before:  # what everybody may know is there, in the order of the turns
            markers = (f"seen by ({earlier.name})", f"failed at ({earlier.name})", f"and then, ({earlier.name})?")
            places = [turn.sent.find(marker) for marker in markers]
            assert -1 not in places, markers
            assert sorted(places) == places
        own = [earlier for earlier in before if earlier.name == turn.name]
        signed = [earlier for earlier in own if secret_of(turn.name) in earlier.reply]
        assert len(signed) == turn.sent.count(secret_of(turn.name))
        ids = ids_in(json.loads(turn.sent))
        assert all(map(_ID_OF_ANY_VENDOR.fullmatch, ids))
        assert {2} == {ids.count(id) for id in ids} or not ids, "an id belongs to one call and its result"
        sent = turn.sent.translate(_STANDARD_BASE64)
        images = sum(b64encode(png(earlier.name).data or b"").decode() in sent for earlier in before)
        assert len(before) == images or Capability.IMAGES not in LLM_DRIVERS[turn.name].capabilities


def test_a_conversation_without_a_result_goes_to_no_driver() -> None:
    history = (answer_of("openai").message,)
    for name in ONE_A_WORKER:
        with pytest.raises(InferenceRequestError, match="Nothing was sent"):
            asked(name, LLMJob.of("kit-abcdef").then(*history, "and?"))


def test_a_signature_that_goes_to_another_vendor_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelex.cogt.llm.history._made_portable", lambda part: part)
    _, at_bedrock = carried(("anthropic", "bedrock_boto3"))
    assert secret_of("anthropic") in at_bedrock.sent
