"""From the object that an entry point names to a plugin: one rule, for boot and for the sandbox."""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, cast

from pipelex.plugins.contract import PLUGIN_API_VERSION, PipelexPlugin
from pipelex.plugins.contribution_checks import check_identifier
from pipelex.plugins.exceptions import InvalidContributionError, PluginApiVersionMismatchError
from pipelex.plugins.raised import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMBERS = (("name", "a str"), ("targets_api", "an int"), ("register", "a method"))


def plugin_from(loaded: object, entry_point_name: str) -> PipelexPlugin:
    """Return the plugin that an entry point names: the object itself, or what it returns when it is called.

    A class is always called. Any other callable is called unless it has a ``register``: then it is a plugin
    whose class happens to define ``__call__``.

    Args:
        loaded: The object that the entry point names.
        entry_point_name: The name of the entry point, for errors.

    Raises:
        InvalidContributionError: The result has no usable ``name``, ``targets_api`` or ``register``.
    """
    plugin = cast("Callable[[], object]", loaded)() if _is_factory(loaded) else loaded
    for attribute, expected in _MEMBERS:
        if not hasattr(plugin, attribute):
            got = f"nothing: {type(plugin).__qualname__} has no attribute '{attribute}'"
            if isinstance(plugin, CoroutineType):
                plugin.close()  # never awaited, and no warning about it
                got = "an async factory, which returns a coroutine"
            raise InvalidContributionError(
                plugin_name=entry_point_name,
                what=attribute,
                expected=f"{expected}, or a zero-argument factory of an object that has it",
                got=got,
            )
    made = cast("PipelexPlugin", plugin)
    if not callable(made.register):
        raise InvalidContributionError(
            plugin_name=entry_point_name, what="register", expected="a method", got=type(plugin).__qualname__
        )
    return made


def name_of(plugin: PipelexPlugin, entry_point_name: str) -> str:
    """Return the name of a plugin, as a plain string.

    Args:
        plugin: The plugin.
        entry_point_name: The name of the entry point, for errors.

    Raises:
        InvalidContributionError: It is not a lowercase identifier.
    """
    name: object = plugin.name
    check_identifier(entry_point_name, "name", name)
    return str.__str__(cast("str", name))


def api_of(plugin: PipelexPlugin, plugin_name: str) -> int:
    """Return the API version that a plugin targets; a ``bool`` or a ``str`` is not an integer here.

    Args:
        plugin: The plugin.
        plugin_name: Its name, for errors.

    Raises:
        InvalidContributionError: It is not an integer.
        PluginApiVersionMismatchError: It is not the version of this installation.
    """
    targets_api: object = plugin.targets_api
    if type(targets_api) is not int:
        raise InvalidContributionError(
            plugin_name=plugin_name,
            what="targets_api",
            expected=f"an int (this installation supports {PLUGIN_API_VERSION})",
            got=shown(targets_api),
        )
    if targets_api != PLUGIN_API_VERSION:
        raise PluginApiVersionMismatchError(
            plugin_name=plugin_name, targets_api=targets_api, supported_api=PLUGIN_API_VERSION
        )
    return targets_api


def check_registered(returned: object, plugin_name: str) -> None:
    """Refuse a ``register`` that has not run when its call returns, so that nothing was registered.

    Args:
        returned: What the call returned.
        plugin_name: The plugin's name, for errors.

    Raises:
        InvalidContributionError: It is an async function or a generator.
    """
    if isinstance(returned, CoroutineType | GeneratorType | AsyncGeneratorType):
        if not isinstance(returned, AsyncGeneratorType):
            returned.close()  # never awaited, and no warning about it
        raise InvalidContributionError(
            plugin_name=plugin_name,
            what="register",
            expected="a plain method, which has run when its call returns",
            got="a generator" if isinstance(returned, GeneratorType) else "an async method",
        )


def _is_factory(loaded: object) -> bool:
    return isinstance(loaded, type) or (callable(loaded) and not hasattr(loaded, "register"))
