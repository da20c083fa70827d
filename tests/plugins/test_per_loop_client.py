"""An async client for each event loop, closed when its loop ends or with the registry."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from pipelex.plugins.model_handle import ModelHandle
from pipelex.plugins.sdk_client_registry import PerLoopClient, SdkClientRegistry

pytestmark = pytest.mark.thorough


class Client:
    """Remembers the loop in which it was made, and that in which it was closed."""

    def __init__(self) -> None:
        self.made_in = asyncio.get_running_loop()
        self.closed_in: asyncio.AbstractEventLoop | None = None

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed_in = asyncio.get_running_loop()


def test_calls_of_one_loop_share_a_client() -> None:
    clients = PerLoopClient(Client)

    async def call() -> tuple[Client, Client, Client]:
        first, second = await asyncio.gather(clients.get(), clients.get())
        return first, second, await clients.get()

    first, second, third = asyncio.run(call())
    assert first is second is third


def test_each_loop_has_its_own_client_which_is_closed_when_the_loop_ends() -> None:
    clients = PerLoopClient(Client)
    first, second = asyncio.run(clients.get()), asyncio.run(clients.get())
    assert first is not second
    assert [(first.made_in, second.made_in)] == [(first.closed_in, second.closed_in)]


def test_closing_reaches_the_clients_of_other_loops() -> None:
    clients = PerLoopClient(Client)
    made: list[Client] = []
    ready, done = threading.Event(), threading.Event()

    async def call() -> None:
        made.append(await clients.get())
        ready.set()
        await asyncio.to_thread(done.wait, 10)

    thread = threading.Thread(target=asyncio.run, args=(call(),))
    thread.start()
    assert ready.wait(10)
    asyncio.run(clients.aclose())
    assert made[0].made_in is made[0].closed_in
    done.set()
    thread.join(10)


def test_a_client_is_not_built_after_closing() -> None:
    clients = PerLoopClient(Client)

    async def close_and_call() -> None:
        await clients.aclose()
        await clients.aclose()
        await clients.get()

    with pytest.raises(RuntimeError, match=r"Pipelex.setup"):
        asyncio.run(close_and_call())


def test_a_build_that_fails_is_tried_again() -> None:
    outcomes: list[Exception | None] = [ValueError("not now"), None]

    def build() -> Client:
        failure = outcomes.pop(0)
        if failure is not None:
            raise failure
        return Client()

    clients = PerLoopClient(build)

    async def call_twice() -> Client:
        with pytest.raises(ValueError, match="not now"):
            await clients.get()
        return await clients.get()

    assert isinstance(asyncio.run(call_twice()), Client)


def test_the_client_of_a_loop_that_was_closed_by_hand_is_dropped_with_the_next_one() -> None:
    clients = PerLoopClient(Client)
    loop = asyncio.new_event_loop()
    dropped = weakref.ref(loop.run_until_complete(clients.get()))
    loop.close()
    asyncio.run(clients.get())
    gc.collect()
    assert dropped() is None
    asyncio.run(clients.aclose())


def test_the_registry_closes_it() -> None:
    registry = SdkClientRegistry()
    clients = registry.get_or_create(handle=ModelHandle(backend_name="b", sdk="s"), build=lambda: PerLoopClient(Client))

    async def call() -> Client:
        client = await clients.get()
        await registry.aclose()
        return client

    client = asyncio.run(call())
    assert client.made_in is client.closed_in
