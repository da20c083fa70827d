"""Loads a target's plugins in a process of their own and watches what they do: no SDK, no files, no sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelex.checking.cache import digest, digest_of, read_verdict, write_verdict
from pipelex.checking.findings import CheckError

if TYPE_CHECKING:
    from pipelex.checking.targets import Target

CHILD = Path(__file__).with_name("probe_child.py")
TIME_LIMIT = 20.0
_SOURCE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """What the probe saw.

    Attributes:
        lines: Its report, a line per thing seen.
        ended: How the process ended, where it did not get to the end.
        read: The files that it depends on, with their digests: all that was read beyond the standard library.
    """

    lines: tuple[dict[str, Any], ...] = field(default=())
    ended: str | None = None
    read: dict[str, str] = field(default_factory=dict)

    def of(self, kind: str, entry: int | None = None) -> list[dict[str, Any]]:
        """Return the lines of a kind, of one entry point or of all.

        Args:
            kind: The kind.
            entry: The entry point's index.
        """
        return [line for line in self.lines if line["kind"] == kind and entry in (None, line["entry"])]


def probe(target: Target) -> ProbeReport:
    """Load and register the plugins of a target, or tell what came of it when all that was read was the same.

    Args:
        target: The target; one without entry points is not run at all.

    Raises:
        CheckError: The process cannot be started.
    """
    import json
    import sys

    if not target.entry_points:
        return ProbeReport()
    order = {
        "pipelex": str(_SOURCE_ROOT),
        "paths": [str(path) for path in target.paths],
        "modules": list(target.modules) + list(target.context),
        "files": [str(module.path) for module in target.modules.values()],
        "entries": [(entry.module, entry.attribute) for entry in target.entry_points],
    }
    key = digest(("probe", sys.version, digest_of(CHILD), digest_of(__file__), json.dumps(order)))
    stored = read_verdict(key)
    if stored is not None:
        return ProbeReport(lines=tuple(stored["lines"]), read=stored["read"])
    report = _run(target, order)
    if report.ended is None:
        write_verdict(key, {"lines": report.lines}, read=report.read)
    return report


def _run(target: Target, order: dict[str, Any]) -> ProbeReport:
    import json
    import secrets
    import subprocess
    import sys
    import tempfile

    nonce = secrets.token_hex(16)
    ended = None
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(CHILD)],
            input=json.dumps({**order, "nonce": nonce}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIME_LIMIT,
            env=_environment(),
            cwd=tempfile.gettempdir(),
            check=False,
        )
        output, said, code = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as exc:
        output = _decoded(exc.stdout)
        said, code, ended = "", 0, f"it was still running after {TIME_LIMIT:.0f} seconds"
    except OSError as exc:
        reason = f"the probe's process cannot be started ({exc})"
        raise CheckError(target=target.label, reason=reason, fix="Run it again on a machine that has room") from exc
    lines = _lines(output, nonce)
    if ended is None and not any(line["kind"] == "end" for line in lines):
        if not lines and code == 1 and "Traceback" in said:
            reason = f"the probe failed: {said.strip().splitlines()[-1]}"
            raise CheckError(target=target.label, reason=reason, fix="Install pipelex again, or report this")
        ended = f"it ended the process (exit code {code})"
    read = {path: digest_of(path) for line in lines if line["kind"] == "read" for path in line["files"]}
    return ProbeReport(lines=tuple(line for line in lines if line["kind"] != "read"), ended=ended, read=read)


def _decoded(output: str | bytes | None) -> str:
    """Return what a process wrote that was stopped: undecoded on some systems, whatever was asked for."""
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _lines(output: str, nonce: str) -> tuple[dict[str, Any], ...]:
    """Read the report; what does not bear the nonce is none of it."""
    import json

    found = []
    for text in output.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.pop("nonce", None) == nonce:
            found.append(line)
    return tuple(found)


def _environment() -> dict[str, str]:
    """Hand on nothing but what an interpreter needs to start: no key of the user's is in there."""
    import os

    return {
        name: os.environ[name]
        for name in ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
        if name in os.environ
    }
