"""The registries: lookups, the guard of optional SDKs, and the memoized clients."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.exceptions import MissingDependencyError
from pipelex.plugins.exceptions import InferenceBackendNotFoundError
from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry, InferenceFamily, require_sdk
from pipelex.plugins.model_handle import ModelHandle
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from tests.plugins.shapes import make_worker

HANDLE = ModelHandle(backend_name="acme", sdk="acme")


class Client:
    """A client that knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class AsyncClient(Client):
    """A client that is closed by awaiting."""

    async def close(self) -> None:  # type: ignore[override]  # as vendors' async clients do
        await asyncio.sleep(0)
        self.closed += 1


def test_a_lookup_returns_the_registered_callable() -> None:
    registry = InferenceBackendRegistry({(InferenceFamily.LLM, "acme"): make_worker})
    assert make_worker is registry.lookup(family=InferenceFamily.LLM, sdk="acme")


def test_a_miss_names_what_is_registered_nearby_and_is_a_not_implemented_error() -> None:
    registry = InferenceBackendRegistry(
        {(InferenceFamily.LLM, "acme"): make_worker, (InferenceFamily.SEARCH, "acne"): make_worker}
    )
    with pytest.raises(NotImplementedError, match=r"Is its plugin installed and enabled\?") as caught:
        registry.lookup(family=InferenceFamily.LLM, sdk="acne")
    error = caught.value
    assert isinstance(error, InferenceBackendNotFoundError)
    assert ("llm", "acne", ("llm/acme", "search/acne")) == (error.family, error.sdk, error.nearby)


@pytest.mark.parametrize("spec", ["no_such_package", "no_such_package.part", "email.no_such_part"])
def test_a_missing_sdk_is_named_with_its_extra(spec: str) -> None:
    with pytest.raises(MissingDependencyError, match=r"pipelex\[acme\]") as caught:
        require_sdk(spec=spec, extra="acme", msg="Acme needs it.")
    assert (spec, "acme") == (caught.value.dependency_name, caught.value.extra_name)
    assert str(caught.value).startswith("Acme needs it.")


def test_an_sdk_that_is_there_is_not_imported() -> None:
    import sys

    sys.modules.pop("xmlrpc.client", None)
    require_sdk(spec="xmlrpc.client", extra="acme", msg="Acme needs it.")
    assert "xmlrpc.client" not in sys.modules


class TestClientRegistry:
    """One client per handle."""

    def test_threads_that_race_build_once(self) -> None:
        registry = SdkClientRegistry()
        built: list[Client] = []
        gate = threading.Barrier(8)

        def build() -> Client:
            built.append(Client())
            return built[-1]

        def ask() -> Client:
            gate.wait()
            return registry.get_or_create(handle=HANDLE, build=build)

        with ThreadPoolExecutor(8) as pool:
            clients = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
        assert 1 == len(built)
        assert {id(built[0])} == {id(client) for client in clients}

    def test_a_slow_build_does_not_hold_up_another_handle(self) -> None:
        registry = SdkClientRegistry()
        other_is_built = threading.Event()

        def slow() -> Client:
            assert other_is_built.wait(timeout=10)
            return Client()

        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(registry.get_or_create, handle=HANDLE, build=slow)
            registry.get_or_create(handle=ModelHandle(backend_name="beta", sdk="beta"), build=Client)
            other_is_built.set()
            assert isinstance(pending.result(timeout=10), Client)

    def test_a_build_that_fails_is_tried_again(self) -> None:
        registry = SdkClientRegistry()

        def fail() -> Client:
            msg = "no key"
            raise ValueError(msg)

        with pytest.raises(ValueError, match="no key"):
            registry.get_or_create(handle=HANDLE, build=fail)
        assert isinstance(registry.get_or_create(handle=HANDLE, build=Client), Client)

    def test_none_is_a_client_too(self) -> None:
        registry = SdkClientRegistry()
        built: list[None] = []
        for _ in range(2):
            registry.get_or_create(handle=HANDLE, build=lambda: built.append(None))
        assert [None] == built

    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_close_closes_each_client_once(self, kind: type[Client]) -> None:
        registry = SdkClientRegistry()
        client = registry.get_or_create(handle=HANDLE, build=kind)
        registry.close()
        registry.close()
        assert 1 == client.closed

    def test_aclose_closes_async_clients_in_the_callers_loop(self) -> None:
        registry = SdkClientRegistry()
        client = registry.get_or_create(handle=HANDLE, build=AsyncClient)
        asyncio.run(registry.aclose())
        assert 1 == client.closed

    def test_a_client_that_fails_to_close_keeps_no_other_open(self) -> None:
        class Stuck(Client):
            def close(self) -> None:
                msg = "stuck"
                raise OSError(msg)

        registry = SdkClientRegistry()
        good = registry.get_or_create(handle=HANDLE, build=Client)
        registry.get_or_create(handle=ModelHandle(backend_name="stuck", sdk="stuck"), build=Stuck)
        with pytest.raises(ExceptionGroup, match="failed to close"):
            registry.close()
        assert 1 == good.closed

    def test_a_closed_registry_builds_nothing(self) -> None:
        registry = SdkClientRegistry()
        registry.close()
        with pytest.raises(RuntimeError, match="closed"):
            registry.get_or_create(handle=HANDLE, build=Client)


