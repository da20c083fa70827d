"""The registries: lookups, the guard of optional SDKs, and the memoized clients."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

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
