"""The one policy of attempts: what is repeated, how often, after which pause, and what never is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceConnectionError,
    InferenceError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
)
from pipelex.cogt.inference import attempts, gate
from pipelex.cogt.inference.gate import pause_s
from pipelex.cogt.inference.inference_result import InferenceResult, PartialAnswer
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, TextDelta
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.sdk_client_registry import ClientClosedError
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.cogt.virtual_time import virtual_time
from tests.cogt.workers import USAGE, ScriptedImgGen, ScriptedLLM, spec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob
    from tests.cogt.virtual_time import VirtualTime


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualTime]:
    """Let pauses and time limits pass at once, and measure them."""
    with virtual_time(monkeypatch) as time:
        yield time


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses, and take none of them."""
    decided: list[float] = []

    def take_note(error: InferenceError, failures: int) -> float:
        decided.append(pause_s(error, failures))
        return 0.0

    for module in (attempts, gate):
        monkeypatch.setattr(module, "pause_s", take_note)
    return decided


class Failing(ScriptedLLM):
    """Fails with each of its failures in turn, then answers."""

    def __init__(self, *failures: Exception, policy: CallPolicy | None = None) -> None:
        super().__init__("blue", Capability.STREAMING)
        self.failures = list(failures)
        self.inference_model = replace(self.inference_model, policy=policy or CallPolicy())

    def _answer(self, job: LLMJob) -> InferenceResult[str]:
        self.error = self.failures.pop(0) if self.failures else None
        return super()._answer(job)


def transient(**details: Any) -> InferenceRateLimitError:
    return InferenceRateLimitError("slow down", provider="acme", **details)


def test_a_transient_failure_is_repeated_and_reported_as_one_call(pauses: list[float]) -> None:
    worker = Failing(transient(), InferenceServerError("500", provider="acme"))
    assert "blue" == worker.gen_text_sync("x")
    assert (3, 2) == (len(worker.jobs), len(pauses))
    assert [None] == [record.error for record in worker.log.records]


def test_a_failure_is_not_hidden_by_the_closing_of_the_client(pauses: list[float]) -> None:
    worker = Failing(transient(), ClientClosedError("The client is closed"), transient())
    with pytest.raises(InferenceRateLimitError, match="slow down") as caught:
        worker.gen_text_sync("x")
    assert (2, 2) == (len(worker.jobs), caught.value.attempts)
    assert "The client is closed" in str(caught.value.__cause__)


def test_the_closing_alone_is_named() -> None:
    with pytest.raises(InferenceError, match="The client is closed"):
        Failing(ClientClosedError("The client is closed")).gen_text_sync("x")


def test_the_pauses_are_random_and_bounded_by_a_growing_limit(pauses: list[float]) -> None:
    worker = Failing(*(transient() for _ in range(6)), policy=CallPolicy(max_attempts=7))
    worker.gen_text_sync("x")
    assert all(0 <= pause <= 0.5 * 2**index for index, pause in enumerate(pauses))
    assert len(set(pauses)) > 1


@pytest.mark.parametrize("kind", [InferenceRateLimitError, InferenceServerError])
def test_a_retry_after_is_honoured_to_the_second(kind: type[InferenceError], clock: VirtualTime) -> None:
    worker = Failing(kind("slow down", retry_after=7.0))
    clock.run(worker.gen_text("x"))
    assert 7.0 == pytest.approx(clock.took)


def test_a_retry_after_over_the_cap_fails_at_once_and_says_how_long(pauses: list[float]) -> None:
    worker = Failing(transient(retry_after=3600.0))
    with pytest.raises(InferenceRateLimitError) as caught:
        worker.gen_text_sync("x")
    assert (3600.0, []) == (caught.value.retry_after, pauses)


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("kind", [InferenceRateLimitError, InferenceServerError])
def test_the_attempts_end_at_their_number_and_the_error_tells_it(kind: type[InferenceError]) -> None:
    worker = Failing(*(kind("no") for _ in range(9)), policy=CallPolicy(max_attempts=4))
    with pytest.raises(kind) as caught:
        worker.gen_text_sync("x")
    assert (4, 4) == (caught.value.attempts, len(worker.jobs))


@pytest.mark.parametrize("kind", [InferenceRateLimitError, InferenceServerError])
def test_no_pause_is_begun_that_would_end_after_the_deadline(kind: type[InferenceError], clock: VirtualTime) -> None:
    worker = Failing(kind("slow down", retry_after=20.0), policy=CallPolicy(deadline_s=10.0))
    with pytest.raises(kind, match="slow down"):
        clock.run(worker.gen_text("x"))
    assert 0.0 == clock.took


@pytest.mark.parametrize("kind", [InferenceAuthenticationError, InferenceRequestError, InferenceAmbiguousError])
def test_what_is_not_transient_is_never_repeated(kind: type[InferenceError], pauses: list[float]) -> None:
    worker = Failing(kind("no", provider="acme"))
    with pytest.raises(kind):
        worker.gen_text_sync("x")
    assert (1, []) == (len(worker.jobs), pauses)


