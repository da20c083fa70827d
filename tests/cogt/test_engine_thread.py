"""The one thread of an engine, and the way of its events to an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from functools import partial

import pytest

from pipelex.cogt.inference.engine_thread import LoopMailbox, OneThread


def test_calls_run_on_one_thread_in_their_order() -> None:
    thread, order = OneThread("kit-engine"), list[int]()

    async def scene() -> set[str]:
        def call(number: int) -> str:
            order.append(number)
            return threading.current_thread().name

        return set(await asyncio.gather(*(thread.run(partial(call, number)) for number in range(5))))

    assert {"kit-engine_0"} == asyncio.run(scene())
    assert [0, 1, 2, 3, 4] == order


def test_a_call_that_is_given_up_before_its_turn_is_not_made() -> None:
    thread, made, go_on = OneThread("kit-engine"), list[str](), threading.Event()

    async def scene() -> None:
        first = asyncio.ensure_future(thread.run(lambda: go_on.wait(5.0)))
        second = asyncio.ensure_future(thread.run(lambda: made.append("second")))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await first
        await thread.run(lambda: made.append("third"))

    asyncio.run(scene())
    assert ["third"] == made


def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(OneThread("kit-engine").run(lambda: 1 // 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_gets_a_thread_of_its_own() -> None:
    thread = OneThread("kit-engine")
    assert 7 == asyncio.run(thread.run(lambda: 7))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = asyncio.run(thread.run(lambda: 0))
        finally:
            os._exit(code)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_items_of_a_thread_arrive_in_their_order_until_the_mailbox_is_ended() -> None:
    async def scene() -> list[int]:
        mailbox = LoopMailbox[int]()

        def work() -> None:
            for number in range(3):
                mailbox.put(number)
            mailbox.end()

        worker = threading.Thread(target=work)
        worker.start()
        items = [item async for item in mailbox]
        worker.join()
        return items

    assert [0, 1, 2] == asyncio.run(scene())


def test_an_item_for_a_closed_loop_is_refused() -> None:
    async def made() -> LoopMailbox[int]:
        return LoopMailbox()

    mailbox = asyncio.run(made())
    assert (False, False) == (mailbox.put(1), mailbox.end())
