"""A backend whose record changes between two calls: the second call goes by the new one, and the old client closes."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.boot import Pipelex
from pipelex.cogt.exceptions import (
    InferenceConnectionError,
    InferenceError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability
from pipelex.generated import accessors
from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.usage_log import UsageLog
from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from pipelex.testing.vendor import Fault
from tests.heavy import heavy_but
from tests.providers.faults.drivers import DRIVERS, PATIENT
from tests.providers.faults.test_every_driver import REQUEST_ID_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from tests.providers.faults.drivers import AnyDriver

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of Hugging Face's own call

OLD, NEW = "key-of-old-7d41", "key-of-new-9a02"


class System:
    """One client registry, and workers made through the registry of the backends, as a running system makes them.

    Args:
        driver: The driver.
        vendors: Its vendors, open.
    """

    def __init__(self, driver: AnyDriver, *vendors: LoopbackVendor[Any]) -> None:
        self.driver = driver
        for vendor in vendors:
            vendor.answer_with(lambda token: driver._answer(token, None))
        registrar = PluginRegistrar(plugin_name=driver.plugin().name)
        driver.plugin().register(registrar)
        self.backends = InferenceBackendRegistry(registrar.inference_backends)
        self.clients = SdkClientRegistry()
        self.log = UsageLog()

    def backend(self, vendor: LoopbackVendor[Any], key: str) -> InferenceBackend:
        """Return the record of the backend at a vendor, with a key."""
        return replace(self.driver.backend(vendor.endpoint), api_key=key, policy=PATIENT)

    def worker(self, backend: InferenceBackend) -> InferenceWorkerAbstract:
        """Make the worker of a record."""
        model = replace(self.driver.model(), policy=PATIENT, endpoint=backend.endpoint)
        make = getattr(accessors, f"make_{model.family.value}_worker")
        worker: InferenceWorkerAbstract = make(
            self.backends,
            sdk=model.sdk,
            inference_model=model,
            backend=backend,
            sdk_clients=self.clients,
            reporting_delegate=self.log,
        )
        return worker

    async def call(self, backend: InferenceBackend) -> None:
        """Make a worker, call it once, and drop it."""
        await self.driver._call(self.worker(backend), new_token(), None)

    def run(self, scene: Callable[[], Awaitable[None]]) -> None:
        """Run a scene in a loop of its own, and close the clients."""

        async def main() -> None:
            try:
                await scene()
            finally:
                await self.clients.aclose()

        asyncio.run(main())


def sent(vendor: LoopbackVendor[Any]) -> list[str]:
    """Return the key of each request, wherever it holds it. The file of an image is fetched without one."""
    seen = ((request.target, *request.headers.values()) for request in vendor.server.requests)
    return [key for texts in seen for key in (OLD, NEW) if any(key in text for text in texts)]


@contextmanager
def open_vendor(name: str) -> Iterator[LoopbackVendor[Any]]:
    """Open the vendor of a driver."""
    with DRIVERS[name].vendor() as vendor:
        assert isinstance(vendor, LoopbackVendor)
        yield vendor


@pytest.mark.parametrize("name", heavy_but("openai", "bedrock_aioboto", "mistral llm", names=DRIVERS))
def test_a_new_key_and_a_new_endpoint_are_those_of_the_next_call(name: str) -> None:
    with open_vendor(name) as first, open_vendor(name) as second:
        system = System(DRIVERS[name], first, second)

        async def scene() -> None:
            await system.call(system.backend(first, OLD))
            await system.call(system.backend(first, NEW))
            await system.call(system.backend(second, NEW))
            assert await asyncio.to_thread(first.server.wait_until_let_go, 10)  # the old clients are closed

        system.run(scene)
        half = len(sent(first)) // 2
        assert [OLD] * half + [NEW] * half == sent(first)
        assert [NEW] * half == sent(second)
        assert half


def test_a_variable_that_changes_is_read_by_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELEX_HOME", os.devnull)
    with open_vendor("openai") as vendor:
        System(DRIVERS["openai"], vendor)
        (tmp_path / ".pipelex").mkdir()
        table = f'[backends.openai]\nendpoint = "{vendor.endpoint}"\napi_key = "${{ROTATED_KEY}}"\n'
        (tmp_path / ".pipelex" / "pipelex.toml").write_text(table, encoding="utf-8")
        with Pipelex.setup(start=tmp_path) as px:
            for key in (OLD, OLD, NEW):
                monkeypatch.setenv("ROTATED_KEY", key)
                px.llm("openai/gpt-4.1").gen_text_sync(new_token())
        assert [OLD, OLD, NEW] == sent(vendor)


@pytest.mark.parametrize("name", heavy_but("openai", names=DRIVERS))
def test_two_records_of_one_name_never_share_a_client_while_both_call(name: str) -> None:
    with open_vendor(name) as first, open_vendor(name) as second:
        system = System(DRIVERS[name], first, second)
        old, new = system.backend(first, OLD), system.backend(second, NEW)

        async def scene() -> None:
            await asyncio.gather(*(system.call(backend) for backend in (old, new) * 4))

        system.run(scene)
        assert ({OLD}, {NEW}) == (set(sent(first)), set(sent(second)))


@pytest.mark.parametrize("name", heavy_but("anthropic", "linkup", "bedrock_aioboto", names=DRIVERS))
def test_a_new_header_is_that_of_the_next_call(name: str) -> None:
    with open_vendor(name) as vendor:
        system = System(DRIVERS[name], vendor)

        async def scene() -> None:
            for value in ("one", "two"):
                await system.call(replace(system.backend(vendor, OLD), extra_headers={"x-row": value}))

        system.run(scene)
        rows = [request.headers.get("x-row") for request in vendor.server.requests]
        if name == "fal":  # a file is fetched without what its backend is sent
            rows = [row for row in rows if row is not None]
        half = len(rows) // 2
        assert ["one"] * half + ["two"] * half == rows
        assert half


@pytest.mark.parametrize("name", heavy_but("bedrock_aioboto", "huggingface_img_gen", names=DRIVERS))
def test_what_a_backend_is_sent_never_goes_to_where_it_redirects(name: str) -> None:
    with open_vendor(name) as vendor, open_vendor(name) as other:
        system = System(DRIVERS[name], vendor, other)
        vendor.server.serve = lambda request: HttpReply(
            status=307, headers={"Location": f"{other.endpoint}{request.target}"}
        )

        async def scene() -> None:
            backend = replace(system.backend(vendor, OLD), extra_headers={"x-row": "one"})
            with pytest.raises(InferenceRequestError, match="redirects to"):
                await system.call(backend)

        system.run(scene)
        assert [] == other.server.requests


@pytest.mark.parametrize(
    "policy",
    [
        replace(PATIENT, connect_timeout_s=7.0),
        replace(PATIENT, timeout_s=19.0),
        replace(PATIENT, max_concurrency=5),
    ],
)
def test_new_limits_are_those_of_another_client(policy: CallPolicy) -> None:
    """What the SDK is told when its client is built: its record holds it, so another record has another client."""
    with open_vendor("openai") as vendor:
        system = System(DRIVERS["openai"], vendor)
        old = system.backend(vendor, OLD)
        clients = []
        for backend in (old, replace(old, policy=policy), replace(old, policy=policy)):
            system.worker(backend)
            clients += [slot.client for slot in system.clients._slots.current.values()]
        first, second, third = clients
        assert first is not second is third
        system.clients.close()


@pytest.mark.parametrize("name", heavy_but("openai", "fal", "bedrock_boto3", names=DRIVERS))
def test_a_client_that_is_closed_during_a_call_ends_it_with_the_first_cause(name: str) -> None:
    """It is closed while the vendor works, so the request may be charged: that is what the error has to be about."""
    with open_vendor(name) as vendor:
        system = System(DRIVERS[name], vendor)
        vendor.fail_with(Fault.TIMEOUT)

        async def scene() -> None:
            call = asyncio.ensure_future(system.call(system.backend(vendor, OLD)))
            assert await asyncio.to_thread(vendor.wait_for_request, 10)
            await system.clients.aclose()
            with pytest.raises(InferenceError) as caught:
                await asyncio.wait_for(call, 10)
            assert isinstance(caught.value, InferenceConnectionError | InferenceServerError)

        system.run(scene)


@pytest.mark.parametrize(
    "name",
    heavy_but("openai", "anthropic", "mistral llm", "google llm", "fal", "linkup", "bedrock_aioboto", names=DRIVERS),
)
def test_a_record_names_the_request_as_its_vendor_does(name: str) -> None:
    header = next((header for vendor, header in REQUEST_ID_HEADERS.items() if name.startswith(vendor)), "x-request-id")
    with open_vendor(name) as vendor:
        system = System(DRIVERS[name], vendor)
        serve = vendor.server.serve

        def named(request: HttpRequest) -> HttpReply:
            reply = serve(request)
            return replace(reply, headers={**reply.headers, header: "id-7"})

        vendor.server.serve = named

        async def scene() -> None:
            worker = system.worker(system.backend(vendor, OLD))
            await system.driver._call(worker, new_token(), None)
            if Capability.STREAMING in system.driver.capabilities and isinstance(worker, LLMWorkerAbstract):
                async with aclosing(worker.stream_text(f"Repeat {new_token()}")) as pieces:
                    await anext(pieces)

        system.run(scene)
        assert {"id-7"} == {one.request_id for one in system.log.records}
