"""The base of LLM workers over the hooks that a driver may write: answers, streams, conversations, refusals."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTruncatedError,
    StreamClosedError,
    UnsupportedCapabilityError,
)
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import (
    AnswerDone,
    AnswerUpdate,
    LLMAnswer,
    LLMEvent,
    LLMJob,
    LLMJobParams,
    LLMPrompt,
    LLMTool,
    PartDone,
    ReasoningDelta,
    ReasoningPart,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
    UserMessage,
)
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.exceptions import InvalidContributionError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.usage_log import UsageLog
from tests.cogt.workers import USAGE, spec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOK = LLMTool(name="look", json_schema={"type": "object", "properties": {}})


def asking(text: str = "x", **params: Any) -> LLMJob:
    return LLMJob(prompt=LLMJob.of(text).prompt, params=LLMJobParams(**params))


class Base(LLMWorkerAbstract):
    def __init__(self, *capabilities: Capability) -> None:
        self.log = UsageLog()
        self.jobs: list[LLMJob] = []
        declared = capabilities or tuple(Capability)
        super().__init__(inference_model=spec(InferenceFamily.LLM, *declared), reporting_delegate=self.log)


class Streaming(Base):
    """Writes ``_stream`` alone; yields its events."""

    events: tuple[LLMEvent, ...] = (
        AnswerUpdate(usage=USAGE, model_served="rocket-1.1"),
        ReasoningDelta(text="hm"),
        PartDone(part=ReasoningPart(opaque="SIGNED")),
        TextDelta(text="bl"),
        TextDelta(text="ue"),
        AnswerDone(answer=LLMAnswer(finish_reason=FinishReason.STOP, request_id="r1")),
    )

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        self.jobs.append(job)
        for event in self.events:
            yield event


class AtOnce(Base):
    """Writes ``_generate`` alone."""

    answer = LLMAnswer(
        parts=(ReasoningPart(text="hm", opaque="SIGNED"), TextPart(text="blue")),
        usage=USAGE,
        model_served="rocket-1.1",
        request_id="r1",
    )

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        self.jobs.append(job)
        return self.answer


class TextAlone(Base):
    """Writes ``_gen_text`` alone, as the smallest plugin does."""

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        self.jobs.append(job)
        return InferenceResult(content=job.prompt.user_text.upper(), usage=USAGE)


WHOLE = replace(AtOnce.answer, finish_reason=FinishReason.STOP, backend_name="acme")


def test_streamed_collected_and_generated_answers_are_equal() -> None:
    assert WHOLE == Streaming().gen_answer_sync("x")
    assert WHOLE == AtOnce().gen_answer_sync("x")
    assert WHOLE == Streaming().stream_answer_sync("x").answer()


def test_one_hook_serves_texts_streams_and_objects() -> None:
    worker = Streaming()
    assert "blue" == worker.gen_text_sync("x")
    assert ["bl", "ue"] == list(worker.stream_text_sync("x"))
    worker.events = (TextDelta(text='["a"]'), AnswerDone(answer=LLMAnswer(usage=USAGE)))
    assert ["a"] == worker.gen_object_sync("x", list[str])
    assert worker.jobs[-1].params.structured_output == {"items": {"type": "string"}, "type": "array"}
    assert [USAGE] * 3 == [record.usage for record in worker.log.records]
    assert ["gen_text", "stream_text", "gen_object"] == [record.operation for record in worker.log.records]


def test_a_worker_that_knows_texts_alone_answers_as_a_record_too() -> None:
    answer = TextAlone().gen_answer_sync("hi")
    assert ("HI", USAGE, FinishReason.STOP, "acme") == (
        answer.text,
        answer.usage,
        answer.finish_reason,
        answer.backend_name,
    )


@pytest.mark.parametrize(
    ("job", "named"),
    [
        (LLMJob.of([UserMessage(parts=(TextPart(text="a"),))]), "history"),
        (asking(tools=(LOOK,)), "tools"),
        (asking(show_reasoning=True), "show_reasoning"),
        (asking(top_logprobs=2), "top_logprobs"),
        (asking(structured_output={"type": "object"}), "structured_output"),
    ],
)
def test_what_a_hook_of_texts_would_lose_is_refused_whatever_is_declared(job: LLMJob, named: str) -> None:
    worker = TextAlone()
    with pytest.raises(InferenceRequestError, match=f"declares '{named}', and its driver cannot"):
        worker.gen_answer_sync(job)
    assert [] == worker.jobs


@pytest.mark.parametrize(
    ("params", "capability"),
    [
        ({"tools": (LOOK,)}, "tools"),
        ({"top_p": 0.5}, "top_p"),
        ({"single_tool_call": True}, "single_tool_call"),
        ({"vendor_params": {"a": 1}}, "vendor_params"),
        ({"structured_output": {"type": "object"}}, "structured_output"),
    ],
)
def test_a_parameter_needs_the_capability_of_its_name(params: dict[str, Any], capability: str) -> None:
    with pytest.raises(UnsupportedCapabilityError) as caught:
        AtOnce(Capability.SEED).gen_answer_sync(asking(**params))
    assert capability == caught.value.capability


def test_the_parts_of_a_history_need_theirs() -> None:
    from tests.cogt.llm.test_history import IMAGE, WITH_CALLS

    with pytest.raises(UnsupportedCapabilityError) as caught:
        AtOnce(Capability.HISTORY).gen_answer_sync(WITH_CALLS)
    assert "tools" == caught.value.capability
    with pytest.raises(UnsupportedCapabilityError) as caught:
        AtOnce(Capability.HISTORY).gen_answer_sync([UserMessage(parts=(IMAGE,))])
    assert "images" == caught.value.capability


def test_a_history_reaches_the_driver_ready_to_be_sent() -> None:
    worker = AtOnce()
    job = LLMJob.of("a")
    for question in ("b", "c"):
        job = job.then(worker.gen_answer_sync(job), question)
    worker.gen_answer_sync(job)
    messages = worker.jobs[-1].prompt.messages()
    assert ["user", "assistant", "user", "assistant", "user"] == [message.role for message in messages]
    assert WHOLE.parts == messages[1].parts


CHOICES = {
    "a choice without tools": (asking(tool_choice=ToolChoice()), "has no tools"),
    "a name with a space": (asking(tools=(replace(LOOK, name="look up"),)), "'look up'"),
    "two of one name": (asking(tools=(LOOK, LOOK)), "Two tools"),
    "a choice of another name": (
        asking(tools=(LOOK,), tool_choice=ToolChoice(mode=ToolChoiceMode.REQUIRED, name="hear")),
        "'hear'",
    ),
}


@pytest.mark.parametrize("mistake", CHOICES)
def test_tools_that_no_vendor_takes_are_refused(mistake: str) -> None:
    job, named = CHOICES[mistake]
    with pytest.raises(InferenceRequestError, match=f"{named}.*Nothing was sent"):
        AtOnce().gen_answer_sync(job)


@pytest.mark.parametrize("source", [3, None, [], ["hi"], {"role": "user"}, b"hi"])
def test_what_is_no_job_is_named(source: Any) -> None:
    with pytest.raises(InferenceRequestError, match="A job is a text, an LLMJob"):
        AtOnce().gen_text_sync(source)


def test_a_method_that_returns_no_calls_takes_no_tools_unless_none_may_be_called() -> None:
    worker = AtOnce()
    with pytest.raises(InferenceRequestError, match="gen_answer"):
        worker.gen_text_sync(asking(tools=(LOOK,)))
    none = ToolChoice(mode=ToolChoiceMode.NONE)
    assert "blue" == worker.gen_text_sync(asking(tools=(LOOK,), tool_choice=none))


@pytest.mark.parametrize("reason", [None, FinishReason.STOP, FinishReason.TOOL_CALLS])
def test_the_finish_reason_means_one_thing_for_all_vendors(reason: FinishReason | None) -> None:
    worker = AtOnce()
    worker.answer = LLMAnswer(parts=(ToolCallPart(id="a", name="look", arguments="{}"),), finish_reason=reason)
    answer = worker.gen_answer_sync("x")
    assert (FinishReason.TOOL_CALLS, 1) == (answer.finish_reason, len(answer.tool_calls))
    worker.answer = LLMAnswer(text="a", finish_reason=reason)
    assert FinishReason.STOP is worker.gen_answer_sync("x").finish_reason


def test_a_cut_answer_is_returned_by_gen_answer_and_is_an_error_of_gen_text() -> None:
    worker = AtOnce()
    call = ToolCallPart(id="a", name="look", arguments='{"a":')
    worker.answer = LLMAnswer(parts=(TextPart(text="half"), call), finish_reason=FinishReason.LENGTH, usage=USAGE)
    answer = worker.gen_answer_sync("x")
    assert ("half", ()) == (answer.text, answer.tool_calls)
    with pytest.raises(InferenceTruncatedError) as caught:
        worker.gen_text_sync("x")
    assert isinstance(caught.value.answer, LLMAnswer)
    assert ("half", USAGE, ()) == (caught.value.answer.text, caught.value.answer.usage, caught.value.answer.tool_calls)


def test_an_object_is_asked_for_again_in_two_turns_where_the_model_takes_a_conversation() -> None:
    class Learning(Base):
        async def _generate(self, job: LLMJob) -> LLMAnswer:
            self.jobs.append(job)
            return LLMAnswer(text="[1" if len(self.jobs) == 1 else "[1]", usage=USAGE)

    worker = Learning()
    assert [1] == worker.gen_object_sync("x", list[int])
    asked = worker.jobs[1].prompt.messages()
    assert ["user", "assistant", "user"] == [message.role for message in asked]
    assert (TextPart(text="[1"),) == asked[1].parts
    assert [USAGE.plus(USAGE)] == [record.usage for record in worker.log.records]


class Breaking(Streaming):
    events: tuple[LLMEvent, ...] = (
        AnswerUpdate(usage=USAGE),
        ReasoningDelta(text="hm"),
        TextDelta(text="half"),
        ToolCallDelta(id="a", name="look", arguments="{"),
    )
    error: Exception | None = None

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        async for event in super()._stream(job):
            yield event
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, InferenceServerError, ValueError])
@pytest.mark.parametrize("call", ["gen_text_sync", "gen_answer_sync", "stream_text_sync", "stream_answer_sync"])
def test_a_broken_answer_is_on_the_error_and_can_be_continued(error: type[Exception] | None, call: str) -> None:
    worker = Breaking()
    worker.inference_model = replace(
        worker.inference_model, policy=replace(worker.inference_model.policy, max_attempts=1)
    )
    worker.error = error("gone") if error is not None else None
    with pytest.raises(InferenceError) as caught:
        list(getattr(worker, call)("x"))
    answer = caught.value.answer
    assert isinstance(answer, LLMAnswer)
    assert ("half", USAGE, ()) == (answer.text, answer.usage, answer.tool_calls)
    assert [USAGE] == [record.usage for record in worker.log.records]
    then = AtOnce()
    then.gen_answer_sync(LLMJob.of("x").then(answer, "go on"))
    assert ["text"] == [part.kind for part in then.jobs[0].prompt.history[1].parts]


def test_a_collected_stream_is_repeated_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelex.cogt.inference.attempts.pause_s", lambda *_: 0.0)

    class Once(Breaking):
        async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
            self.error = None if self.jobs else InferenceServerError("gone")
            self.events = Streaming.events if self.jobs else Breaking.events
            async for event in super()._stream(job):
                yield event

    worker = Once()
    assert "blue" == worker.gen_text_sync("x")
    assert [USAGE.plus(USAGE)] == [record.usage for record in worker.log.records]


def test_a_server_that_names_no_end_is_declared() -> None:
    worker = Breaking()
    worker.inference_model = replace(worker.inference_model, extras={"stream_end_unnamed": True})
    worker.events = (TextDelta(text="half"),)
    assert "half" == worker.gen_text_sync("x")


def test_a_stream_is_events_text_and_an_answer() -> None:
    with Streaming().stream_answer_sync("x") as stream:
        events = list(stream)
    kinds = ["reasoning_delta", "part_done", "text_delta", "text_delta", "part_done", "answer_done"]
    assert kinds == [event.kind for event in events]
    assert WHOLE == stream.so_far == stream.answer()
    assert ["bl", "ue"] == list(Streaming().stream_answer_sync("x").text())


def test_a_stream_that_is_left_says_what_came_and_is_reported_once() -> None:
    worker = Streaming()
    with worker.stream_answer_sync("x") as stream:
        assert "bl" == next(stream.text())
    assert ("bl", USAGE) == (stream.so_far.text, stream.so_far.usage)
    with pytest.raises(StreamClosedError):
        stream.answer()
    assert [USAGE] == [record.usage for record in worker.log.records]


def test_the_error_of_a_stream_is_raised_again_by_its_answer() -> None:
    stream = Breaking().stream_answer_sync("x")
    with pytest.raises(InferenceServerError):
        list(stream)
    with pytest.raises(InferenceServerError):
        stream.answer()


def test_leaving_a_stream_closes_the_driver_s() -> None:
    closed: list[str] = []

    class Closing(Base):
        async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
            try:
                yield TextDelta(text="a")
                yield TextDelta(text="b")
            finally:
                closed.append("closed")

    async def leave() -> None:
        async with Closing().stream_answer("x") as stream:
            async for _ in stream:
                break
        assert ["closed"] == closed

    asyncio.run(leave())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("a text", "an LLMEvent"),
        (TextDelta(text=3), "str"),  # type: ignore[arg-type]  # the mistake
        (PartDone(part="text"), "a part of an assistant's message"),  # type: ignore[arg-type]
        (PartDone(part=ToolCallPart(id="a", name="f", arguments={})), "str"),  # type: ignore[arg-type]
        (AnswerDone(answer="a"), "LLMAnswer"),  # type: ignore[arg-type]
        (AnswerUpdate(usage={"input": 3}), "InferenceUsage"),  # type: ignore[arg-type]
        (AnswerUpdate(finish_reason="stop"), "FinishReason"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_event_names_the_hook_and_what_was_expected(event: Any, expected: str) -> None:
    worker = Streaming()
    worker.events = (event,)
    with pytest.raises(InvalidContributionError, match=r"_stream of Streaming") as caught:
        worker.gen_answer_sync("x")
    assert expected in caught.value.expected


@pytest.mark.parametrize("answer", ["text", None, LLMAnswer(parts=("text",))])  # type: ignore[arg-type]
def test_a_wrong_answer_names_the_hook(answer: Any) -> None:
    worker = AtOnce()
    worker.answer = answer
    with pytest.raises(InvalidContributionError, match=r"_generate of AtOnce"):
        worker.gen_answer_sync("x")


def test_a_worker_without_a_hook_is_named() -> None:
    with pytest.raises(InferenceRequestError, match="Base has no hook"):
        Base().gen_text_sync("x")


def test_tokens_are_counted() -> None:
    class Counting(AtOnce):
        async def _count_tokens(self, job: LLMJob) -> int:
            return len(job.prompt.user_text)

    assert 2 == Counting().count_tokens_sync("hi")
    with pytest.raises(UnsupportedCapabilityError):
        Counting(Capability.SEED).count_tokens_sync("hi")
    with pytest.raises(InferenceRequestError, match="token_counting"):
        AtOnce().count_tokens_sync("hi")


def test_an_answer_without_text_says_what_came_in_its_place() -> None:
    worker = AtOnce()
    worker.answer = LLMAnswer(parts=(ReasoningPart(text="hm"),))
    with pytest.raises(InferenceInvalidAnswerError, match="what came is reasoning"):
        worker.gen_text_sync("x")


def test_a_schema_beside_tools_needs_a_capability_of_its_own() -> None:
    worker = AtOnce(*(set(Capability) - {Capability.STRUCTURED_OUTPUT_WITH_TOOLS}))
    none = ToolChoice(mode=ToolChoiceMode.NONE)
    for call in (
        lambda: worker.gen_answer_sync(asking(tools=(LOOK,), structured_output={"type": "object"})),
        lambda: worker.gen_object_sync(asking(tools=(LOOK,), tool_choice=none), list[str]),
    ):
        with pytest.raises(UnsupportedCapabilityError) as caught:
            call()
        assert "structured_output_with_tools" == caught.value.capability
    assert [] == worker.jobs
    assert "blue" == worker.gen_answer_sync(asking(tools=(LOOK,))).text


LONG = "word " * 200
TOO_LONG: dict[str, LLMJob] = {
    "its text": LLMJob.of(LONG),
    "its instruction": LLMJob(prompt=LLMPrompt(user_text="x", system_text=LONG)),
    "its conversation": LLMJob.of("a").then(LLMAnswer(text=LONG), "b"),
    "the result of a tool": LLMJob.of("a").then(
        LLMAnswer(parts=(ToolCallPart(id="a", name="look", arguments="{}"),), finish_reason=FinishReason.TOOL_CALLS),
        ToolResultPart(call_id="a", content=(TextPart(text=LONG),)),
    ),
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_a_prompt_that_cannot_fit_the_context_window_is_not_sent(name: str) -> None:
    worker = AtOnce()
    worker.gen_answer_sync(TOO_LONG[name])
    worker.inference_model = replace(worker.inference_model, context_window=100)
    for call in (worker.gen_answer_sync, worker.gen_text_sync, lambda job: list(worker.stream_answer_sync(job))):
        with pytest.raises(InferenceCapacityError, match=r"context window has 100 .*Nothing was sent"):
            call(TOO_LONG[name])
    worker.gen_answer_sync("word " * 160)
    assert 2 == len(worker.jobs)


def test_the_context_window_does_not_limit_the_counting_of_tokens_nor_what_is_opaque() -> None:
    class Counting(AtOnce):
        async def _count_tokens(self, job: LLMJob) -> int:
            return len(job.prompt.user_text)

    worker = Counting()
    worker.inference_model = replace(worker.inference_model, context_window=100)
    assert len(LONG) == worker.count_tokens_sync(LONG)
    signed = LLMAnswer(parts=(ReasoningPart(opaque=LONG), TextPart(text="a")), backend_name="acme")
    worker.gen_answer_sync(LLMJob.of("a").then(signed, "b"))


def test_the_cost_of_an_answer_is_known_where_its_price_is() -> None:
    worker = AtOnce()
    answer = worker.gen_answer_sync("x")
    assert worker.cost_of(answer) is None
    priced = replace(worker.inference_model, price_provider="openai", model_id="gpt-4.1-mini")
    worker.inference_model = priced
    expected = (USAGE.input_tokens or 0) * 0.4e-6 + (USAGE.output_tokens or 0) * 1.6e-6
    assert expected == pytest.approx(worker.cost_of(USAGE))
    assert expected == pytest.approx(worker.cost_of(replace(answer, model_served="gpt-4.1-mini-2025-04-14")))
    assert worker.cost_of(replace(answer, model_served="a model without a price")) is None
    assert worker.cost_of(replace(answer, usage=None)) is None
