"""Bringing the system up: discover the plugins, fill the registries, hand out workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.bulk.methods import MapMethods
from pipelex.config.plugins_config import load_plugins_config
from pipelex.hub import PipelexHub, drop_hub, push_hub
from pipelex.plugins.discovery import survey_plugins
from pipelex.plugins.inference_backend_registry import InferenceBackendRegistry
from pipelex.plugins.model_lister_registry import ModelListerRegistry
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.worker_factories import WorkerMethods

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from pipelex.cogt.inference.limiter import Limiter
    from pipelex.config.settings import Settings
    from pipelex.plugins.exceptions import PluginError
    from pipelex.reporting.reporting_protocol import ReportingProtocol


class Pipelex(WorkerMethods, MapMethods):
    """A running system, with a method per family that returns the worker of a model, and ``map`` for many rows.

    Made by :meth:`setup`; used as a context manager, plain or async, which closes its clients.

    Example:
        >>> with Pipelex.setup() as px:
        ...     text = px.llm("smollm2").gen_text_sync("Why is the sky blue?")
    """

    def __init__(self, hub: PipelexHub) -> None:
        self.hub = hub

    @classmethod
    def setup(
        cls,
        *,
        start: Path | None = None,
        reporting_delegate: ReportingProtocol | None = None,
        on_broken_plugin: Callable[[PluginError], None] | None = None,
    ) -> Pipelex:
        """Discover and register all plugins. Imports no SDK and opens no connection.

        Args:
            start: The folder from which the project's ``.pipelex/`` is looked for, upwards; by default the
                working directory.
            reporting_delegate: Where every call reports usage and time.
            on_broken_plugin: Is told of each plugin that failed, instead of the first failure being raised.

        Returns:
            The running system, current for ``pipelex.hub`` until it is closed.

        Raises:
            PluginError: A plugin failed, and nobody takes it.
            ConfigurationError: The ``[plugins]`` section is wrong.
        """
        survey = survey_plugins(load_plugins_config(start))
        for error in survey.failures:
            if on_broken_plugin is None:
                raise error
            on_broken_plugin(error)
        registrar = survey.registrar
        hub = PipelexHub(
            inference_backends=InferenceBackendRegistry(
                registrar.inference_backends, plugin_names=registrar.plugin_names
            ),
            model_listers=ModelListerRegistry(registrar.model_listers, plugin_names=registrar.lister_plugin_names),
            sdk_clients=SdkClientRegistry(),
            reporting_delegate=reporting_delegate,
            load_settings=lambda: _load_settings(start),
        )
        push_hub(hub)
        return cls(hub)

    @property
    def settings(self) -> Settings:
        """Backends and model catalogue; read and validated when first asked for."""
        return self.hub.settings

    @property
    def limiter(self) -> Limiter:
        """The limits that all calls of this instance share, and what is under way."""
        return self.hub.inference_backends.limiter

    def close(self) -> None:
        """Close the clients, from code that runs no event loop. May be called again."""
        drop_hub(self.hub)
        self.hub.sdk_clients.close()

    async def aclose(self) -> None:
        """Close the clients, from async code. May be called again."""
        drop_hub(self.hub)
        await self.hub.sdk_clients.aclose()

    def __enter__(self) -> Pipelex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Pipelex:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _load_settings(start: Path | None) -> Settings:
    from pipelex.config.settings import Settings

    return Settings.load(start)
