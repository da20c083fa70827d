"""Runs in the sandbox's process: loads plugins, registers them twice beside the built-ins, reports what they do.

This file is run by path in a bare interpreter (``-I -S -B``). Each line of the report is a Python literal, written
when the thing happens, on a pipe that the plugin does not know: catching an exception, printing, or ending the process
removes nothing from it.

The watch has no switch. The audit hook is armed once and never disarmed, and whether ``register`` is running is read
from the call stack. What watches takes all that it needs from the defaults of its parameters, which cannot be replaced
without an audit event, so that no attribute that a plugin sets (of this module, of ``os``, ``sys``, ``builtins``, of a
finder in ``sys.meta_path``) changes what is seen. An import system that a plugin rearranges is reported and restored.

This is no protection against hostile code: a plugin may read files while it is loaded, native code raises no audit
events, and what runs in the same process can forge a report. Check the code of people you do not trust in a container.
"""

from __future__ import annotations

import ast
import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, FrameType, TracebackType

    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.plugins.discovery import PluginRow
    from pipelex.plugins.installed import InstalledPlugin
    from pipelex.plugins.registrar import PluginRegistrar

    class Report(Protocol):
        """Write one line of the report, at once."""

        def __call__(self, kind: str, facts: dict[str, object]) -> None:
            """Write it."""

    class Owner(Protocol):
        """Return whose code a file holds: a library's (the standard one, pipelex), the plugin's, or neither's."""

        def __call__(self, file: str) -> Literal["library", "plugin", ""]:
            """Return it."""


_WITHOUT_EVENT = {
    "os": ("memfd_create", "mkfifo", "mknod", "nice", "setsid", "umask"),
    "signal": ("alarm", "raise_signal", "set_wakeup_fd", "setitimer", "signal"),
}
"""Functions that raise no audit event of their own, and are refused in a plugin at any time."""
_REPLACED = frozenset({"_posixsubprocess", "_signal", "_thread", "posix", "signal", "time"})
"""The modules whose functions are replaced: a second copy of one would hold what was there before."""
REFUSED_WHILE_LOADING = (
    "builtins.breakpoint", "builtins.input", "ctypes.", "ftplib.", "gc.get_", "http.client.", "imaplib.", "os.chdir",
    "os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.link", "os.mkdir", "os.posix_spawn", "os.putenv",
    "os.remove", "os.rename", "os.rmdir", "os.setxattr", "os.spawn", "os.startfile", "os.symlink", "os.system",
    "os.truncate", "os.unsetenv", "os.utime", "poplib.", "pty.spawn", "shutil.", "signal.", "smtplib.", "socket.",
    "sqlite3.connect", "subprocess.Popen", "sys._current_", "sys.addaudithook", "sys.monitoring.", "sys.setprofile",
    "sys.settrace", "syslog.", "tempfile.", "urllib.Request", "webbrowser.open", "_posixsubprocess.", "_thread.start_",
    "_winapi.", *(f"{module}.{name}" for module, names in _WITHOUT_EVENT.items() for name in names),
)  # fmt: skip
"""The beginnings of the audit events that are refused in a plugin at any time; so is opening a file for writing."""
REFUSED_WHILE_REGISTERING = (
    *REFUSED_WHILE_LOADING, "fcntl.", "glob.", "http.", "mmap.", "msvcrt.", "open", "os.", "pathlib.", "pty.",
    "resource.", "sqlite3.", "subprocess.", "time.sleep", "urllib.", "webbrowser.", "winreg.",
)  # fmt: skip
OUT_OF_REACH = ("pipelex.boot.", "pipelex.cli.", "pipelex.config.", "pipelex.hub.", "pipelex.worker_factories.")
"""The running system, which a plugin may not import."""
_FORWARDERS = ("functools", "logging.config", "pickle", "pkgutil", "pydoc", "runpy")
"""The modules of the standard library whose functions import what their caller names."""
_PRELOADED = (
    "inspect", "pipelex.config.plugins_config", "pipelex.generated.builtins", "pipelex.plugins.admission",
    "pipelex.plugins.contribution_checks", "pipelex.plugins.discovery", "pipelex.plugins.exceptions",
    "pipelex.plugins.host_state", "pipelex.plugins.raised",
)  # fmt: skip
"""What is loaded before a plugin is: what the registrar and the survey import when they need it."""