def test_a_stream_that_breaks_before_its_first_piece_is_opened_again(pauses: list[float]) -> None:
    worker = Failing(transient())
    assert ["b", "l", "u", "e"] == list(worker.stream_text_sync("x"))
    assert 1 == len(pauses)


def test_a_stream_that_breaks_after_its_first_piece_is_not(pauses: list[float]) -> None:
    class Breaking(ScriptedLLM):
        async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
            self.jobs.append(job)
            yield TextDelta(text="b")
            raise transient()

    worker = Breaking("", Capability.STREAMING)
    pieces = worker.stream_text_sync("x")
    assert "b" == next(pieces)
    with pytest.raises(InferenceRateLimitError):
        next(pieces)
    assert (1, []) == (len(worker.jobs), pauses)


def test_an_attempt_that_takes_too_long_is_a_timeout_that_names_the_setting() -> None:
    worker = Failing(policy=CallPolicy(timeout_s=0.01, max_attempts=1))

    async def hang(job: LLMJob) -> InferenceResult[str]:
        await asyncio.Event().wait()
        raise AssertionError

    worker._gen_text = hang  # type: ignore[method-assign]  # a call that never ends
    with pytest.raises(InferenceTimeoutError, match=r"timeout_s in \[backends.acme\]"):
        worker.gen_text_sync("x")


async def _fails_when_it_is_cancelled(_: object) -> Any:
    """Hang; then fail as an SDK does that wraps whatever ended its request, twice."""
    try:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("the connection was closed") from None
    except OSError as exc:
        raise ConnectionError("not connected") from exc


