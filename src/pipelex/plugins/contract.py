"""The contract that a plugin satisfies, and the one integer that gates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pipelex.plugins.registrar import PluginRegistrar

__all__ = ["PLUGIN_API_VERSION", "PipelexPlugin"]

PLUGIN_API_VERSION: Final = 1
"""The version of the plugin API that this installation supports; stamped from ``spi.toml``."""


@runtime_checkable
class PipelexPlugin(Protocol):
    """What the system asks of a plugin; any object of this shape is one.

    A class attribute, an instance attribute and a property all do for ``name`` and ``targets_api``.
    """

    @property
    def name(self) -> str:
        """A unique, lowercase identifier (``"acme"``); ``-``, ``_`` and ``.`` are one spelling."""
        ...

    @property
    def targets_api(self) -> int:
        """The plugin API version that the plugin was written against; must equal ``PLUGIN_API_VERSION``."""
        ...

    def register(self, registrar: PluginRegistrar) -> None:
        """Contribute to the system by calling the registrar's menu methods, and do nothing else.

        It may run more than once in a process: no I/O, no SDK, no state.

        Args:
            registrar: Where the contributions go.
        """
        ...
