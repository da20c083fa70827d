"""Starts the sandbox's process and reads its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CHILD = Path(__file__).with_name("child.py")
TIME_LIMIT = 20.0
_HOST = Path(__file__).resolve().parents[2]
_INHERITED = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
"""The variables that an interpreter needs to start; no key of the user's is among them."""


class SandboxError(RuntimeError):
    """The sandbox itself failed, so that nothing is known about the plugin."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be loaded.

    Attributes:
        entries: The entry points: module, attribute, name.
        paths: The folders that the plugin's modules are imported from.
        own: The names of the plugin's own modules; what lies below a package is its own, too.
        absent: The names of modules that are not to be found, though they look like the plugin's own.
        blocks: Whether an import that is not allowed fails; it is reported in any case.
    """

    entries: tuple[tuple[str, str, str], ...]
    paths: tuple[str, ...]
    own: tuple[str, ...]
    absent: tuple[str, ...] = ()
    blocks: bool = True


@dataclass(frozen=True, kw_only=True)
class SandboxReport:
    """What the sandbox saw.

    Attributes:
        lines: Its report, one line for each thing seen, in order. Each has a ``kind`` and the index of its ``entry``:
            ``import`` (a package that is not the plugin's own), ``refused`` (an audit event), ``plugin`` (its name and
            ``targets_api``), ``registered`` (its contributions) and ``failed`` (at the ``step`` import, entry point or
            register).
        ended: How the process ended, where it did not reach its end.
        read: The files that were read beyond those of the standard library.
    """

    lines: tuple[dict[str, Any], ...] = field(default=())
    ended: str | None = None
    read: tuple[str, ...] = ()

    def of(self, kind: str, entry: int | None = None) -> list[dict[str, Any]]:
        """Return the lines of a kind, of one entry point or of all.

        Args:
            kind: The kind.
            entry: The entry point's index.
        """
        return [line for line in self.lines if line["kind"] == kind and entry in (None, line["entry"])]


def run_sandbox(order: Order) -> SandboxReport:
    """Load and register plugins in a process of their own.

    Args:
        order: What is to be loaded; without entry points no process is started.

    Raises:
        SandboxError: The process cannot be started, or fails by itself.
    """
    if not order.entries:
        return SandboxReport()
    import secrets
    import subprocess
    import sys
    import tempfile
    from dataclasses import asdict

    nonce = secrets.token_hex(16)
    folder, ended = tempfile.gettempdir(), None
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(CHILD)],
            input=ascii({**asdict(order), "host": str(_HOST), "nonce": nonce}).encode(),
            capture_output=True,
            timeout=TIME_LIMIT,
            env=_environment(),
            cwd=folder,
            check=False,
        )
        output, errors, code = done.stdout, done.stderr.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as exc:
        output, errors, code = exc.stdout or b"", "", 0
        ended = f"it was still running after {TIME_LIMIT:.0f} seconds"
    except OSError as exc:
        msg = f"the sandbox's process cannot be started ({exc})"
        raise SandboxError(msg) from exc
    lines = list(_lines(output, nonce))
    if ended is None and not any(line["kind"] == "end" for line in lines):
        crashes = [line["reason"] for line in lines if line["kind"] == "crash"] or errors.strip().splitlines()[-1:]
        if crashes:
            msg = f"the sandbox failed: {crashes[0]}"
            raise SandboxError(msg)
        ended = f"it ended the process (exit code {code})"
    return SandboxReport(lines=tuple(_seen(lines)), ended=ended, read=_files_read(lines, folder))


def _lines(output: bytes, nonce: str) -> Iterator[dict[str, Any]]:
    """Parse the report; a line without the nonce is not one of it."""
    import ast

    for text in output.decode("ascii", "replace").splitlines():
        try:
            line = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            continue
        if isinstance(line, dict) and line.pop("nonce", None) == nonce:
            yield line


def _seen(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give each line the index of its entry point; what was seen in both registrations is reported once."""
    entry, known = 0, set()
    for line in lines:
        if line["kind"] == "entry":
            entry = line["index"]
        elif line["kind"] not in ("read", "end"):
            line["entry"] = entry
            if line["kind"] == "registered" or repr(line) not in known:
                known.add(repr(line))
                yield line


def _files_read(lines: list[dict[str, Any]], folder: str) -> tuple[str, ...]:
    import os

    standard = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    paths = {os.path.abspath(os.path.join(folder, os.fsdecode(line["path"]))) for line in lines if "path" in line}
    return tuple(sorted(_source(path) for path in paths if not path.startswith(standard)))


def _source(path: str) -> str:
    """Return the file that a compiled one was made of; any other as it is."""
    import os

    folder, name = os.path.split(path)
    if os.path.basename(folder) != "__pycache__":
        return path
    return os.path.join(os.path.dirname(folder), f"{name.partition('.')[0]}.py")


def _environment() -> dict[str, str]:
    import os

    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
