"""Conversations with tools, for the tests of every LLM driver: the jobs, and an answer both at once and streamed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelex.cogt.llm.llm_job import (
    LLMJob,
    LLMJobParams,
    LLMPrompt,
    LLMTool,
    TextDelta,
    ToolResultPart,
)

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_job import LLMAnswer, LLMMessage
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from tests.providers.calls import Caller

LOOK = LLMTool(
    name="look",
    description="Look at a city.",
    json_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def asking(text: str = "Which city is warmer?", **params: Any) -> LLMJob:
    """Make a job of a text and parameters, with the one tool unless they say otherwise."""
    return LLMJob(prompt=LLMPrompt(user_text=text), params=LLMJobParams(**{"tools": (LOOK,), **params}))


def answered(caller: Caller, job: LLMJob | str) -> LLMAnswer:
    """Return the answer that comes at once."""
    return caller.llm(lambda worker: worker.gen_answer(job))


def streamed(caller: Caller, job: LLMJob | str) -> LLMAnswer:
    """Return the answer of a stream, whose pieces of text add up to it."""

    async def collect(worker: LLMWorkerAbstract) -> LLMAnswer:
        async with worker.stream_answer(job) as stream:
            pieces = [event.text async for event in stream if isinstance(event, TextDelta)]
            answer = await stream.answer()
        assert answer.text == "".join(pieces)
        return answer

    return caller.llm(collect)


def continued(job: LLMJob, answer: LLMAnswer, *, is_error: bool = False) -> LLMJob:
    """Return the job after the tools that an answer calls; the results come in the other order."""
    results = [
        ToolResultPart(call_id=call.id, content=f"31 degrees ({place})", is_error=is_error)
        for place, call in enumerate(answer.tool_calls)
    ]
    return job.then(answer, *reversed(results), "And then?")


def made_elsewhere(job: LLMJob) -> LLMJob:
    """Return a job as if another backend had made the turns of the model in it."""

    def moved(message: LLMMessage) -> LLMMessage:
        return replace(message, backend_name="elsewhere") if message.role == "assistant" else message

    return replace(job, prompt=replace(job.prompt, history=tuple(map(moved, job.prompt.history))))