class Refused(PermissionError):
    """Raised in a plugin in place of what it may not do."""


def make_report(pipe: int, nonce: str) -> Report:
    """Return the function that writes a line of the report.

    Args:
        pipe: The descriptor to write to.
        nonce: What marks a line as ours.
    """

    def report(
        kind: str, facts: dict[str, object], _write: Any = os.write, _pipe: int = pipe, _nonce: str = nonce
    ) -> None:
        line = {"nonce": _nonce, "kind": kind, **facts}
        _write(_pipe, f"{line!a}\n".encode())

    return report


def make_owner(host: str) -> Owner:
    """Return the function that finds out whose code a file holds.

    Args:
        host: The folder that holds the package ``pipelex``.
    """
    standard = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    package = os.path.join(host, "pipelex") + os.sep
    installed = [os.path.join(standard, name) + os.sep for name in ("site-packages", "dist-packages")]
    drivers = [os.path.join(package, name) + os.sep for name in ("generated", "providers")]

    def owner(
        file: str,
        _library: tuple[str, ...] = ("<frozen ", standard, package),
        _not_library: tuple[str, ...] = (*installed, *drivers),
        _child: str = __file__,
    ) -> Literal["library", "plugin", ""]:
        if file.startswith(_library) and not file.startswith(_not_library):
            return "library"
        return "" if file == _child or file.startswith("<") else "plugin"

    return owner


def make_finder(order: dict[str, Any], report: Report, owner: Owner) -> type:
    """Return the finder that hides every package but the standard library, pipelex and the plugin's own modules.

    Args:
        order: What the parent process asks for.
        report: Where an import that is not allowed goes.
        owner: What finds out whose code a file holds.
    """
    own, importer = tuple(order["own"]), make_importer(owner)
    parents = frozenset(".".join(name.split(".")[:length]) for name in own for length in range(1, name.count(".") + 2))

    def find_spec(
        name: str,
        path: Sequence[str] | None = None,
        target: object = None,  # noqa: ARG001 - the call shape of finders
        _find: Any = PathFinder.find_spec,
        _host: tuple[str, ...] = (order["host"],),
        _own: tuple[str, ...] = tuple(f"{name}." for name in own),
        _parents: frozenset[str] = parents,
        _absent: tuple[str, ...] = tuple(f"{name}." for name in order["absent"]),
        _standard: frozenset[str] = sys.stdlib_module_names,
        _blocks: bool = order["blocks"],
        _out_of_reach: tuple[str, ...] = OUT_OF_REACH,
        _importer: Any = importer,
        _report: Report = report,
        _missing: type[ModuleNotFoundError] = ModuleNotFoundError,
    ) -> ModuleSpec | None:
        top, dotted = name.partition(".")[0], f"{name}."
        is_host = top == "pipelex"
        is_free = name in _parents or dotted.startswith(_own) or top in _standard or top.startswith("_sysconfigdata")
        if not is_host and is_free and not dotted.startswith(_absent):
            return None
        if not is_host or dotted.startswith(_out_of_reach):
            is_look, facts = _importer()
            if is_look:  # importlib.util.find_spec: to look for a module is not to import it
                return None
            if facts:
                _report("import", {"name": name, **facts})
        if is_host:
            spec: ModuleSpec | None = _find(name, _host if path is None else path)
            return spec
        if _blocks:
            raise _missing(f"No module named {name!r}", name=name)
        return None

    return type("ImportBlocker", (), {"find_spec": staticmethod(find_spec)})


