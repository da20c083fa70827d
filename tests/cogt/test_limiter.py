"""What the calls to a backend share: slots, requests and tokens a minute, and the wait for a backend that refuses."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.boot import Pipelex
from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceConnectionError,
    InferenceError,
    InferenceRateLimitError,
    InferenceServerError,
    InferenceTimeoutError,
)
from pipelex.cogt.inference.daemon_thread import on_daemon_thread
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.inference.limiter import Limiter, limiter_of
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.cogt.virtual_time import virtual_time
from tests.cogt.workers import ScriptedImgGen, ScriptedLLM

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.cogt.virtual_time import VirtualTime


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualTime]:
    """Let pauses and time limits pass at once, and measure them."""
    with virtual_time(monkeypatch) as time:
        yield time


class Served(ScriptedLLM):
    """Is answered by a scripted server, and counts the requests under way."""

    def __init__(self, serve: Callable[[], Awaitable[None]], limiter: Limiter | None = None, **policy: Any) -> None:
        super().__init__("blue", Capability.STREAMING, Capability.MAX_TOKENS)
        self.inference_model = replace(self.inference_model, policy=CallPolicy(**policy))
        if limiter is not None:
            self._limiter = limiter
        self.serve = serve
        self.requests = self.running = self.most = 0

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        self.requests += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.serve()
        finally:
            self.running -= 1
        return self._answer(job)


def slow(seconds: float) -> Callable[[], Awaitable[None]]:
    """Return a server that takes its time."""

    async def serve() -> None:
        await asyncio.sleep(seconds)

    return serve


async def silent() -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def outcomes(worker: Served, calls: int) -> list[str | BaseException]:
    return await asyncio.gather(*(worker.gen_text(str(number)) for number in range(calls)), return_exceptions=True)


def errors_in(results: list[str | BaseException]) -> list[str]:
    return [f"{type(result).__name__}: {result}" for result in results if isinstance(result, BaseException)]


class TestTheDeadline:
    """It bounds a call in each of its phases."""

    def test_it_ends_an_attempt_that_would_take_longer(self, clock: VirtualTime) -> None:
        worker = Served(silent, deadline_s=2.0, timeout_s=5.0)
        with pytest.raises(
            InferenceTimeoutError, match=r"within 2 s\. 1 attempt made\..*deadline_s in \[backends.acme\]"
        ):
            clock.run(worker.gen_text("x"))
        assert 2.0 == pytest.approx(clock.took)

    def test_it_ends_a_later_attempt(self, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pipelex.cogt.inference.attempts.pause_s", lambda *_: 0.5)
        worker = Served(silent, deadline_s=5.0, timeout_s=3.0)
        with pytest.raises(InferenceTimeoutError, match="2 attempts made; the one before failed: No answer within 3 s"):
            clock.run(worker.gen_text("x"))
        assert 5.0 == pytest.approx(clock.took)

    def test_it_ends_the_wait_for_a_slot(self, clock: VirtualTime) -> None:
        worker = Served(silent, max_concurrency=1, timeout_s=3.0, deadline_s=3.0, max_attempts=1)
        assert 4 == len(errors_in(clock.run(outcomes(worker, 4))))
        assert 3.0 == pytest.approx(clock.took)
        assert 1 == worker.requests

    def test_it_ends_the_way_to_the_first_piece_of_a_stream_and_no_more(self, clock: VirtualTime) -> None:
        class Dripping(Served):
            async def _stream(self, job: LLMJob) -> Any:
                await self.serve()
                async for piece in super()._stream(job):
                    await asyncio.sleep(0.9)
                    yield piece

        async def drained(worker: Dripping) -> str:
            return "".join([piece async for piece in worker.stream_text("x")])

        assert "blue" == clock.run(drained(Dripping(slow(0.5), deadline_s=2.0, timeout_s=1.5)))
        assert clock.took > 2.0
        with pytest.raises(InferenceTimeoutError, match="deadline_s"):
            clock.run(drained(Dripping(silent, deadline_s=2.0, timeout_s=5.0)))
        assert 2.0 == pytest.approx(clock.took)

    def test_an_image_that_was_never_asked_for_is_not_called_ambiguous(self, clock: VirtualTime) -> None:
        worker = ScriptedImgGen()
        policy = CallPolicy(max_concurrency=1, timeout_s=5.0, deadline_s=2.0)
        worker.inference_model = replace(worker.inference_model, policy=policy)
        worker._gen_image_list = lambda _: silent()  # type: ignore[method-assign,assignment,return-value]  # never ends

        async def scene() -> tuple[Any, Any]:
            return await asyncio.gather(worker.gen_image("a"), worker.gen_image("b"), return_exceptions=True)

        sent, unsent = clock.run(scene())
        assert isinstance(sent, InferenceAmbiguousError)
        assert isinstance(unsent, InferenceTimeoutError)
        assert "Nothing was sent" in str(unsent)

    def test_the_questions_of_one_call_share_it(self, clock: VirtualTime) -> None:
        worker = Served(slow(0), deadline_s=10.0, timeout_s=10.0)
        worker.inference_model = replace(worker.inference_model, capabilities=frozenset({Capability.STRUCTURED_OUTPUT}))

        async def wrong(*_: object) -> InferenceResult[str]:
            await asyncio.sleep(6.0)
            return InferenceResult(content="no JSON", finish_reason=FinishReason.STOP)

        worker._gen_text = wrong  # type: ignore[method-assign,assignment]  # never fits
        with pytest.raises(InferenceTimeoutError, match="deadline_s"):
            clock.run(worker.gen_object("x", int))
        assert 10.0 == pytest.approx(clock.took)


class TestSlots:
    """They belong to a limiter and a set of limits."""

    def test_a_worker_that_was_built_by_hand_has_a_limiter_of_its_own(self) -> None:
        first, second = Served(silent), Served(silent)
        assert limiter_of(first) is limiter_of(first)
        assert limiter_of(first) is not limiter_of(second)

    def test_a_worker_of_an_instance_has_the_limiter_of_the_instance(self, tmp_path: Path) -> None:
        with Pipelex.setup(start=tmp_path) as first, Pipelex.setup(start=tmp_path) as second:
            limiters = [limiter_of(px.extract("pypdfium2/pdf")) for px in (first, first, second)]
            assert [first.limiter, first.limiter, second.limiter] == limiters
            assert first.limiter is not second.limiter

    def test_the_limit_of_a_record_is_its_own(self, clock: VirtualTime) -> None:
        shared = Limiter()
        one, many = (Served(slow(0.1), shared, max_concurrency=limit) for limit in (1, 20))
        assert [] == errors_in(clock.run(outcomes(many, 30)) + clock.run(outcomes(one, 5)))
        assert (20, 1) == (many.most, one.most)

    def test_records_that_differ_in_their_time_outs_share_the_slots(self, clock: VirtualTime) -> None:
        shared = Limiter()
        first, second = (Served(slow(0.1), shared, max_concurrency=3, timeout_s=limit) for limit in (5.0, 6.0))

        async def scene() -> list[int]:
            both = asyncio.gather(outcomes(first, 6), outcomes(second, 6))
            most = []
            while not both.done():
                most.append(first.running + second.running)
                await asyncio.sleep(0.05)
            return most

        assert 3 == max(clock.run(scene()))

    def test_a_call_that_is_given_up_in_the_queue_leaves_the_others_their_turn(self, clock: VirtualTime) -> None:
        worker = Served(slow(1.0), max_concurrency=1)

        async def scene() -> list[str]:
            calls = [asyncio.ensure_future(worker.gen_text(str(number))) for number in range(5)]
            await asyncio.sleep(0.5)
            for call in calls[1:4]:
                call.cancel()
            return [await calls[0], await calls[4]]

        assert ["blue", "blue"] == clock.run(scene())
        assert 2 == worker.requests
        assert 2.0 == pytest.approx(clock.took)

    def test_a_slot_that_was_given_to_a_call_as_it_was_given_up_comes_back(self, clock: VirtualTime) -> None:
        worker = Served(slow(1.0), max_concurrency=1)

        async def scene() -> None:
            first, second = (asyncio.ensure_future(worker.gen_text(name)) for name in "ab")
            await first  # its slot is the second one's now, which has not run since
            second.cancel()
            await asyncio.wait([second])
            await worker.gen_text("c")

        clock.run(scene())
        assert 0 == limiter_of(worker).load("acme").running

    def test_async_and_synchronous_callers_share_them(self) -> None:
        worker = Served(slow(0.01), max_concurrency=3)
        threads = [Thread(target=worker.gen_text_sync, args=("x",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert [] == errors_in(asyncio.run(outcomes(worker, 8)))
        for thread in threads:
            thread.join()
        assert (16, 3) == (worker.requests, worker.most)

    def test_many_event_loops_share_them_and_none_is_forgotten(self) -> None:
        worker = Served(slow(0), max_concurrency=2)
        errors: list[str] = []
        threads = [Thread(target=lambda: errors.extend(errors_in(asyncio.run(outcomes(worker, 50))))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert [] == errors
        assert (300, 2) == (worker.requests, worker.most)
        assert (0, 0, 0, 0.0) == limiter_of(worker).load("acme")

    def test_a_loop_that_was_closed_by_hand_keeps_no_slot(self) -> None:
        worker = Served(silent, max_concurrency=1)
        loop = asyncio.new_event_loop()
        tasks = [loop.create_task(worker.gen_text(name)) for name in "ab"]
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        assert (1, 1) == (worker.running, limiter_of(worker).load("acme").waiting)
        loop.close()
        tasks.clear()
        worker.serve = slow(0)

        async def scene() -> str:
            call = asyncio.ensure_future(worker.gen_text("c"))
            await asyncio.sleep(0)
            gc.collect()
            return await call

        assert "blue" == asyncio.run(scene())


class TestThreads:
    """A thread that cannot be stopped keeps the slot of its call until it ends."""

    @staticmethod
    def blocked(release: Event, **policy: Any) -> Served:
        async def serve() -> None:
            await on_daemon_thread(lambda: release.wait(20))

        return Served(serve, max_concurrency=1, **policy)

    def test_a_call_that_is_given_up_keeps_its_slot_while_its_thread_runs(self) -> None:
        release = Event()
        worker = self.blocked(release)

        async def scene() -> str:
            first = asyncio.ensure_future(worker.gen_text("a"))
            while not worker.running:
                await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            assert 1 == limiter_of(worker).load("acme").running
            worker.serve = slow(0)
            second = asyncio.ensure_future(worker.gen_text("b"))
            await asyncio.sleep(0.01)
            assert not second.done()
            release.set()
            return await second

        assert "blue" == asyncio.run(scene())
        assert 0 == limiter_of(worker).load("acme").running

    def test_one_that_took_too_long_does_so_too(self) -> None:
        release = Event()
        worker = self.blocked(release, timeout_s=0.02, max_attempts=1)
        with pytest.raises(InferenceTimeoutError, match="timeout_s"):
            worker.gen_text_sync("a")
        assert 1 == limiter_of(worker).load("acme").running
        with pytest.raises(InferenceTimeoutError, match="1 of 1 calls run"):
            worker.gen_text_sync("b")
        release.set()
        worker.serve = slow(0)
        worker.inference_model = replace(worker.inference_model, policy=CallPolicy(max_concurrency=1))
        assert "blue" == worker.gen_text_sync("c")


class TestStreams:
    """A stream keeps its slot until it is closed or collected."""

    @staticmethod
    async def begun(worker: Served, count: int) -> list[Any]:
        streams: list[Any] = [worker.stream_text(str(number)) for number in range(count)]
        for stream in streams:
            await anext(stream)
        return streams

    def test_who_waits_too_long_for_a_slot_is_told_how_many_streams_are_open(self, clock: VirtualTime) -> None:
        worker = Served(slow(0), max_concurrency=2, timeout_s=3.0)

        async def scene() -> None:
            streams = await self.begun(worker, 2)
            assert (2, 2) == limiter_of(worker).load("acme")[:2]
            with pytest.raises(
                InferenceTimeoutError, match=r"2 of 2 calls run, 2 of them open streams\. Nothing was sent"
            ):
                await worker.gen_text("x")
            await streams[0].aclose()
            await worker.gen_text("x")
            await streams[1].aclose()

        clock.run(scene())
        assert 1 == worker.requests
        assert 3.0 == pytest.approx(clock.took)
        assert (0, 0) == limiter_of(worker).load("acme")[:2]

    def test_a_stream_that_is_collected_gives_its_slot_back(self, clock: VirtualTime) -> None:
        worker = Served(slow(0), max_concurrency=1, timeout_s=3.0)

        async def scene() -> str:
            async for _ in worker.stream_text("x"):
                break
            gc.collect()
            return await worker.gen_text("y")

        assert "blue" == clock.run(scene())
        assert 0.0 == clock.took

    def test_it_is_given_back_where_the_loop_was_closed_too(self) -> None:
        worker = Served(slow(0), max_concurrency=1)
        loop = asyncio.new_event_loop()
        streams = loop.run_until_complete(self.begun(worker, 1))
        loop.close()
        streams.clear()
        gc.collect()
        assert (0, 0) == limiter_of(worker).load("acme")[:2]

    def test_it_is_given_back_at_the_end(self, clock: VirtualTime) -> None:
        worker = Served(slow(0), max_concurrency=1)

        async def scene() -> list[str]:
            return [piece for _ in "ab" for piece in [letter async for letter in worker.stream_text("x")]]

        assert ["b", "l", "u", "e"] * 2 == clock.run(scene())

    def test_synchronous_streams_keep_theirs(self) -> None:
        worker = Served(slow(0), max_concurrency=2, timeout_s=0.05)
        first, second = worker.stream_text_sync("a"), worker.stream_text_sync("b")
        assert ("b", "b") == (next(first), next(second))
        with pytest.raises(InferenceTimeoutError, match="2 of them open streams"):
            worker.gen_text_sync("c")
        del first
        gc.collect()
        assert "blue" == worker.gen_text_sync("c")
        assert ["l", "u", "e"] == list(second)


class Window:
    """A server that allows so many requests in each window of time, and refuses the others.

    Args:
        clock: The time.
        allowed: How many requests.
        window_s: The length of a window.
        retry_after: What a refusal asks for.
    """

    def __init__(self, clock: VirtualTime, allowed: int, window_s: float, retry_after: float | None) -> None:
        self._clock, self._allowed, self._window_s, self._retry_after = clock, allowed, window_s, retry_after
        self._window, self._served = 0, 0
        self.refused = 0

    async def __call__(self) -> None:
        await asyncio.sleep(0.02)
        window = int(self._clock.now() / self._window_s)
        if window != self._window:
            self._window, self._served = window, 0
        if self._served >= self._allowed:
            self.refused += 1
            raise InferenceRateLimitError("slow down", retry_after=self._retry_after)
        self._served += 1


class TestRateLimits:
    """A 429 holds all calls to its backend."""

    @pytest.mark.parametrize(
        ("rows", "allowed", "window_s", "retry_after"),
        [(300, 100, 5.0, 1.0), (300, 100, 5.0, None), (300, 10, 5.0, 1.0), (200, 10, 5.0, 5.0), (300, 100, 60.0, 1.0)],
    )
    def test_a_storm_loses_no_row(
        self, clock: VirtualTime, rows: int, allowed: int, window_s: float, retry_after: float | None
    ) -> None:
        server = Window(clock, allowed, window_s, retry_after)
        worker = Served(server)
        assert [] == errors_in(clock.run(outcomes(worker, rows)))
        assert server.refused < 2 * rows
        assert clock.took <= (rows / allowed + 1) * window_s * 1.5

    def test_while_it_is_closed_nothing_is_sent(self, clock: VirtualTime) -> None:
        server = Window(clock, 1, 20.0, 20.0)
        worker = Served(server)

        async def scene() -> int:
            first = asyncio.ensure_future(outcomes(worker, 2))
            await asyncio.sleep(1.0)
            others = asyncio.ensure_future(outcomes(worker, 10))
            await asyncio.sleep(15.0)
            sent = worker.requests
            for waiting in (first, others):
                waiting.cancel()
            await asyncio.wait([first, others])
            return sent

        assert 2 == clock.run(scene())

    def test_one_call_alone_makes_as_many_attempts_as_it_may(self, clock: VirtualTime) -> None:
        server = Window(clock, 0, 5.0, 1.0)
        with pytest.raises(InferenceRateLimitError, match="slow down") as caught:
            clock.run(Served(server, max_attempts=4).gen_text("x"))
        assert (4, 4) == (server.refused, caught.value.attempts)
        assert 3.0 == pytest.approx(clock.took, abs=0.2)

    def test_a_backend_that_refuses_everybody_for_too_long_fails_all_who_wait(self, clock: VirtualTime) -> None:
        server = Window(clock, 0, 5.0, 1.0)
        worker = Served(server, max_retry_after_s=4.0, max_attempts=100)
        errors = errors_in(clock.run(outcomes(worker, 50)))
        assert 50 == len(errors)
        assert all(error.startswith("InferenceRateLimitError") for error in errors)
        assert clock.took < 15.0

    def test_who_makes_one_attempt_alone_fails_at_once(self, clock: VirtualTime) -> None:
        worker = Served(Window(clock, 0, 5.0, 1.0), max_attempts=1)
        with pytest.raises(InferenceRateLimitError):
            clock.run(worker.gen_text("x"))
        assert clock.took < 0.1

    def test_a_long_answer_of_the_probe_keeps_nobody_waiting(self, clock: VirtualTime) -> None:
        answers = iter([InferenceRateLimitError("slow down", retry_after=1.0)])

        async def serve() -> None:
            if (error := next(answers, None)) is not None:
                raise error
            await asyncio.sleep(30.0)

        worker = Served(serve)
        assert [] == errors_in(clock.run(outcomes(worker, 10)))
        assert clock.took < 40.0

    def test_a_probe_that_is_given_up_leaves_the_next_one_the_place(self, clock: VirtualTime) -> None:
        answers = iter([InferenceRateLimitError("slow down", retry_after=1.0)])

        async def serve() -> None:
            if (error := next(answers, None)) is not None:
                raise error
            await asyncio.sleep(0.5)

        worker = Served(serve)

        async def scene() -> str:
            first = asyncio.ensure_future(worker.gen_text("a"))
            await asyncio.sleep(0.5)
            second = asyncio.ensure_future(worker.gen_text("b"))
            await asyncio.sleep(0.7)  # the first one probes
            first.cancel()
            return await second

        assert "blue" == clock.run(scene())

    @pytest.mark.parametrize(("limit", "calls", "takes_s"), [(600, 31, 3.0), (60, 3, 2.0)])
    def test_requests_are_spaced_evenly(self, clock: VirtualTime, limit: int, calls: int, takes_s: float) -> None:
        worker = Served(slow(0), requests_per_minute=limit)
        assert [] == errors_in(clock.run(outcomes(worker, calls)))
        assert takes_s == pytest.approx(clock.took)

    def test_the_wait_for_a_minute_is_within_the_deadline(self, clock: VirtualTime) -> None:
        worker = Served(slow(0), requests_per_minute=6, deadline_s=25.0)
        assert 2 == len(errors_in(clock.run(outcomes(worker, 5))))
        assert 25.0 == pytest.approx(clock.took)

    def test_tokens_are_estimated_and_corrected_by_what_was_used(self, clock: VirtualTime) -> None:
        async def scene(used: InferenceUsage | None) -> float:
            worker = Served(slow(0), tokens_per_minute=6000)

            async def answer(job: LLMJob) -> InferenceResult[str]:
                return InferenceResult(content="blue", usage=used, finish_reason=FinishReason.STOP)

            worker._gen_text = answer  # type: ignore[method-assign]  # with a usage of its own
            job = LLMJob(prompt=LLMPrompt(user_text="x" * 400), params=LLMJobParams(max_tokens=500))
            began = clock.now()
            await worker.gen_text(job)
            await worker.gen_text(job)
            return clock.now() - began

        assert 6.0 == pytest.approx(clock.run(scene(None)))
        assert 1.5 == pytest.approx(clock.run(scene(InferenceUsage(input_tokens=100, output_tokens=50))))
        assert 10.0 == pytest.approx(clock.run(scene(InferenceUsage(input_tokens=100, output_tokens=900))))


class Outage:
    """A server that cannot be reached for a while, from the first request on.

    Args:
        clock: The time.
        lasts_s: For how long.
    """

    def __init__(self, clock: VirtualTime, lasts_s: float) -> None:
        self._clock, self._lasts_s, self._until = clock, lasts_s, 0.0
        self.refused: list[float] = []

    async def __call__(self) -> None:
        await asyncio.sleep(0.001)
        self._until = self._until or self._clock.now() + self._lasts_s
        if self._clock.now() < self._until:
            self.refused.append(self._clock.now())
            raise InferenceConnectionError("Connection refused")


class TestOutages:
    """A backend that cannot be reached is tried by one call at a time, for all."""

    def test_the_defaults_survive_one_of_three_seconds(self, clock: VirtualTime) -> None:
        server = Outage(clock, 3.0)
        worker = Served(server)
        assert [] == errors_in(clock.run(outcomes(worker, 200)))
        assert 3.0 < clock.took < 5.0
        assert len(server.refused) < 64 + 20

    def test_after_a_while_all_fail_with_one_error(self, clock: VirtualTime) -> None:
        server = Outage(clock, 1000.0)
        errors = set(errors_in(clock.run(outcomes(Served(server), 200))))
        assert 5.0 == pytest.approx(clock.took, abs=0.1)
        assert 1 == len({error.partition("Check its endpoint")[0] for error in errors})
        assert all("InferenceConnectionError: [acme] The backend could not be reached for 5.0 s" in e for e in errors)
        assert all("max_outage_s in [backends.acme]" in error for error in errors)

    def test_how_long_it_is_tried_is_a_setting(self, clock: VirtualTime) -> None:
        assert [] == errors_in(clock.run(outcomes(Served(Outage(clock, 60.0), max_outage_s=90.0), 100)))
        assert 100 == len(errors_in(clock.run(outcomes(Served(Outage(clock, 9.0), max_outage_s=2.0), 100))))

    def test_0_leaves_each_call_to_its_attempts(self, clock: VirtualTime) -> None:
        server = Outage(clock, 60.0)
        assert 10 == len(errors_in(clock.run(outcomes(Served(server, max_outage_s=0), 10))))
        assert 30 == len(server.refused)

    def test_who_makes_one_attempt_alone_fails_at_once(self, clock: VirtualTime) -> None:
        with pytest.raises(InferenceConnectionError, match="Connection refused"):
            clock.run(Served(Outage(clock, 60.0), max_attempts=1).gen_text("x"))
        assert clock.took < 0.1

    def test_another_one_later_is_another_one(self, clock: VirtualTime) -> None:
        worker = Served(Outage(clock, 1000.0))

        async def scene() -> None:
            await outcomes(worker, 2)
            await asyncio.sleep(100.0)
            worker.serve = Outage(clock, 3.0)
            assert "blue" == await worker.gen_text("x")

        clock.run(scene())

    def test_a_slow_refusal_ends_the_wait_too(self, clock: VirtualTime) -> None:
        async def black_hole() -> None:
            await asyncio.sleep(10.0)
            raise InferenceConnectionError("No connection within 10 s")

        assert 64 == len(errors_in(clock.run(outcomes(Served(black_hole), 64))))
        assert clock.took < 25.0

    def test_an_error_of_the_server_is_an_answer(self, clock: VirtualTime) -> None:
        answers = iter([InferenceConnectionError("refused"), InferenceServerError("500")])

        async def serve() -> None:
            if (error := next(answers, None)) is not None:
                raise error

        assert [] == errors_in(clock.run(outcomes(Served(serve), 10)))


def test_a_child_process_has_every_slot(clock: VirtualTime) -> None:
    worker = Served(silent, max_concurrency=1)

    async def scene() -> None:
        call = asyncio.ensure_future(worker.gen_text("a"))
        await asyncio.sleep(0)
        limiter = limiter_of(worker)
        assert 1 == limiter.load("acme").running
        limiter.renew_after_fork()
        assert 0 == limiter.load("acme").running
        call.cancel()
        await asyncio.wait([call])
        worker.serve = slow(0)
        await worker.gen_text("b")

    clock.run(scene())


def test_a_failure_of_another_kind_concerns_its_call_alone(clock: VirtualTime) -> None:
    failed: list[InferenceError] = []

    async def serve() -> None:
        if not failed:
            failed.append(InferenceServerError("500", retry_after=30.0))
            raise failed[0]

    worker = Served(serve)

    async def scene() -> float:
        first = asyncio.ensure_future(worker.gen_text("a"))
        await asyncio.sleep(0.1)
        began = clock.now()
        await worker.gen_text("b")
        waited = clock.now() - began
        await first
        return waited

    assert 0.0 == clock.run(scene())
