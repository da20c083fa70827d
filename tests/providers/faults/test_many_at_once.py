"""256 calls at once through one client: none gets another's answer, none is left open, and no more than are allowed.

And a call that is cancelled closes its request: the vendor sees the connection go.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from threading import Condition
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import LoopbackVendor
from pipelex.testing.stage import leaks
from pipelex.testing.vendor import Fault
from tests.heavy import heavy_but
from tests.providers.faults.drivers import DRIVERS, PATIENT, play

if TYPE_CHECKING:
    from pipelex.testing.loopback import HttpReply, HttpRequest
    from pipelex.testing.stage import Stage
    from tests.providers.faults.drivers import AnyDriver

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of Hugging Face's own call

CLIENTS = [  # one row for each SDK's client
    *("openai", "azure_openai dated", "anthropic", "bedrock_anthropic", "bedrock_boto3", "bedrock_aioboto"),
    *("mistral llm", "google llm", "azure_rest_img_gen", "gateway_extract", "fal", "huggingface_img_gen", "linkup"),
]
POOLS = {"huggingface_img_gen": 100}  # its SDK opens the connections itself, and no more than these
LET_GO_S = 20.0  # how long the vendor waits for what has to come; nothing waits that long unless something is wrong


class Gate:
    """Lets no request through before so many calls are there, and counts how many requests are under way.

    Args:
        vendor: Whose requests.
        calls: How many calls have to be there.
    """

    def __init__(self, vendor: LoopbackVendor[Any], *, calls: int) -> None:
        self._vendor, self._calls = vendor, calls
        self._serve, vendor.server.serve = vendor.server.serve, self._pass
        self._seen: set[str] = set()
        self._changed = Condition()
        self._under_way = 0
        self.most = 0

    def _pass(self, request: HttpRequest) -> HttpReply:
        with self._changed:
            self._seen.add(self._vendor.token_of(request))
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: len(self._seen) >= self._calls, LET_GO_S)
            self._under_way -= 1
        return self._serve(request)


def run(driver: AnyDriver, *, calls: int, allowed: int) -> int:
    """Make calls at once through one client; return how many requests were under way together at most."""
    policy = replace(PATIENT, timeout_s=60.0, max_attempts=1, max_concurrency=allowed)
    with driver.vendor() as vendor:
        assert isinstance(vendor, LoopbackVendor)
        gate = Gate(vendor, calls=min(calls, allowed))

        async def scene(stage: Stage[Any, Any], worker: Any) -> None:
            tokens = [new_token() for _ in range(calls)]
            contents = await asyncio.gather(*(driver._call(worker, token, None) for token in tokens))
            answers = [driver._tokens_in(content) for content in contents]
            assert [] == [token for token, said in zip(tokens, answers, strict=True) if token not in said]
            assert 1 == len(stage.clients.built)
            await stage.clients.aclose()
            assert await asyncio.to_thread(vendor.wait_until_let_go, LET_GO_S)

        play(driver, scene, vendor=vendor, worker=policy, client=policy)
        return gate.most


@pytest.mark.parametrize("name", heavy_but("openai", names=CLIENTS))
def test_256_calls_at_once_get_their_own_answers_and_leave_nothing_open(name: str) -> None:
    with leaks() as leaked:
        allowed = POOLS.get(name, 256)
        assert allowed == run(DRIVERS[name], calls=256, allowed=allowed)
    assert [] == leaked


@pytest.mark.parametrize("name", CLIENTS)
def test_no_more_run_at_once_than_the_backend_allows(name: str) -> None:
    assert 3 == run(DRIVERS[name], calls=12, allowed=3)


@pytest.mark.parametrize("name", DRIVERS)
def test_cancelling_a_call_closes_its_request(name: str) -> None:
    driver = DRIVERS[name]
    with driver.vendor() as vendor:
        vendor.fail_with(Fault.TIMEOUT)

        async def scene(_: Stage[Any, Any], worker: Any) -> None:
            call = asyncio.ensure_future(driver._call(worker, new_token(), None))
            assert await asyncio.to_thread(vendor.wait_for_request, LET_GO_S)
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            assert await asyncio.to_thread(vendor.wait_until_let_go, LET_GO_S)

        play(driver, scene, vendor=vendor)