def make_importer(owner: Owner) -> Callable[[], tuple[bool, dict[str, object]]]:
    """Return the function that finds who imports: the nearest frame that is not the import system's.

    The standard library's and pipelex's own imports are not the plugin's. It returns whether a module is only
    looked for, and the plugin's place where it is the plugin that imports.

    Args:
        owner: What finds out whose code a file holds.
    """

    def importer(
        _getframe: Any = sys._getframe,
        _register: CodeType = call_register.__code__,
        _forwarders: tuple[str, ...] = _FORWARDERS,
        _owner: Owner = owner,
    ) -> tuple[bool, dict[str, object]]:
        frame: FrameType | None = _getframe(2)
        whose, file, is_text = "", "", False
        while frame is not None:
            file, function = frame.f_code.co_filename, frame.f_code.co_name
            whose, module = _owner(file), frame.f_globals.get("__name__", "")
            if whose == "library" and module == "importlib.util" and function == "find_spec":
                return True, {}
            is_system = whose == "library" and module.startswith("importlib")
            is_forwarder = whose == "library" and (is_text or (module in _forwarders and function != "<module>"))
            if whose and not is_system and not is_forwarder:
                break
            is_text = is_text or (not whose and file.startswith("<"))  # run by exec: whoever passed it imports
            frame = frame.f_back
        if frame is None or whose == "library":
            return False, {}
        line, phase = frame.f_lineno, "loading"
        while frame is not None:
            if frame.f_code is _register:
                phase = "registering"
            frame = frame.f_back
        return False, {"phase": phase, "file": file, "line": line}

    return importer


def make_audit(finder: type, report: Report, owner: Owner) -> Callable[[str, tuple[Any, ...]], None]:
    """Return the audit hook, which refuses what a plugin may not do; the interpreter calls it before it is done.

    Args:
        finder: The finder that has to come first in ``sys.meta_path``.
        report: Where what is refused goes.
        owner: What finds out whose code a file holds.
    """
    import importlib._bootstrap
    import importlib._bootstrap_external

    own_globals = globals()

    def audit(
        event: str,
        arguments: tuple[Any, ...],
        _report: Report = report,
        _loading: tuple[str, ...] = REFUSED_WHILE_LOADING,
        _registering: tuple[str, ...] = REFUSED_WHILE_REGISTERING,
        _writing: int = os.O_WRONLY | os.O_RDWR | os.O_CREAT,
        _getframe: Any = sys._getframe,
        _register: CodeType = call_register.__code__,
        _importing: tuple[dict[str, Any], ...] = (vars(importlib._bootstrap), vars(importlib._bootstrap_external)),
        _owner: Owner = owner,
        _globals: dict[str, Any] = own_globals,
        _sys: Any = sys,
        _finder: type = finder,
        _find: object = vars(finder)["find_spec"],
        _type: Any = type,
        _shown: tuple[type, ...] = (str, bytes, int),
        _refused: type[Refused] = Refused,
        _replaced: frozenset[str] = _REPLACED,
        _error: type[AttributeError] = AttributeError,
    ) -> None:
        what: Any = arguments[0] if arguments else ""
        is_writing = event == "import" and _type(what) is _shown[0] and what in _replaced
        if event == "open":
            if _type(what) in _shown[:2]:
                _report("read", {"path": what})
            mode, flags = arguments[1], arguments[2]
            is_writing = (_type(mode) is _shown[0] and mode.strip("rbtU") != "") or (
                _type(flags) is _shown[2] and flags & _writing != 0
            )
        elif event == "object.__setattr__":
            try:
                is_ours = what.__globals__ is _globals
            except _error:
                return
            if not is_ours:
                return
            is_writing = True
        if event in ("open", "import", "exec"):
            found = _sys.meta_path
            if not found or found[0] is not _finder or _finder.__dict__["find_spec"] is not _find:
                _finder.find_spec = _find  # type: ignore[attr-defined]  # a class made for this run
                _sys.meta_path = [_finder, *found]
                event, what, is_writing = "sys.meta_path", "changed", True
        if not is_writing and (not event.startswith(_registering) or (event == "ctypes.dlopen" and what is None)):
            return
        frame: FrameType | None = _getframe(1)
        is_import = frame is not None and frame.f_globals in _importing  # a lazy import reads its module
        phase, file, line = "loading", "", 0
        while frame is not None:
            code = frame.f_code
            if code is _register:
                phase = "registering"
                break
            if not file and _owner(code.co_filename) == "plugin":
                file, line = code.co_filename, frame.f_lineno
            frame = frame.f_back
        if not is_writing and (phase == "loading" or is_import) and not event.startswith(_loading):
            return
        detail = f"{what!r}"[:80] if _type(what) in _shown else _type(what).__name__
        _report("refused", {"event": event, "detail": detail, "phase": phase, "file": file, "line": line})
        raise _refused(f"{event}({detail}) is not allowed while {phase}")

    return audit


