"""The time limit of a wait: what ``asyncio.timeout`` around each would do, with one timer for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.inference.time_limit import TimeLimit, TimeLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

NEVER_S = 3600.0
SOON_S = 0.001


async def pieces(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


async def silence() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 0


async def deaf() -> AsyncIterator[int]:
    """Let the first cancellation pass unheard."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        yield 1
    await asyncio.Event().wait()


def limit_of(limit_s: float) -> TimeLimit:
    """Return a limit that shares its timer with no other."""
    return TimeLimit(TimeLimits(asyncio.get_running_loop(), limit_s))


def cancellations() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def with_time_limit(stream: AsyncIterator[int], limit_s: float) -> list[int]:
    drawn = []
    limit = limit_of(limit_s)
    while True:
        try:
            with limit:
                drawn.append(await anext(stream))
        except StopAsyncIteration:
            return drawn


async def with_a_timer_each(stream: AsyncIterator[int], limit_s: float) -> list[int]:
    drawn = []
    while True:
        try:
            async with asyncio.timeout(limit_s):
                drawn.append(await anext(stream))
        except StopAsyncIteration:
            return drawn


def test_every_piece_is_handed_on() -> None:
    assert [0, 1, 2] == asyncio.run(with_time_limit(pieces(3), NEVER_S))


@pytest.mark.parametrize("draw", [with_time_limit, with_a_timer_each])
def test_a_piece_that_does_not_come_is_a_time_out_and_leaves_no_cancellation_behind(
    draw: Callable[[AsyncIterator[int], float], Awaitable[list[int]]],
) -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError):
            await draw(silence(), SOON_S)
        assert 0 == cancellations()

    asyncio.run(run())


@pytest.mark.parametrize("draw", [with_time_limit, with_a_timer_each])
def test_a_stream_that_hears_no_cancellation_goes_on_and_is_limited_all_the_same(
    draw: Callable[[AsyncIterator[int], float], Awaitable[list[int]]],
) -> None:
    async def run() -> None:
        stream = deaf()
        with pytest.raises(TimeoutError):
            await draw(stream, SOON_S)
        assert 0 == cancellations()

    asyncio.run(run())


def test_who_cancels_the_caller_gets_a_cancellation() -> None:
    async def run() -> None:
        task = asyncio.ensure_future(with_time_limit(silence(), NEVER_S))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_cancellation_beside_a_time_out_is_a_cancellation() -> None:
    async def run() -> None:
        limit = limit_of(NEVER_S)

        async def wait() -> None:
            with limit:
                await asyncio.Event().wait()

        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        limit.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_each_wait_counts_from_its_own_beginning_and_the_timer_is_set_to_the_first_that_is_due() -> None:
    now = 0.0
    timers: list[float] = []

    async def run() -> None:
        nonlocal now
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def written_down(when: float, *_: object, **__: object) -> asyncio.TimerHandle:
            timers.append(when)
            return call_at(NEVER_S, bool)

        loop.time = lambda: now  # type: ignore[method-assign]  # a clock that is set by hand
        loop.call_at = written_down  # type: ignore[method-assign]  # timers that never ring
        limits = TimeLimits(loop, 10)

        async def wait() -> None:
            with TimeLimit(limits):
                await asyncio.Event().wait()

        async def begun_at(when: float) -> asyncio.Task[None]:
            nonlocal now
            now = when
            task = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            return task

        tasks = [await begun_at(when) for when in (0, 4, 6)]
        now = 10
        limits._look()
        assert [1, 0, 0] == [task.cancelling() for task in tasks]
        tasks[1].cancel()  # by somebody else
        assert [TimeoutError, asyncio.CancelledError] == [
            type(end) for end in await asyncio.gather(*tasks[:2], return_exceptions=True)
        ]
        now = 14
        limits._look()  # what this timer was set for has ended
        assert 0 == tasks[2].cancelling()
        now = 16
        limits._look()
        with pytest.raises(TimeoutError):
            await tasks[2]
        await begun_at(100)

    asyncio.run(run())
    assert [10, 14, 16, 110] == timers[:4]


def timers_of(draw: Callable[[AsyncIterator[int], float], Awaitable[list[int]]], count: int) -> int:
    """Count the timers that are set while a stream is drawn."""
    timers = 0

    async def run() -> None:
        nonlocal timers
        loop = asyncio.get_running_loop()
        call_at = loop.call_at

        def counting(*args: object, **kwargs: object) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_at(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they came

        loop.call_at = counting  # type: ignore[method-assign]  # of this loop alone
        assert count == len(await draw(pieces(count), NEVER_S))

    asyncio.run(run())
    return timers


def test_a_thousand_waits_set_one_timer() -> None:
    assert 1 == timers_of(with_time_limit, 1000)


def test_a_timer_for_each_wait_is_found() -> None:
    assert 1000 <= timers_of(with_a_timer_each, 1000)
