"""Limits, refusals and outages over a real connection, with the driver of one vendor for all."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from functools import partial
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import HttpReply, LoopbackVendor
from tests.providers.faults.drivers import DRIVERS, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.testing.loopback import HttpRequest
    from pipelex.testing.stage import Stage

DRIVER = DRIVERS["openai"]
DEFAULTS = CallPolicy(timeout_s=60.0)


class Quota:
    """A server that allows so many requests in each window of time, and answers 429 to the others.

    Args:
        vendor: Whose requests.
        allowed: How many requests.
        window_s: The length of a window, in seconds.
        retry_after: What a refusal asks for, in seconds.
    """

    def __init__(self, vendor: LoopbackVendor[Any], *, allowed: int, window_s: float, retry_after: str) -> None:
        self._serve, vendor.server.serve = vendor.server.serve, self._limited
        self._allowed, self._window_s, self._retry_after = allowed, window_s, retry_after
        self._began, self._lock, self._served = monotonic(), Lock(), dict[int, int]()
        self.refused = 0

    def _limited(self, request: HttpRequest) -> HttpReply:
        with self._lock:
            window = int((monotonic() - self._began) / self._window_s)
            if self._served.get(window, 0) >= self._allowed:
                self.refused += 1
                error = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
                return HttpReply.json(error, status=429, headers={"Retry-After": self._retry_after})
            self._served[window] = self._served.get(window, 0) + 1
        return self._serve(request)


def answered(rows: int, policy: CallPolicy, prepare: Callable[[LoopbackVendor[Any]], object]) -> list[str]:
    """Make calls at once; return the errors among their outcomes. Each answer is that of its call."""
    with DRIVER.vendor() as vendor:
        assert isinstance(vendor, LoopbackVendor)
        prepare(vendor)

        async def scene(_: Stage[Any, Any], worker: Any) -> list[str]:
            tokens = [new_token() for _ in range(rows)]
            calls = (DRIVER._call(worker, token, None) for token in tokens)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            lost = [repr(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
            answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
            assert len(answers) == sum(any(token in DRIVER._tokens_in(it) for it in answers) for token in tokens)
            return lost

        return play(DRIVER, scene, vendor=vendor, worker=policy, client=policy)


@pytest.mark.parametrize(
    ("rows", "allowed", "window_s", "retry_after"),
    [
        pytest.param(30, 10, 0.3, "0.1", id="scaled down"),
        pytest.param(300, 100, 5.0, "1", id="whole", marks=pytest.mark.heavy),
    ],
)
def test_a_storm_against_a_limited_server_loses_no_row(
    rows: int, allowed: int, window_s: float, retry_after: str
) -> None:
    quotas: list[Quota] = []

    def limit(vendor: LoopbackVendor[Any]) -> None:
        quotas.append(Quota(vendor, allowed=allowed, window_s=window_s, retry_after=retry_after))

    assert [] == answered(rows, DEFAULTS, limit)
    assert 0 < quotas[0].refused < 2 * rows


@pytest.mark.parametrize(
    ("lasts_s", "calls"),
    [pytest.param(0.3, 10, id="scaled down"), pytest.param(3.0, 64, id="whole", marks=pytest.mark.heavy)],
)
def test_the_defaults_survive_a_server_that_is_away_for_a_while(lasts_s: float, calls: int) -> None:
    with DRIVER.vendor() as vendor, closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        endpoint = urlsplit(vendor.endpoint or "")
        taken.close()

        async def scene(stage: Stage[Any, Any], worker: Any) -> list[str]:
            connections: list[asyncio.Task[Any]] = []
            tokens = [new_token() for _ in range(calls)]
            outcomes = asyncio.gather(*(DRIVER._call(worker, token, None) for token in tokens), return_exceptions=True)
            await asyncio.sleep(lasts_s)
            async with await asyncio.start_server(partial(forward, endpoint.port, connections), "127.0.0.1", port):
                lost = [repr(outcome) for outcome in await outcomes if isinstance(outcome, BaseException)]
                await stage.clients.aclose()
                await asyncio.gather(*connections)
            return lost

        away = endpoint._replace(netloc=f"127.0.0.1:{port}").geturl()
        assert [] == play(DRIVER, scene, vendor=vendor, worker=DEFAULTS, client=DEFAULTS, endpoint=away)


async def forward(
    port: int | None,
    connections: list[asyncio.Task[Any]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Carry the bytes of a connection to a port of this machine, and back; the connection is added to the others."""
    if (task := asyncio.current_task()) is not None:
        connections.append(task)
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            target.write(chunk)
        target.close()
        await target.wait_closed()

    await asyncio.gather(carry(reader, there_writer), carry(there_reader, writer), return_exceptions=True)
