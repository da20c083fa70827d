"""Each answer is the same at once and streamed, with every LLM driver, its official SDK and its vendor on loopback."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import (
    Citation,
    LLMAnswer,
    LLMJob,
    LLMJobParams,
    LLMPrompt,
    PartDone,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
)
from pipelex.providers.openai.llm import OpenAICompletionsWorker
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.conformance import new_token
from pipelex.testing.conversation import AnswerOrder
from pipelex.testing.llm import LLMConformance
from pipelex.testing.llm_jobs import LOOK
from tests.heavy import heavy_but
from tests.providers.faults.drivers import DRIVERS, play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_job import AssistantPart, LLMEvent
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.testing.stage import Stage

LLM_DRIVERS = {name: driver for name, driver in DRIVERS.items() if isinstance(driver, LLMConformance)}
ONE_A_WORKER = ("openai", "openai_responses", "anthropic", "bedrock_boto3", "mistral llm", "google llm")
"""A driver of each worker, which runs every time. That none is left out is a test of the faults."""

ROME = ToolCallPart(id="call00001", name="look", arguments='{"place": "Rome"}', opaque="U2lnbmVkQ2FsbA")
OSLO = ToolCallPart(id="call00002", name="look", arguments='{"place": "Oslo 🚂", "depth": [1, {"a": null}]}')
THOUGHT = ReasoningPart(text="First I look.\n\nThen I answer.", opaque="U2lnbmVkVGhvdWdodA")


def made(*parts: AssistantPart, reason: FinishReason = FinishReason.STOP, **counts: int) -> LLMAnswer:
    usage = InferenceUsage(**{"input_tokens": 11, "output_tokens": 7, **counts})
    return LLMAnswer(parts=parts, usage=usage, finish_reason=reason)


FIXTURES = {
    "a text": made(TextPart(text="It is warm.")),
    "a text with spaces, lines and letters of several bytes": made(TextPart(text=" Señor 🚂\n\n\tüber \u200dé\u2028 ")),
    "a long text": made(TextPart(text="It is warm in Rome today. " * 60)),
    "a cited text": made(
        TextPart(text="🚂 It is warm.", citations=(Citation(url="https://a.example/x", title="A", start=2, end=13),))
    ),
    "a thought and a text": made(THOUGHT, TextPart(text="It is warm.")),
    "a call": made(ROME, reason=FinishReason.TOOL_CALLS),
    "a text and two calls": made(TextPart(text="I look."), ROME, OSLO, reason=FinishReason.TOOL_CALLS),
    "a thought and two calls": made(THOUGHT, ROME, OSLO, reason=FinishReason.TOOL_CALLS),
    "a call without arguments": made(replace(ROME, arguments="{}"), reason=FinishReason.TOOL_CALLS),
    "a text that was cut off": made(TextPart(text="It is wa"), reason=FinishReason.LENGTH),
    "a call that was cut off": made(TextPart(text="I look."), ROME, reason=FinishReason.LENGTH),
    "a text that a filter ended": made(TextPart(text="It is"), reason=FinishReason.CONTENT_FILTER),
    "no text": made(),
    "each count": made(
        TextPart(text="ok"), input_tokens=100, cached_input_tokens=30, cache_write_tokens=20, reasoning_tokens=5
    ),
}


class Script:
    """The order of one answer over and over, whichever request comes."""

    def __init__(self, answer: LLMAnswer) -> None:
        self._answer = answer

    def __call__(self, token: str) -> InferenceResult[str]:
        return AnswerOrder.of(self._answer)


def comparable(answer: LLMAnswer) -> dict[str, object]:
    """Return the fields of an answer, without what the wire leaves open: ids made here, and spaces in arguments."""
    found = {field.name: getattr(answer, field.name) for field in fields(answer)}
    parts = (replace(part, id="", arguments="") if isinstance(part, ToolCallPart) else part for part in answer.parts)
    arguments = [json.loads(part.arguments) for part in answer.parts if isinstance(part, ToolCallPart)]
    return {**found, "parts": tuple(parts), "arguments": arguments, "request_id": bool(answer.request_id)}


def differences(at_once: LLMAnswer, streamed: LLMAnswer) -> dict[str, tuple[object, object]]:
    one, other = comparable(at_once), comparable(streamed)
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}


async def both(worker: LLMWorkerAbstract, job: LLMJob) -> tuple[LLMAnswer, LLMAnswer]:
    """Return the answer that comes at once and the one that is streamed, whose events add up to it."""
    at_once = await worker.gen_answer(job)
    async with worker.stream_answer(job) as stream:
        events = [event async for event in stream]
        streamed = await stream.answer()
    assert streamed.text == "".join(event.text for event in events if isinstance(event, TextDelta))
    assert streamed.parts == tuple(event.part for event in events if isinstance(event, PartDone))
    return at_once, streamed


def compared(driver: Any, answers: Iterable[LLMAnswer]) -> list[dict[str, tuple[object, object]]]:
    """Return what differs between the two for each answer that a driver's vendor gives."""
    prompt = LLMPrompt(user_text=driver.prompt(new_token()))
    job = LLMJob(prompt=prompt, params=LLMJobParams(tools=(LOOK,)))

    async def scene(stage: Stage[Any, Any], worker: Any) -> list[dict[str, tuple[object, object]]]:
        found = []
        for answer in answers:
            stage.vendor.answer_with(Script(answer))
            found.append(differences(*await both(worker, job)))
        return found

    with driver.vendor() as vendor:
        return play(driver, scene, vendor=vendor)


@pytest.mark.parametrize("name", heavy_but(*ONE_A_WORKER, names=LLM_DRIVERS))
def test_each_answer_is_the_same_at_once_and_streamed(name: str) -> None:
    found = compared(LLM_DRIVERS[name], FIXTURES.values())
    assert {} == {title: what for title, what in zip(FIXTURES, found, strict=True) if what}


def test_a_stream_that_loses_a_part_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = OpenAICompletionsWorker._stream

    async def losing(self: OpenAICompletionsWorker, job: LLMJob) -> AsyncIterator[LLMEvent]:
        async for event in stream(self, job):
            if not isinstance(event, ToolCallDelta):
                yield event

    monkeypatch.setattr(OpenAICompletionsWorker, "_stream", losing)
    (found,) = compared(LLM_DRIVERS["openai"], [FIXTURES["a text and two calls"]])
    assert {"parts", "arguments", "finish_reason"} == set(found)