class TestWhatACleanUpRaises:
    """The hook's own error, raised because it was out of time or cancelled, hides neither."""

    def test_does_not_replace_the_time_out(self, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
        worker = Failing(policy=CallPolicy(timeout_s=1, max_attempts=1))
        monkeypatch.setattr(worker, "_gen_text", _fails_when_it_is_cancelled)
        with pytest.raises(InferenceTimeoutError, match="timeout_s") as caught:
            clock.run(worker.gen_text("x"))
        assert isinstance(caught.value.__cause__, ConnectionError)

    def test_does_not_mean_that_the_request_did_not_arrive(
        self, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worker = ScriptedImgGen()
        worker.inference_model = replace(worker.inference_model, policy=CallPolicy(timeout_s=1))
        monkeypatch.setattr(worker, "_gen_image_list", _fails_when_it_is_cancelled)
        monkeypatch.setattr(worker, "_classify_error", lambda _: InferenceConnectionError("not connected"))
        with pytest.raises(InferenceAmbiguousError, match="charged") as caught:
            clock.run(worker.gen_image("a cat"))
        assert 1 == caught.value.attempts

    def test_does_not_replace_the_deadline(self, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
        worker = Failing(policy=CallPolicy(timeout_s=5, deadline_s=1))
        monkeypatch.setattr(worker, "_gen_text", _fails_when_it_is_cancelled)
        with pytest.raises(InferenceTimeoutError, match="deadline_s"):
            clock.run(worker.gen_text("x"))

    def test_does_not_replace_a_cancellation(self, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
        worker = Failing(policy=CallPolicy())
        monkeypatch.setattr(worker, "_gen_text", _fails_when_it_is_cancelled)

        async def cancelled() -> list[object]:
            call = asyncio.ensure_future(worker.gen_text("x"))
            await asyncio.sleep(0.1)
            call.cancel()
            return list(await asyncio.gather(call, return_exceptions=True))

        assert [asyncio.CancelledError] == [type(outcome) for outcome in clock.run(cancelled())]


class Slow(LLMWorkerAbstract):
    """Writes ``_stream`` alone; a piece comes every so many seconds."""

    def __init__(self, policy: CallPolicy, *pauses_s: float) -> None:
        model = replace(spec(InferenceFamily.LLM, *Capability), policy=policy)
        super().__init__(inference_model=model, reporting_delegate=None)
        self.pauses_s = pauses_s

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        for pause in self.pauses_s:
            await asyncio.sleep(pause)
            yield TextDelta(text=".")
        yield AnswerDone(answer=LLMAnswer())


class TestTheTimeOfACollectedStream:
    """The answer of a driver that streams, for a caller who wants it whole."""

    def test_is_limited_from_piece_to_piece(self, clock: VirtualTime) -> None:
        policy = CallPolicy(timeout_s=10, deadline_s=60, max_attempts=1)
        assert "....." == clock.run(Slow(policy, *[9.0] * 5).gen_text("x"))
        with pytest.raises(InferenceTimeoutError, match=r"within 10 s. Set timeout_s in \[backends.acme\]") as caught:
            clock.run(Slow(policy, 9.0, 11.0).gen_text("x"))
        assert 19.0 == pytest.approx(clock.took)
        assert caught.value.answer is not None
        assert "." == caught.value.answer.text

    @pytest.mark.parametrize("attempts", [1, 3])
    def test_is_limited_by_the_deadline_as_a_whole(self, attempts: int, clock: VirtualTime) -> None:
        policy = CallPolicy(timeout_s=10, deadline_s=60, max_attempts=attempts)
        with pytest.raises(InferenceTimeoutError, match="deadline_s"):
            clock.run(Slow(policy, *[9.0] * 9).gen_text("x"))
        assert 60.0 == pytest.approx(clock.took)

    def test_is_limited_by_the_deadline_when_an_object_is_asked_for_again(self, clock: VirtualTime) -> None:
        policy = CallPolicy(timeout_s=10, deadline_s=60)
        with pytest.raises(InferenceTimeoutError, match="deadline_s"):
            clock.run(Slow(policy, *[9.0] * 5).gen_object("x", int))
        assert 60.0 == pytest.approx(clock.took)


class TestWhatMayHaveBeenCharged:
    """An image that may have been made is not asked for twice."""

    @staticmethod
    def failing(error: InferenceError) -> tuple[ScriptedImgGen, list[int]]:
        worker = ScriptedImgGen()
        calls: list[int] = []
        answer = worker._gen_image_list

        async def fail_once(job: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise error
            return await answer(job)

        worker._gen_image_list = fail_once  # type: ignore[method-assign]  # fails the first time
        return worker, calls

    def test_a_timeout_is_ambiguous(self, pauses: list[float]) -> None:
        worker, calls = self.failing(InferenceTimeoutError("late", provider="acme"))
        with pytest.raises(InferenceAmbiguousError, match="charged"):
            worker.gen_image_sync("a cat")
        assert (1, []) == (len(calls), pauses)

    def test_a_server_error_is_not_repeated(self, pauses: list[float]) -> None:
        worker, calls = self.failing(InferenceServerError("500", provider="acme"))
        with pytest.raises(InferenceServerError):
            worker.gen_image_sync("a cat")
        assert (1, []) == (len(calls), pauses)

    @pytest.mark.parametrize("kind", [InferenceConnectionError, InferenceRateLimitError])
    def test_what_is_known_not_to_have_been_carried_out_is_repeated(
        self, kind: type[InferenceError], clock: VirtualTime
    ) -> None:
        worker, calls = self.failing(kind("no", provider="acme"))
        assert b"\x00" == clock.run(worker.gen_image("a cat")).data
        assert 2 == len(calls)
        assert 0 < clock.took <= 0.5


def test_no_more_calls_run_at_once_than_the_backend_allows() -> None:
    worker = Failing(policy=CallPolicy(max_concurrency=3))
    running: list[int] = []
    most: list[int] = []

    async def slow(job: LLMJob) -> InferenceResult[str]:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0)
        running.pop()
        return worker._answer(job)

    worker._gen_text = slow  # type: ignore[method-assign]  # counts who runs with it

    async def calls() -> list[str]:
        return await asyncio.gather(*(worker.gen_text(str(index)) for index in range(20)))

    assert ["blue"] * 20 == asyncio.run(calls())
    assert 3 == max(most)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, InferenceRequestError, False),
        (401, InferenceAuthenticationError, False),
        (403, InferenceAuthenticationError, False),
        (404, InferenceModelNotFoundError, False),
        (408, InferenceTimeoutError, True),
        (413, InferenceCapacityError, False),
        (422, InferenceRequestError, False),
        (429, InferenceRateLimitError, True),
        (500, InferenceServerError, True),
        (503, InferenceServerError, True),
        (504, InferenceTimeoutError, True),
        (418, InferenceRequestError, False),
    ],
)
def test_a_status_means_a_kind(status: int, kind: type[InferenceError], retryable: bool) -> None:
    error = InferenceError.from_status(status, "no", provider="acme", headers={"X-Request-Id": "r1"})
    assert (kind, retryable, status, "r1") == (type(error), error.retryable, error.status_code, error.request_id)


@pytest.mark.parametrize(("value", "expected"), [("2", 2.0), ("1.5", 1.5), ("-3", 0.0), ("soon", None)])
def test_a_retry_after_in_seconds_is_read(value: str, expected: float | None) -> None:
    error = InferenceError.from_status(429, "no", provider="acme", headers={"Retry-After": value})
    assert expected == error.retry_after


def test_a_retry_after_as_a_date_is_read() -> None:
    from datetime import UTC, datetime, timedelta

    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error = InferenceError.from_status(429, "no", provider="acme", headers={"retry-after": date})
    assert error.retry_after is not None
    assert 80 < error.retry_after <= 90


def test_the_family_decides_not_the_name() -> None:
    assert InferenceFamily.IMG_GEN is ScriptedImgGen().inference_model.family


def test_what_a_repeated_attempt_used_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "pause_s", lambda *_: 0.0)
    used = InferenceUsage(input_tokens=2, output_tokens=1)

    class Stumbling(ScriptedLLM):
        async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
            self.jobs.append(job)
            if len(self.jobs) == 1:
                raise InferenceServerError("It broke", answer=PartialAnswer(text="bl", usage=used))
            return InferenceResult(content="blue", usage=USAGE)

    worker = Stumbling()
    assert "blue" == worker.gen_text_sync("x")
    assert [USAGE.plus(used)] == [record.usage for record in worker.log.records]
