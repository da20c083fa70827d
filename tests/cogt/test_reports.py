"""The report of a call: what it holds, in which context it is made, and that it changes nothing."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

import httpx
import pytest

from pipelex.cogt.exceptions import InferenceRateLimitError, InferenceRequestError, InferenceTruncatedError
from pipelex.cogt.inference.http_answers import note_answer
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import AnswerDone, AnswerUpdate, LLMAnswer, LLMEvent, LLMJob, TextDelta
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.reporting import observers
from pipelex.reporting.reporting_protocol import CallOutcome, InferenceRecord, InferenceUsage
from tests.cogt.workers import ScriptedExtract, ScriptedLLM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ROW: ContextVar[str] = ContextVar("ROW", default="none")


class Rows:
    """Notes the row for which each record is made."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    def report_inference(self, record: InferenceRecord) -> None:
        """Note it."""
        self.rows.append((ROW.get(), record.outcome.value))


class Broken:
    """Raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def report_inference(self, record: InferenceRecord) -> None:
        """Raise it."""
        raise self.error


class Nothing:
    """Has no method to report to."""


class Awaited:
    """Was written as a coroutine function."""

    async def report_inference(self, record: InferenceRecord) -> None:
        """Never run."""
        raise AssertionError


BROKEN = [
    Broken(RuntimeError("exporter down")),
    Broken(SystemExit(3)),
    Broken(asyncio.CancelledError()),
    Nothing(),
    Awaited(),
]


class Answering(ScriptedLLM):
    """Sends a request to a server that fails first, and answers with a request id of its own each time."""

    def __init__(self, *statuses: int) -> None:
        super().__init__("blue", Capability.STREAMING)
        self.statuses = list(statuses)
        self.sent = 0

    async def _request(self) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            self.sent += 1
            return httpx.Response(self.statuses[self.sent - 1], headers={"X-Request-Id": f"req-{self.sent}"})

        async with httpx.AsyncClient(
            transport=httpx.MockTransport(answer), event_hooks={"response": [note_answer]}
        ) as client:
            response = await client.get("http://acme.test")
        if response.status_code != 200:
            raise InferenceRateLimitError("slow down", retry_after=0.0)

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        await self._request()
        return self._answer(job)

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        await self._request()
        yield AnswerUpdate(usage=InferenceUsage(input_tokens=3))
        yield TextDelta(text="bl")
        yield TextDelta(text="ue")
        yield AnswerDone(answer=LLMAnswer(finish_reason=FinishReason.STOP))


class Hanging(ScriptedLLM):
    """Never answers, where it is told so."""

    hangs = False

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        if self.hangs:
            await asyncio.Event().wait()
        return await super()._gen_text(job)


@pytest.fixture(autouse=True)
def _nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "_logged", set())


@pytest.mark.parametrize("observer", BROKEN, ids=lambda observer: type(getattr(observer, "error", observer)).__name__)
def test_a_delegate_that_fails_changes_no_outcome(observer: object, caplog: pytest.LogCaptureFixture) -> None:
    worker = ScriptedLLM("blue", Capability.STREAMING)
    worker.reporting_delegate = observer  # type: ignore[assignment]  # that is the fault
    assert "blue" == worker.gen_text_sync("x")
    assert "blue" == "".join(worker.stream_text_sync("x"))
    worker.finish_reason = FinishReason.LENGTH
    with pytest.raises(InferenceTruncatedError):
        worker.gen_text_sync("x")
    (line,) = caplog.records
    assert ("pipelex.reporting", logging.ERROR) == (line.name, line.levelno)
    assert f"{type(observer).__qualname__} failed" in line.getMessage()
    assert line.exc_info is not None


def test_an_interrupt_of_the_user_is_not_swallowed() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        observers.notify(interrupted, interrupted)


def test_a_progress_callback_that_fails_costs_no_page(caplog: pytest.LogCaptureFixture) -> None:
    def broken(progress: object) -> None:
        raise RuntimeError("no terminal")

    worker = ScriptedExtract()
    assert worker.extract_pages_sync(b"%PDF") == worker.extract_pages_sync(b"%PDF", on_progress=broken)
    assert 1 == len(caplog.records)


async def _called(worker: ScriptedLLM) -> None:
    await worker.gen_text("x")


async def _streamed(worker: ScriptedLLM) -> None:
    assert ["b", "l", "u", "e"] == [piece async for piece in worker.stream_text("x")]


async def _left(worker: ScriptedLLM) -> None:
    async for _ in worker.stream_text("x"):
        break


async def _cancelled(worker: Hanging) -> None:
    worker.hangs = True
    task = asyncio.ensure_future(worker.gen_text("x"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    ("do", "outcome"), [(_called, "ok"), (_streamed, "ok"), (_left, "abandoned"), (_cancelled, "abandoned")]
)
def test_a_delegate_runs_in_the_context_of_its_caller(do: Callable[[Hanging], Awaitable[None]], outcome: str) -> None:
    rows = Rows()

    async def call(row: str) -> None:
        worker = Hanging("blue", Capability.STREAMING)
        worker.reporting_delegate = rows
        ROW.set(row)
        await do(worker)
        ROW.set("later")  # a stream that was left is closed some time after
        await asyncio.sleep(0)

    async def many() -> None:
        await asyncio.gather(*(call(str(number)) for number in range(5)))

    asyncio.run(many())
    assert [(str(number), outcome) for number in range(5)] == sorted(rows.rows)


def test_a_delegate_of_a_sync_call_runs_in_the_context_of_its_caller() -> None:
    worker, rows = ScriptedLLM("blue", Capability.STREAMING), Rows()
    worker.reporting_delegate = rows
    token = ROW.set("7")
    worker.gen_text_sync("x")
    list(worker.stream_text_sync("x"))
    for _ in worker.stream_text_sync("x"):
        break
    ROW.reset(token)
    assert [("7", "ok"), ("7", "ok"), ("7", "abandoned")] == rows.rows


@pytest.mark.parametrize("statuses", [(200,), (429, 200), (429, 429, 200)])
@pytest.mark.parametrize("streams", [False, True])
def test_a_record_counts_attempts_and_names_the_last_request(statuses: tuple[int, ...], streams: bool) -> None:
    worker = Answering(*statuses)
    assert "blue" == ("".join(worker.stream_text_sync("x")) if streams else worker.gen_text_sync("x"))
    (record,) = worker.log.records
    assert (len(statuses), f"req-{len(statuses)}") == (record.attempts, record.request_id)
    assert (CallOutcome.OK, "rocket-1") == (record.outcome, record.model_id)
    assert record.started_at is not None
    assert (record.first_piece_s is not None) == streams
    assert 0 < (record.first_piece_s or record.duration_s) <= record.duration_s


def test_a_request_id_is_not_that_of_an_earlier_call() -> None:
    async def twice() -> list[str | None]:
        worker = Answering(200)
        await worker.gen_text("x")
        plain = ScriptedLLM()
        await plain.gen_text("x")
        return [record.request_id for record in (*worker.log.records, *plain.log.records)]

    assert ["req-1", None] == asyncio.run(twice())


def test_the_request_id_of_an_error_is_that_of_the_record() -> None:
    worker = ScriptedLLM()
    worker.error = InferenceRequestError("wrong", request_id="req-e")
    with pytest.raises(InferenceRequestError):
        worker.gen_text_sync("x")
    (record,) = worker.log.records
    assert ("req-e", CallOutcome.ERROR, "InferenceRequestError") == (record.request_id, record.outcome, record.error)


def test_a_stream_that_is_left_reports_what_is_known_by_then() -> None:
    worker = Answering(200)
    pieces = worker.stream_text_sync("x")
    assert "bl" == next(pieces)
    pieces.close()
    (record,) = worker.log.records
    assert (CallOutcome.ABANDONED, None, "req-1") == (record.outcome, record.error, record.request_id)
    assert InferenceUsage(input_tokens=3) == record.usage
    assert record.first_piece_s is not None


def test_pages_have_a_first_one() -> None:
    worker = ScriptedExtract()
    list(worker.stream_pages_sync(b"%PDF"))
    assert worker.log.records[-1].first_piece_s is not None
