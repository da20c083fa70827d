"""Whatever third-party code raises in a hook is an InferenceError, and the calls after it work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.inference.sync_calls import run_coroutine
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.reporting.reporting_protocol import CallOutcome
from tests.cogt.workers import ScriptedLLM

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.llm.llm_job import LLMJob


class Panic(BaseException):
    """What PyO3 raises where Rust code panics."""


class MuteError(Exception):
    """Cannot be turned into text."""

    def __str__(self) -> str:
        raise ZeroDivisionError


class Raising(ScriptedLLM):
    """Raises once, then answers."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__("blue", Capability.STREAMING)
        self.raised: BaseException | None = raised

    def _answer(self, job: LLMJob) -> InferenceResult[str]:
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised
        return super()._answer(job)


RAISED = [
    (SystemExit(3), "SystemExit: 3"),
    (Panic("boom"), "Panic: boom"),
    (asyncio.CancelledError(), "CancelledError"),
    (GeneratorExit("boom"), "GeneratorExit: boom"),
    (MuteError(), "MuteError: (no message: its __str__ raised ZeroDivisionError)"),
]


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("raised", "words"), RAISED, ids=lambda value: str(value) if isinstance(value, str) else "")
def test_what_a_hook_raises_is_an_inference_error_and_the_next_call_works(
    raised: BaseException, words: str, streams: bool
) -> None:
    worker = Raising(raised)

    def call() -> str:
        return "".join(worker.stream_text_sync("hi")) if streams else worker.gen_text_sync("hi")

    with pytest.raises(InferenceError) as caught:
        call()
    assert words == caught.value.message
    assert raised is caught.value.__cause__
    assert "blue" == call()


def test_a_call_that_its_caller_cancels_is_cancelled() -> None:
    class Waiting(ScriptedLLM):
        async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
            await asyncio.Event().wait()
            raise AssertionError

    async def cancel() -> None:
        task = asyncio.create_task(Waiting().gen_text("hi"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())


def test_a_call_whose_coroutine_is_closed_is_abandoned() -> None:
    class Waiting(ScriptedLLM):
        async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
            await asyncio.Event().wait()
            raise AssertionError

    async def close() -> None:
        call = worker.gen_text("hi")
        call.send(None)  # up to where it waits
        call.close()

    worker = Waiting()
    asyncio.run(close())
    assert [CallOutcome.ABANDONED] == [record.outcome for record in worker.log.records]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_does_not_end_the_loop_of_the_synchronous_calls(kind: type[BaseException]) -> None:
    async def leave() -> None:
        raise kind

    async def answer() -> str:
        return "here"

    with pytest.raises(kind):
        run_coroutine(leave)
    assert "here" == run_coroutine(answer)
