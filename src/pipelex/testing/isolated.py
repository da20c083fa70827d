"""What the kit runs in a process of its own: import, register and build, with modules made absent and I/O refused.

Run as a script. Standard input holds an :class:`Order` as JSON, the last line of standard output the findings.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from pipelex.plugins.contract import PipelexPlugin

REFUSED_EVENTS = (
    "open", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "urllib.", "http.", "ftplib.", "smtplib.",
    "sqlite3.", "glob.", "pathlib.", "fcntl.", "mmap.", "pty.", "webbrowser.", "_thread.start_new_thread",
)  # fmt: skip
"""The beginnings of the audit events that a pure function does not raise: files, sockets, processes, threads."""
OUT_OF_REACH = ("pipelex.boot", "pipelex.hub", "pipelex.config", "pipelex.worker_factories", "pipelex.cli")
"""What neither a plugin's module nor its ``register`` may pull in: the running system."""


class Order(TypedDict):
    """What is to be looked at.

    Attributes:
        path: The module search path.
        entry_point: The plugin, as ``module:name``.
        absent: The import names of its SDK.
        family: The family, by value.
        sdk: The sdk.
        records: Model spec and backend, pickled, in hexadecimal digits.
    """

    path: list[str]
    entry_point: str
    absent: list[str]
    family: str
    sdk: str
    records: str


class Findings(TypedDict):
    """What was seen.

    Attributes:
        heavy: What importing the plugin wanted to import beyond the standard library, the SPI and its own package.
        impure: What ``register`` did beyond calling menu methods.
        missing: What a missing SDK led to, by what was called: the error's class name, extra and message.
    """

    heavy: list[str]
    impure: list[str]
    missing: dict[str, tuple[str, str, str]]


class _Veil:
    """Makes modules absent: neither an import nor ``find_spec`` finds them."""

    def __init__(self) -> None:
        self.is_hidden: Callable[[str], bool] = lambda name: False  # noqa: ARG005
        self.wanted: list[str] = []
        sys.meta_path[:] = [_Veiled(self, finder) for finder in sys.meta_path]


class _Veiled:
    def __init__(self, veil: _Veil, finder: object) -> None:
        self._veil = veil
        self._finder = finder

    def __getattr__(self, name: str) -> object:
        return getattr(self._finder, name)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self._veil.is_hidden(fullname):
            spec: ModuleSpec | None = self._finder.find_spec(fullname, path, target)  # type: ignore[attr-defined]
            return spec
        is_import = sys._getframe(2).f_code.co_name != "find_spec"  # to look whether it is there is no import
        if is_import and fullname not in self._veil.wanted:
            self._veil.wanted.append(fullname)
        return None


class _Guard:
    """Refuses I/O while it is armed. An audit hook cannot be taken out again."""

    def __init__(self) -> None:
        self.armed = False
        self.refused: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.armed or not event.startswith(REFUSED_EVENTS):
            return
        if sys._getframe(1).f_code.co_filename.startswith("<frozen importlib"):  # a lazy import reads its module
            return
        self.refused.append(f"{event}({', '.join(repr(argument)[:60] for argument in arguments[:1])})")
        msg = f"register may call the registrar's menu methods and nothing else, not {event}"
        raise PermissionError(msg)


def look(order: Order) -> Findings:
    """Look at a plugin in the three ways that need a process of their own."""
    sys.path[:] = order["path"]
    sys.dont_write_bytecode = True
    import pipelex.plugins.contribution_checks
    import pipelex.plugins.exceptions
    import pipelex.plugins.registrar  # noqa: F401 - loaded before the guard is armed

    veil, guard = _Veil(), _Guard()
    own = {"pipelex", order["entry_point"].partition(".")[0].partition(":")[0]}

    def is_sdk(name: str) -> bool:
        return any(f"{name}.".startswith(f"{absent}.") for absent in order["absent"])

    def is_foreign(name: str) -> bool:
        top = name.partition(".")[0]
        return is_sdk(name) or (top not in own and top not in sys.stdlib_module_names)

    veil.is_hidden = is_foreign
    plugin, heavy = _import_plugin(order["entry_point"], veil)
    impure = _register_guarded(plugin, veil, guard)
    veil.is_hidden = is_sdk
    for name in [name for name in sys.modules if is_sdk(name)]:
        del sys.modules[name]
    return Findings(heavy=heavy, impure=impure, missing=_missing(plugin, order))


def _import_plugin(entry_point: str, veil: _Veil) -> tuple[PipelexPlugin, list[str]]:
    """Import the plugin under the veil; where it cannot do without what is hidden, once more in the open."""
    try:
        plugin = _load(entry_point)
    except Exception:
        if not veil.wanted:
            raise
        veil.is_hidden = lambda name: False  # noqa: ARG005
        plugin = _load(entry_point)
    return plugin, [*veil.wanted, *(name for name in OUT_OF_REACH if name in sys.modules)]


def _load(entry_point: str) -> PipelexPlugin:
    from importlib import import_module

    module, _, name = entry_point.partition(":")
    found: object = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    made: PipelexPlugin = found() if callable(found) else found  # type: ignore[assignment]  # a plugin by its shape
    return made


def _register_guarded(plugin: PipelexPlugin, veil: _Veil, guard: _Guard) -> list[str]:
    from pipelex.plugins.registrar import PluginRegistrar

    loaded, known = set(sys.modules), len(veil.wanted)
    guard.armed = True
    problems = []
    try:
        plugin.register(PluginRegistrar(plugin_name=plugin.name))
    except Exception as exc:
        if not guard.refused and len(veil.wanted) == known:
            problems.append(f"it raised {type(exc).__name__}: {exc}")
    finally:
        guard.armed = False
    problems += guard.refused
    problems += [f"import {name}" for name in veil.wanted[known:]]
    return problems + [f"import {name}" for name in OUT_OF_REACH if name in sys.modules and name not in loaded]


def _missing(plugin: PipelexPlugin, order: Order) -> dict[str, tuple[str, str, str]]:
    import pickle

    from pipelex.plugins.inference_backend_registry import InferenceFamily
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry

    registrar = PluginRegistrar(plugin_name=plugin.name)
    plugin.register(registrar)
    make_worker = registrar.inference_backends[InferenceFamily(order["family"]), order["sdk"]]
    model, backend = pickle.loads(bytes.fromhex(order["records"]))  # noqa: S301 - our own parent wrote it
    found = {
        "make_worker": _error_of(
            lambda: make_worker(
                inference_model=model, backend=backend, sdk_clients=SdkClientRegistry(), reporting_delegate=None
            )
        )
    }
    lister = registrar.model_listers.get(order["sdk"])
    if lister is not None:
        listing = {"sdk": order["sdk"], "backend_name": backend.name}
        found["the lister"] = _error_of(
            lambda: _begin(lister(**listing, backend=backend, flat=False, any_listed=False))
        )
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
    findings = look(json.load(sys.stdin))
    sys.stdout.write(json.dumps(findings) + "\n")
