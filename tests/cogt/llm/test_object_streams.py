"""Objects as they are made: partial values on the events of the answer, the validated object at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import (
    InferenceInvalidAnswerError,
    InferenceRequestError,
    InferenceTruncatedError,
    StreamClosedError,
    UnsupportedCapabilityError,
)
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, TextDelta
from pipelex.cogt.llm.object_question import partial_value
from pipelex.cogt.model_backends.model_spec import Capability
from tests.cogt.llm.test_answers import LOOK, Base, asking
from tests.cogt.workers import USAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob

PIECES = ('{"name": "Ro', 'me", "people"', ": 28", "00000}")


@dataclass
class City:
    name: str
    people: int


class Answering(Base):
    """Streams each of its answers in turn, in pieces."""

    answers: tuple[tuple[str, ...], ...] = (PIECES,)
    reason = FinishReason.STOP

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        self.jobs.append(job)
        for piece in self.answers[len(self.jobs) - 1]:
            yield TextDelta(text=piece)
        yield AnswerDone(answer=LLMAnswer(usage=USAGE, finish_reason=self.reason))


def test_the_object_grows_and_is_validated_at_the_end() -> None:
    worker = Answering()
    with worker.stream_object_sync("Which city?", City) as stream:
        partials = list(stream.partials())
        city = stream.output()
    growing = [{"name": "Ro"}, {"name": "Rome"}, {"name": "Rome", "people": 28}, {"name": "Rome", "people": 2800000}]
    assert growing == partials
    assert City(name="Rome", people=2800000) == city
    assert "".join(PIECES) == stream.answer().text
    assert ["stream_object"] == [record.operation for record in worker.log.records]
    assert worker.jobs[0].params.structured_output is not None


def test_the_events_are_those_of_an_answer() -> None:
    async def kinds() -> list[str]:
        async with Answering().stream_object("x", City) as stream:
            return [event.kind async for event in stream]

    assert [*["text_delta"] * 4, "part_done", "answer_done"] == asyncio.run(kinds())
    assert list(PIECES) == list(Answering().stream_object_sync("x", City).text())


def test_an_answer_that_does_not_fit_is_asked_for_again_and_the_object_begins_anew() -> None:
    worker = Answering()
    worker.answers = (('{"name": "Ro', 'me"}'), PIECES)
    with worker.stream_object_sync("x", City) as stream:
        partials = list(stream.partials())
        events = [event.kind for event in stream]
        assert City(name="Rome", people=2800000) == stream.output()
    assert [{"name": "Rome"}, {"name": "Ro"}] == partials[1:3]
    assert [] == events
    assert "people: Field required" in str(worker.jobs[1].prompt.history[-1])
    assert [USAGE.plus(USAGE)] == [record.usage for record in worker.log.records]


def test_an_answer_that_never_fits_is_an_error_with_what_came() -> None:
    worker = Answering()
    worker.answers = (("{}",), ('{"name": 1}',))
    stream = worker.stream_object_sync("x", City)
    with pytest.raises(InferenceInvalidAnswerError) as caught:
        list(stream)
    assert caught.value.answer is not None
    assert ('{"name": 1}', USAGE.plus(USAGE)) == (caught.value.answer.text, caught.value.answer.usage)
    with pytest.raises(InferenceInvalidAnswerError):
        stream.output()


def test_a_cut_object_is_an_error_with_what_came() -> None:
    worker = Answering()
    worker.answers, worker.reason = (PIECES[:1],), FinishReason.LENGTH
    with pytest.raises(InferenceTruncatedError) as caught:
        worker.stream_object_sync("x", City).output()
    assert caught.value.answer is not None
    assert PIECES[0] == caught.value.answer.text


def test_a_stream_that_is_left_has_no_object() -> None:
    with Answering().stream_object_sync("x", City) as stream:
        assert {"name": "Ro"} == next(stream.partials())
    with pytest.raises(StreamClosedError):
        stream.output()


def test_what_cannot_be_asked_for_is_refused_before_the_stream() -> None:
    with pytest.raises(UnsupportedCapabilityError, match="'streaming'"):
        Answering(Capability.STRUCTURED_OUTPUT).stream_object_sync("x", City)
    with pytest.raises(UnsupportedCapabilityError, match="'structured_output'"):
        Answering(Capability.STREAMING).stream_object_sync("x", City)
    with pytest.raises(InferenceRequestError, match="run_tools"):
        Answering().stream_object_sync(asking(tools=(LOOK,)), City)


OTHER_TYPES: dict[str, tuple[Any, tuple[str, ...], object]] = {
    "a type or nothing": (City | None, ("nu", "ll"), None),
    "a list": (list[City], ('[{"name": "Rome"', ', "people": 1}]'), [City("Rome", 1)]),
    "a number": (int, ("1", "2"), 12),
}


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_any_type_can_be_streamed(name: str) -> None:
    schema, pieces, expected = OTHER_TYPES[name]
    worker = Answering()
    worker.answers = (pieces,)
    with worker.stream_object_sync("x", schema) as stream:
        assert list(stream.partials())
        assert expected == stream.output()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b', {"a": 1}),
        ('{"a": [1, {"c": "d', {"a": [1, {"c": "d"}]}),
        ("[", []),
        ('```json\n{"a": "b', {"a": "b"}),
        ('Here it is: {"a": "b"}', {"a": "b"}),
        ('"use {braces', "use {braces"),
        ('{"a": "\\u00e', {"a": ""}),
    ],
)
def test_the_beginning_of_an_answer_has_a_value(text: str, value: object) -> None:
    assert value == partial_value(text)


@pytest.mark.parametrize("text", ["", "Here it is", "```json\n"])
def test_an_answer_that_has_not_begun_has_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        partial_value(text)
