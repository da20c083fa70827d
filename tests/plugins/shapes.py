"""Plugins and entry points of every good and bad shape, for the tests of the seam."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.installed import EntryPoint, InstalledPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol


def make_worker(
    *,
    inference_model: InferenceModelSpec,
    backend: InferenceBackend,
    sdk_clients: SdkClientRegistry,
    reporting_delegate: ReportingProtocol | None,
) -> InferenceWorkerAbstract:
    """Have the contract's call shape; never called."""
    raise AssertionError


async def list_models(
    *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
) -> Sequence[ListedModel] | None:
    """Have the contract's call shape; never called."""
    raise AssertionError


class Plugin:
    """A plugin that is right in everything but what a test sets."""

    def __init__(
        self,
        name: str = "acme",
        targets_api: int = PLUGIN_API_VERSION,
        register: Callable[[PluginRegistrar], None] | None = None,
    ) -> None:
        self.name = name
        self.targets_api = targets_api
        self._register = register

    def register(self, registrar: PluginRegistrar) -> None:
        """Do what the test asks, or serve the LLMs of an sdk of the plugin's own name."""
        if self._register is not None:
            self._register(registrar)
        else:
            registrar.add_inference_backend(family=InferenceFamily.LLM, sdk=self.name, make_worker=make_worker)


def installed(
    loads: object, name: str = "acme", distribution: str = "acme-dist", version: str = "1.0"
) -> InstalledPlugin:
    """Announce an object as an entry point, through a module that really is imported."""
    module = ModuleType(f"entry_of_{distribution.replace('-', '_')}_{name.replace('-', '_')}")
    module.thing = loads  # type: ignore[attr-defined]  # a module made for this test
    sys.modules[module.__name__] = module
    return InstalledPlugin(name, distribution, version, EntryPoint(module.__name__, "thing"))