def raise_missing_events() -> None:
    """Replace functions that raise no audit event, in some version of the interpreter, by ones that raise it.

    But for ``time.sleep`` and the creation of a built-in module, the new ones do nothing else.
    """
    import _imp
    import _thread
    import threading
    import time

    def refusing(event: str) -> Callable[..., NoReturn]:
        def refused(*_: object, _audit: Any = sys.audit, _event: str = event, **__: object) -> NoReturn:
            _audit(_event)
            raise Refused(_event)

        return refused

    starters = [getattr(_thread, name) for name in dir(_thread) if name.startswith("start_")]
    for module in (_thread, threading):
        for name, value in list(vars(module).items()):
            if value in starters:
                setattr(module, name, refusing("_thread.start_new_thread"))

    def sleep(seconds: float, _audit: Any = sys.audit, _sleep: Any = time.sleep) -> None:
        _audit("time.sleep", seconds)
        _sleep(seconds)

    def create_builtin(spec: ModuleSpec, _audit: Any = sys.audit, _create: Any = _imp.create_builtin) -> Any:
        _audit("import", spec.name, None, None, None, None)
        return _create(spec)

    _imp.create_builtin = create_builtin
    for name, functions in _WITHOUT_EVENT.items():
        for holder in (import_module(name), sys.modules.get("posix"), sys.modules.get("_signal")):
            for function in functions:
                if hasattr(holder, function):
                    setattr(holder, function, refusing(f"{name}.{function}"))
    time.sleep = sleep  # type: ignore[assignment]  # its call shape and two bound values
    if sys.platform != "win32":
        import _posixsubprocess

        _posixsubprocess.fork_exec = refusing("_posixsubprocess.fork_exec")
        if "subprocess" in sys.modules:
            sys.modules["subprocess"]._fork_exec = _posixsubprocess.fork_exec  # type: ignore[attr-defined]  # private


class WatchedPlugin:
    """Takes the place of a loaded plugin in the survey, so that its ``register`` is seen to begin and to end.

    Args:
        plugin: The plugin.
        index: The index of its entry point.
        report: Where its contributions go.
    """

    def __init__(self, plugin: PipelexPlugin, index: int, report: Report) -> None:
        self.name, self.targets_api = plugin.name, plugin.targets_api
        self._plugin, self._index, self._report = plugin, index, report

    def register(self, registrar: PluginRegistrar) -> object:
        """Register the plugin, report what it contributed, and return what its own ``register`` returns."""
        from pipelex.plugins.host_state import HostState

        self._report("entry", {"index": self._index})
        state = HostState()
        try:
            with state:
                returned = call_register(self._plugin, registrar)
        finally:
            report_replaced(state.replaced, "registering", self._report)
        rows = [
            ["backend", str(f.name), sdk, *_origin(make)] for (f, sdk), make in registrar.inference_backends.items()
        ]
        rows += [["lister", "", sdk, *_origin(lister)] for sdk, lister in registrar.model_listers.items()]
        rows += [["command", "", name, *_origin(run)] for name, (_, run) in registrar.commands.items()]
        self._report("registered", {"contributions": rows})
        return returned


def call_register(plugin: Any, registrar: PluginRegistrar) -> object:
    """Call ``register``: while this frame is on the stack, the longer list of refused events counts."""
    return plugin.register(registrar)


def report_replaced(names: Sequence[str], phase: str, report: Report) -> None:
    """Report the builtins that a plugin replaced, which no audit event shows.

    Args:
        names: The builtins.
        phase: Whether it was loaded or registered.
        report: Where they go.
    """
    for name in names:
        report("refused", {"event": f"builtins.{name}", "detail": "replaced", "phase": phase, "file": "", "line": 0})


