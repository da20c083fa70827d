"""boto3 runs on threads, and its requests end like those of the other drivers: cancelled, closed, out of time."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import InferenceError, InferenceTimeoutError
from pipelex.providers.bedrock.threads import Exchange, OwnedConnection
from pipelex.testing.conformance import new_token
from pipelex.testing.vendor import Fault
from tests.providers.faults.drivers import DRIVERS, PATIENT, play

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipelex.testing.stage import Stage
    from pipelex.testing.vendor import FakeVendor

    Scene = Callable[[Stage[Any, Any], Any, FakeVendor[Any]], Awaitable[object]]

DRIVER = DRIVERS["bedrock_boto3"]
LET_GO_S = 10
THREADS = {"pipelex-blocking-call", "pipelex-bedrock-stream"}
ONCE = replace(PATIENT, max_attempts=1)


def play_with(fault: Fault, scene: Scene, *, worker: Any = ONCE) -> None:
    """Run a scene with a vendor that goes wrong."""
    with DRIVER.vendor() as vendor:
        vendor.fail_with(fault)
        play(DRIVER, lambda stage, made: scene(stage, made, vendor), vendor=vendor, worker=worker)


async def has_ended(vendor: FakeVendor[Any]) -> bool:
    """Wait until no connection is open, and no thread runs."""
    return await asyncio.to_thread(vendor.wait_until_let_go, LET_GO_S) and not threads()


def threads() -> list[str]:
    running = [thread for thread in threading.enumerate() if thread.name in THREADS]
    for thread in running:
        thread.join(LET_GO_S)
    return [thread.name for thread in running if thread.is_alive()]


def test_the_requests_of_cancelled_calls_end() -> None:
    async def scene(stage: Stage[Any, Any], worker: Any, vendor: FakeVendor[Any]) -> None:
        calls = [asyncio.ensure_future(DRIVER._call(worker, new_token(), None)) for _ in range(8)]
        while len(vendor.requests) < len(calls):
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert await has_ended(vendor)

    play_with(Fault.TIMEOUT, scene)


def test_the_request_of_a_call_that_is_out_of_time_ends() -> None:
    async def scene(stage: Stage[Any, Any], worker: Any, vendor: FakeVendor[Any]) -> None:
        with pytest.raises(InferenceTimeoutError):
            await DRIVER._call(worker, new_token(), None)
        assert await has_ended(vendor)

    play_with(Fault.STALLED, scene, worker=replace(ONCE, timeout_s=0.3))


def test_a_client_that_is_closed_ends_its_streams() -> None:
    async def scene(stage: Stage[Any, Any], worker: Any, vendor: FakeVendor[Any]) -> None:
        pieces = worker.stream_text(f"say {new_token()}")
        await anext(pieces)
        await stage.clients.aclose()
        with pytest.raises(InferenceError):
            async for _ in pieces:  # those that came before
                pass
        assert await has_ended(vendor)

    play_with(Fault.STALLED, scene)


class Wire:
    """What a connection of the SDK is, without what it says."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.sock: socket.socket | None = self.near

    def request(self) -> None:
        """Send nothing."""


class OwnedWire(OwnedConnection, Wire):
    """With what is under test."""


def test_an_exchange_that_ends_late_leaves_its_connection_to_the_next_one() -> None:
    wire, first, second = OwnedWire(), Exchange(), Exchange()
    with wire.near, wire.far:
        first.begin(wire.request)
        second.begin(wire.request)
        first.end()
        wire.near.send(b"whole")
        assert b"whole" == wire.far.recv(8)
        second.end()
        assert b"" == wire.far.recv(8)


def test_an_exchange_that_ended_before_it_was_connected_ends_as_soon_as_it_is() -> None:
    wire, exchange = OwnedWire(), Exchange()
    with wire.near, wire.far:
        exchange.end()
        exchange.run(wire.request)
        assert b"" == wire.far.recv(8)
