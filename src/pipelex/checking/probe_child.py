"""Runs inside the probe's process: loads a plugin, registers it twice, and reports each thing that it may not do.

This file is run by path in a bare interpreter (``-I -S -B``) and imports nothing of the package that it lies in but
what a plugin is handed. Each line of the report is written when the thing happens, on a pipe that the plugin
does not know: swallowing an exception, printing, or ending the process takes nothing back.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.machinery import PathFinder
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType

REFUSED_WHILE_LOADING = (
    "ctypes.dlopen", "ftplib.", "http.client.", "imaplib.", "os.chmod", "os.chown", "os.exec", "os.fork", "os.link",
    "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.spawn", "os.startfile",
    "os.symlink", "os.system", "os.truncate", "os.unsetenv", "poplib.", "pty.spawn", "shutil.", "smtplib.", "socket.",
    "sqlite3.connect", "subprocess.Popen", "syslog.", "tempfile.", "urllib.Request", "webbrowser.open",
    "_thread.start_new_thread", "_winapi.",
)  # fmt: skip
REFUSED_WHILE_REGISTERING = (
    *REFUSED_WHILE_LOADING, "ctypes.", "fcntl.", "glob.", "mmap.", "msvcrt.", "open", "os.", "pathlib.", "resource.",
    "signal.", "sys.addaudithook", "sys.setprofile", "sys.settrace", "time.sleep", "winreg.",
)  # fmt: skip
_WRITING = set("wax+")
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_PRELOADED = (
    "pipelex.plugins.registrar",
    "pipelex.plugins.contribution_checks",
    "pipelex.plugins.exceptions",
    "inspect",
)


class Refused(Exception):
    """What the plugin gets in place of what it may not do."""


class Probe:
    """The state of one run.

    Args:
        order: What the parent asks for.
        pipe: Where the report goes.
    """

    def __init__(self, order: dict[str, Any], pipe: int) -> None:
        self.order = order
        self.pipe = pipe
        self.phase = ""
        self.entry = 0
        self.files = set(order["files"])
        self.read: set[str] = set()

    def report(self, kind: str, **facts: object) -> None:
        """Write one line of the report, at once."""
        line = {"nonce": self.order["nonce"], "kind": kind, "entry": self.entry, "phase": self.phase, **facts}
        os.write(self.pipe, (json.dumps(line) + "\n").encode())

    def where(self) -> dict[str, object]:
        """Return the innermost place in the plugin's own files that is running now."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename in self.files:
                return {"file": frame.f_code.co_filename, "line": frame.f_lineno}
            frame = frame.f_back
        return {"file": "", "line": 0}

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        """Refuse what the phase does not allow; the interpreter calls this before it does anything of note."""
        if event == "open" and isinstance(arguments[0], str | bytes):
            self.read.add(_source(os.path.abspath(os.fsdecode(arguments[0]))))
        if not self.phase or not self._is_refused(event, arguments):
            return
        phase, self.phase = self.phase, ""  # what reporting does is our own doing
        try:
            facts = self.where()
            detail = _detail(arguments)
            self.phase = phase
            self.report("refused", event=event, detail=detail, **facts)
        finally:
            self.phase = phase
        raise Refused(f"{event}({detail}) is not allowed while {phase}")

    def _is_refused(self, event: str, arguments: tuple[object, ...]) -> bool:
        if self.phase == "registering":
            return event.startswith(REFUSED_WHILE_REGISTERING)
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            if isinstance(mode, str):
                return bool(_WRITING & set(mode))
            return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return event.startswith(REFUSED_WHILE_LOADING)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002 - the call shape of finders
    ) -> ModuleSpec | None:
        """Let through the standard library, pipelex and the plugin's own modules; anything else is not installed."""
        top = name.partition(".")[0]
        if top == "pipelex":
            return PathFinder.find_spec(name, path if path is not None else [self.order["pipelex"]])
        own = any(f"{module}.".startswith(f"{name}.") for module in self.order["modules"])
        if own or name in self.order["modules"] or top in sys.stdlib_module_names or top.startswith("_sysconfigdata"):
            return None
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and "importlib" in str(frame.f_globals.get("__name__", "")):
            frame = frame.f_back
        if frame is not None and frame.f_code.co_filename in self.files:  # the standard library has imports of its own
            self.report("import", name=name, file=frame.f_code.co_filename, line=frame.f_lineno)
        raise ModuleNotFoundError(f"No module named {name!r} (the probe blocks it)", name=name)

    def run(self) -> None:
        """Load and register each entry point."""
        for index, (module, attribute) in enumerate(self.order["entries"]):
            self.entry = index
            self.phase = "loading"
            try:
                plugin = self.load(module, attribute)
                if plugin is not None:
                    self.register(plugin)
                    self.register(plugin)
            except BaseException as exc:  # SystemExit and KeyboardInterrupt are a plugin's failures like any other
                self.failed("failed", exc)
            self.phase = ""

    def load(self, module: str, attribute: str) -> Any:
        """Import the module, find the attribute, call a factory; report what the plugin says of itself."""
        import importlib

        found: Any = importlib.import_module(module)
        try:
            for part in filter(None, attribute.split(".")):
                found = getattr(found, part)
            is_factory = isinstance(found, type) or (callable(found) and not hasattr(found, "register"))
            plugin = found() if is_factory else found
            targets_api, name = getattr(plugin, "targets_api"), getattr(plugin, "name")  # noqa: B009 - a stranger's object
            if not callable(plugin.register):
                raise TypeError("its 'register' is not callable")
        except Exception as exc:
            self.failed("no-plugin", exc)
            return None
        is_int = type(targets_api) is int
        self.report("plugin", name=str(name), targets_api=targets_api if is_int else repr(targets_api), is_int=is_int)
        return plugin

    def register(self, plugin: Any) -> None:
        """Run ``register`` on a fresh registrar and report what it contributed."""
        from pipelex.plugins.registrar import PluginRegistrar

        registrar = PluginRegistrar(plugin_name=str(plugin.name))
        self.phase = "registering"
        plugin.register(registrar)
        self.phase = ""
        rows = [
            ["backend", str(f.name), sdk, *_origin(make)] for (f, sdk), make in registrar.inference_backends.items()
        ]
        rows += [["lister", "", sdk, *_origin(lister)] for sdk, lister in registrar.model_listers.items()]
        rows += [["command", "", name, *_origin(run)] for name, (_, run) in registrar.commands.items()]
        self.report("registered", contributions=rows)
        self.phase = "loading"

    def failed(self, kind: str, exc: BaseException) -> None:
        """Report an exception with the last place in the plugin's own files that it passed."""
        phase, self.phase = self.phase, ""
        place: dict[str, object] = {"file": "", "line": 0}
        trace = exc.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename in self.files:
                place = {"file": trace.tb_frame.f_code.co_filename, "line": trace.tb_lineno}
            trace = trace.tb_next
        text = _text(exc)
        self.phase = phase
        self.report(kind, error=type(exc).__name__, message=text, refused=isinstance(exc, Refused), **place)


