"""Calls through a built-in as the system makes them: register, make the worker, call, close the clients."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability, InferenceModelSpec
from pipelex.plugins.registrar import PluginRegistrar
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.reporting.usage_log import UsageLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
    from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.plugins.inference_backend_registry import InferenceFamily

WorkerT = TypeVar("WorkerT")
ResultT = TypeVar("ResultT")

KEY = "canary-key-7d41c9"
ONCE = CallPolicy(max_attempts=1, timeout_s=20.0)
EVERYTHING = frozenset(Capability)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Calls one sdk of a built-in at an address.

    Attributes:
        plugin: The built-in.
        family: The family.
        sdk: The sdk.
        endpoint: The backend's endpoint.
        name: The backend's name.
        api_key: The backend's key.
        extras: The backend's extras.
        policy: The policy, of the backend and of the model.
        client_policy: The policy of the backend, by which the SDK goes, where it is another one.
        model_id: The vendor's id of the model.
        model_extras: The model's extras.
        headers: The backend's own headers.
        model_headers: The model's own headers.
        model_body: The fields that the model adds to the body.
        log: Where the calls are reported.
    """

    plugin: PipelexPlugin
    family: InferenceFamily
    sdk: str
    endpoint: str | None
    name: str = "vendor"
    api_key: str | None = KEY
    extras: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    policy: CallPolicy = ONCE
    client_policy: CallPolicy | None = None
    model_id: str = "gpt-x"
    model_extras: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    model_headers: Mapping[str, str] = field(default_factory=dict)
    model_body: Mapping[str, object] = field(default_factory=dict)
    max_output_tokens: int | None = None
    log: UsageLog = field(default_factory=UsageLog)

    @property
    def backend(self) -> InferenceBackend:
        """The backend's record."""
        policy = self.client_policy or self.policy
        return InferenceBackend(
            name=self.name,
            endpoint=self.endpoint,
            api_key=self.api_key,
            policy=policy,
            extras=self.extras,
            extra_headers=self.headers,
        )

    @property
    def model(self) -> InferenceModelSpec:
        """The model's record; it declares everything, so that the driver alone says what it cannot do."""
        return InferenceModelSpec(
            name="the-model",
            family=self.family,
            backend_name=self.name,
            endpoint=self.endpoint,
            sdk=self.sdk,
            model_id=self.model_id,
            capabilities=EVERYTHING,
            max_output_tokens=self.max_output_tokens,
            policy=self.policy,
            extras=self.model_extras,
            extra_headers=self.model_headers,
            extra_body=self.model_body,
        )

    def llm(self, do: Callable[[LLMWorkerAbstract], Awaitable[ResultT]]) -> ResultT:
        """Make the worker in an event loop of its own, do something with it, and close its client."""
        return asyncio.run(self._run(do))

    def img_gen(self, do: Callable[[ImgGenWorkerAbstract], Awaitable[ResultT]]) -> ResultT:
        """Do what :meth:`llm` does, with a worker of its family."""
        return asyncio.run(self._run(do))

    def extract(self, do: Callable[[ExtractWorkerAbstract], Awaitable[ResultT]]) -> ResultT:
        """Do what :meth:`llm` does, with a worker of its family."""
        return asyncio.run(self._run(do))

    def search(self, do: Callable[[SearchWorkerAbstract], Awaitable[ResultT]]) -> ResultT:
        """Do what :meth:`llm` does, with a worker of its family."""
        return asyncio.run(self._run(do))

    def worker(self, clients: SdkClientRegistry) -> InferenceWorkerAbstract:
        """Make the worker alone.

        Args:
            clients: Where its client is kept; closing it is the caller's matter.
        """
        make_worker = self._registered().inference_backends[self.family, self.sdk]
        return make_worker(
            inference_model=self.model, backend=self.backend, sdk_clients=clients, reporting_delegate=self.log
        )

    async def _run(self, do: Callable[[WorkerT], Awaitable[ResultT]]) -> ResultT:
        clients = SdkClientRegistry()
        try:
            return await do(cast("WorkerT", self.worker(clients)))  # the family is the caller's choice
        finally:
            await clients.aclose()

    def list_models(self) -> Sequence[ListedModel]:
        """List the models by the lister of the sdk."""
        lister = self._registered().model_listers[self.sdk]
        rows = asyncio.run(
            _awaited(lister(sdk=self.sdk, backend_name="vendor", backend=self.backend, flat=False, any_listed=False))
        )
        assert rows is not None
        return rows

    def _registered(self) -> PluginRegistrar:
        registrar = PluginRegistrar(plugin_name=self.plugin.name)
        self.plugin.register(registrar)
        return registrar


async def _awaited(result: Awaitable[ResultT]) -> ResultT:
    return await result