RECORD = InferenceBackend(name="acme", endpoint="http://127.0.0.1/v1", api_key="key-1", extras={"x_row": "1"})
CHANGED = {
    "key": replace(RECORD, api_key="key-2"),
    "no key": replace(RECORD, api_key=None),
    "endpoint": replace(RECORD, endpoint="http://127.0.0.1/v2"),
    "time-out": replace(RECORD, policy=CallPolicy(connect_timeout_s=1)),
    "extra": replace(RECORD, extras={"x_row": "2"}),
    "header": replace(RECORD, extra_headers={"X-Row": "2"}),
}


class TestClientsOfRecords:
    """One client per handle and backend's record."""

    def test_an_equal_record_shares_the_client(self) -> None:
        registry = SdkClientRegistry()
        first, second = registry._bound_to(RECORD), registry._bound_to(replace(RECORD))
        assert first.get_or_create(handle=HANDLE, build=Client) is second.get_or_create(handle=HANDLE, build=Client)

    @pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
    @pytest.mark.parametrize("kind", [Client, AsyncClient])
    def test_another_record_gets_another_client_and_the_old_one_closes_with_its_last_user(
        self, changed: InferenceBackend, kind: type[Client]
    ) -> None:
        registry = SdkClientRegistry()

        async def scene() -> None:
            view, other_view = registry._bound_to(RECORD), registry._bound_to(RECORD)
            client = view.get_or_create(handle=HANDLE, build=kind)
            assert client is other_view.get_or_create(handle=HANDLE, build=kind)
            newer = registry._bound_to(changed).get_or_create(handle=HANDLE, build=kind)
            assert client is not newer
            del view
            await settled()
            assert 0 == client.closed
            del other_view
            await settled()
            assert (1, 0) == (client.closed, newer.closed)
            await registry.aclose()
            assert (1, 1) == (client.closed, newer.closed)

        asyncio.run(scene())

    def test_a_record_that_comes_back_finds_its_client_as_long_as_it_is_in_use(self) -> None:
        registry = SdkClientRegistry()
        tenants = {name: registry._bound_to(record) for name, record in {"a": RECORD, **CHANGED}.items()}
        clients = {name: view.get_or_create(handle=HANDLE, build=Client) for name, view in tenants.items()}
        assert len(tenants) == len(set(map(id, clients.values())))
        for name, view in tenants.items():
            assert clients[name] is view.get_or_create(handle=HANDLE, build=Client)
        registry.close()
        assert [1] * len(tenants) == [client.closed for client in clients.values()]

    def test_a_client_that_is_dropped_where_no_loop_runs_is_closed(self) -> None:
        registry, closed = SdkClientRegistry(), threading.Event()

        class Noting:
            async def aclose(self) -> None:
                closed.set()

        registry._bound_to(RECORD).get_or_create(handle=HANDLE, build=Noting)
        registry._bound_to(CHANGED["key"]).get_or_create(handle=HANDLE, build=Noting)
        assert closed.wait(10)

    def test_clients_of_many_records_are_not_kept(self) -> None:
        registry = SdkClientRegistry()
        for number in range(50):
            registry._bound_to(replace(RECORD, api_key=f"key-{number}")).get_or_create(
                handle=HANDLE, build=lambda: None
            )
        gc.collect()
        assert len(registry._slots.replaced) <= 1


async def settled() -> None:
    """Let what was scheduled run."""
    for _ in range(5):
        await asyncio.sleep(0)
