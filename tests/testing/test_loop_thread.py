"""The kit's own watch over event loops: what blocks one is named, and ends a check, never the run."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from pipelex.testing.checks import NotConformingError
from pipelex.testing.loop_thread import LoopThread, blocks_its_loop


def test_what_blocks_for_ever_ends_its_check_and_is_named() -> None:
    never = Event()

    async def block() -> None:
        never.wait()

    with pytest.raises(NotConformingError, match=r"was blocked for 0\.2 s in block \(.*test_loop_thread\.py:\d+\)"):
        LoopThread(block(), limit_s=0.2).run()
    never.set()


def test_what_is_raised_in_the_thread_is_raised_by_the_check() -> None:
    async def refuse() -> None:
        pytest.skip("not here")

    with pytest.raises(pytest.skip.Exception, match="not here"):
        LoopThread(refuse(), limit_s=10).run()


@pytest.mark.parametrize(("blocked_s", "awaited_s"), [(0.6, 0.0), (0.0, 0.6), (0.0, 0.0)])
def test_a_call_that_blocks_for_long_is_told_from_one_that_awaits(blocked_s: float, awaited_s: float) -> None:
    async def call() -> None:
        Event().wait(blocked_s)
        await asyncio.sleep(awaited_s)

    assert (blocked_s > 0) == asyncio.run(blocks_its_loop(call))