def load(index: int, entry: list[str], report: Report, owner: Owner) -> InstalledPlugin | None:
    """Import a module and find the plugin that it names, as boot does.

    Args:
        index: The index of the entry point.
        entry: Its module, its attribute and its name.
        report: Where a failure goes.
        owner: What finds out whose code a file holds.
    """
    from pipelex.plugins.admission import plugin_from
    from pipelex.plugins.host_state import HostState
    from pipelex.plugins.installed import EntryPoint, InstalledPlugin

    module, attribute, name = entry
    report("entry", {"index": index})
    step, state = "import", HostState()
    try:
        with state:
            import_module(module)
            step = "entry point"
            watched = WatchedPlugin(plugin_from(EntryPoint(module, attribute).load(), name), index, report)
    except BaseException as exc:  # whatever third-party code raises is a fault of the plugin
        report("failed", {"step": step, **_failure(exc, owner)})
        return None
    finally:
        report_replaced(state.replaced, "loading", report)
    api: object = watched.targets_api
    is_int = type(api) is int
    report("plugin", {"name": str(watched.name), "targets_api": api if is_int else repr(api), "is_int": is_int})
    holder = f"sandbox_entry_{index}"
    sys.modules[holder] = watched  # type: ignore[assignment]  # where the survey's entry point leads
    return InstalledPlugin(name, "this distribution", "", EntryPoint(holder, ""))


def survey(order: dict[str, Any], report: Report, owner: Owner) -> None:
    """Load all entry points, and let boot's own survey take them in beside the built-ins, twice.

    Args:
        order: What the parent process asks for.
        report: Where failures go.
        owner: What finds out whose code a file holds.
    """
    from pipelex.config.plugins_config import PluginsConfig
    from pipelex.generated.builtins import BUILTIN_PLUGINS
    from pipelex.plugins.discovery import survey_plugins

    config = PluginsConfig()
    for name in [name for name in sys.modules if f"{name}.".startswith(OUT_OF_REACH)]:
        del sys.modules[name]
    checked = {attribute for module, attribute, _ in order["entries"] if module == "pipelex.generated.builtins"}
    builtins = [plugin for plugin in BUILTIN_PLUGINS if type(plugin).__qualname__ not in checked]
    loaded = [(index, load(index, entry, report, owner)) for index, entry in enumerate(order["entries"])]
    installed = {index: plugin for index, plugin in loaded if plugin is not None}
    for _ in range(2):
        result = survey_plugins(config, builtins=builtins, installed=list(installed.values()))
        for index, row in zip(installed, result.rows[len(builtins) :], strict=True):
            if row.error is not None:
                report("entry", {"index": index})
                report("failed", {"step": "register", **_failure(_cause(row), owner)})


def _cause(row: PluginRow) -> BaseException:
    """Return what a plugin's own code raised, or the named error that refused it."""
    assert row.error is not None
    cause = row.error.__cause__
    return row.error if cause is None else cause


def _failure(exc: BaseException, owner: Owner) -> dict[str, object]:
    """Describe an exception by its class, its message and the last place in the plugin's files that it passed."""
    from pipelex.plugins.raised import class_name, message_of

    file, line = "", 0
    trace: TracebackType | None = exc.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if owner(name) == "plugin":
            file, line = name, trace.tb_lineno
        trace = trace.tb_next
    return {
        "error": class_name(exc),
        "what": str(getattr(exc, "what", "")),
        "message": message_of(exc),
        "refused": isinstance(exc, Refused),
        "file": file,
        "line": line,
    }


def _origin(function: object) -> tuple[str, str, int]:
    """Return a callable's qualified name, and its file and first line where it is a plain function."""
    name = str(getattr(function, "__qualname__", type(function).__qualname__))
    if type(function) is FunctionType:
        return name, function.__code__.co_filename, function.__code__.co_firstlineno
    return name, "", 0


def main() -> NoReturn:
    """Read the order, take the standard streams away from the plugin, and run."""
    order = ast.literal_eval(sys.stdin.read())
    report = make_report(os.dup(1), order["nonce"])
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        run(order, report)
    except BaseException as exc:
        report("crash", {"reason": f"{type(exc).__name__}: {exc}"})
    os._exit(0)


def run(order: dict[str, Any], report: Report) -> None:
    """Put the watch up and load the plugins.

    Args:
        order: What the parent process asks for.
        report: Where what is seen goes.
    """
    owner = make_owner(order["host"])
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path = [*(entry for entry in sys.path if entry != here), *order["paths"]]
    finder: Any = make_finder(order, report, owner)
    sys.meta_path.insert(0, finder)
    for name in _PRELOADED:
        import_module(name)
    raise_missing_events()
    sys.addaudithook(make_audit(finder, report, owner))
    survey(order, report, owner)
    report("end", {})


if __name__ == "__main__":
    main()
