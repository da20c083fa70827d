"""Runs in a process of its own: builds a worker and begins a listing where the plugin's SDK is not installed.

Run as a script. Standard input holds an :class:`Order` as JSON, the last line of standard output the errors.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Errors = dict[str, tuple[str, str, str]]
"""What a missing SDK led to, by what was called: the error's class name, extra and message."""


class Order(TypedDict):
    """What is to be tried.

    Attributes:
        path: The module search path.
        module: The module of the plugin.
        attribute: The plugin in it.
        absent: The import names of its SDK.
        sdk: The sdk.
        records: Model spec and backend, pickled, in hexadecimal digits.
    """

    path: list[str]
    module: str
    attribute: str
    absent: list[str]
    sdk: str
    records: str


def errors_of(order: Order) -> Errors:
    """Call ``make_worker`` and the lister, and return their errors."""
    import pickle

    sys.path[:] = order["path"]
    sys.dont_write_bytecode = True
    from pipelex.plugins.admission import plugin_from
    from pipelex.plugins.installed import EntryPoint
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.testing.calls import models_of, worker_of

    plugin = plugin_from(EntryPoint(order["module"], order["attribute"]).load(), order["attribute"])
    for name in [name for name in sys.modules if f"{name}.".startswith(tuple(f"{sdk}." for sdk in order["absent"]))]:
        del sys.modules[name]  # the plugin imports it at its top, which another check reports
    for name in order["absent"]:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's way to have no such module
    model, backend = pickle.loads(bytes.fromhex(order["records"]))  # noqa: S301 - our own parent wrote it
    registrar = PluginRegistrar(plugin_name=plugin.name)
    plugin.register(registrar)
    found = {"make_worker": _error_of(lambda: worker_of(plugin, model=model, backend=backend))}
    if order["sdk"] in registrar.model_listers:
        found["the lister"] = _error_of(lambda: _begin(models_of(plugin, sdk=order["sdk"], backend=backend)))
    return found


def _begin(coroutine: Coroutine[object, object, object]) -> None:
    """Run a coroutine up to where it first waits: a guard comes before that, and asyncio need not be loaded."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    finally:
        coroutine.close()


def _error_of(call: Callable[[], object]) -> tuple[str, str, str]:
    """Call and name what is raised; an empty name is no error at all."""
    try:
        call()
    except Exception as exc:
        return type(exc).__name__, str(getattr(exc, "extra_name", "")), str(exc)
    return "", "", ""


if __name__ == "__main__":
    errors = errors_of(json.load(sys.stdin))
    sys.stdout.write(json.dumps(errors) + "\n")