def _text(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # a stranger's exception may fail at anything
        return "(an exception that cannot be shown)"


def _detail(arguments: tuple[object, ...]) -> str:
    """Show the first argument of an event; what it is called with may be long, and none of our business."""
    shown = arguments[0] if arguments else ""
    return repr(shown)[:80] if isinstance(shown, str | bytes | int) else type(shown).__name__


def _source(path: str) -> str:
    """Return the file that a compiled one was made of; any other as it is."""
    folder, name = os.path.split(path)
    if os.path.basename(folder) != "__pycache__":
        return path
    return os.path.join(os.path.dirname(folder), f"{name.partition('.')[0]}.py")


def _origin(function: object) -> tuple[str, str, int]:
    """Return a callable's qualified name, and its file and first line where it is a plain function."""
    name = str(getattr(function, "__qualname__", type(function).__qualname__))
    if type(function) is FunctionType:
        return name, function.__code__.co_filename, function.__code__.co_firstlineno
    return name, "", 0


def _watch_threads() -> None:
    """Give the start of a thread the event that some versions of the interpreter do not raise."""
    import _thread
    import threading

    start = _thread.start_new_thread

    def watched(*arguments: Any, **keywords: Any) -> int:
        sys.audit("_thread.start_new_thread", *arguments)
        return start(*arguments, **keywords)

    for module in (_thread, threading):
        for name, value in list(vars(module).items()):
            if value is start:
                setattr(module, name, watched)


def main() -> NoReturn:
    """Read the order, take the standard streams away from the plugin, and run."""
    order = json.loads(sys.stdin.read())
    pipe = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.path = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    sys.path += order["paths"]
    probe = Probe(order, pipe)
    sys.meta_path.insert(0, probe)
    import importlib

    sys.addaudithook(probe.audit)
    for name in _PRELOADED:
        importlib.import_module(name)
    _watch_threads()
    probe.run()
    probe.report("read", files=sorted(path for path in probe.read if not path.startswith(_STANDARD_LIBRARY)))
    probe.report("end")
    os._exit(0)


if __name__ == "__main__":
    main()
