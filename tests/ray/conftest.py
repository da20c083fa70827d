"""A Ray cluster of real processes on this machine, with a counting plugin that is installed on its nodes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from pipelex.boot import Pipelex
from tests.bulk.counting import CONFIGURATION, CountingPlugin

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
LATENCY_S = 0.05
SECRET = "canary-7f3b9d51c2e84a60"
KEYED = CONFIGURATION.replace("[backends.counting]\n", '[backends.counting]\napi_key = "${COUNTING_API_KEY}"\n')
PRICED = """\
[models.priced]
family = "llm"
backend = "counting"
model_id = "gpt-4o"
price_provider = "openai"
"""
PLUGIN = """\
import asyncio
import os
from pathlib import Path

from pipelex.cogt.exceptions import InferenceRateLimitError
from tests.bulk.counting import CountingPlugin

VERSION = {version!r}


class Plugin(CountingPlugin):
    async def answer(self, text):
        name, _, port = text.partition("@")
        if port:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            retry_after = await reader.readline()
            writer.close()
            if retry_after:
                raise InferenceRateLimitError("slow down", retry_after=float(retry_after))
        return await super().answer(text)


def make():
    return Plugin(Path(os.environ["COUNTED_CALLS"]), float(os.environ["COUNTING_LATENCY_S"]))
"""


def install_plugin(folder: Path, version: str) -> Path:
    """Install the plugin into a folder, as an installer would; returns the folder."""
    package, metadata = folder / "counting_plugin", folder / f"counting_plugin-{version}.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").write_text(PLUGIN.format(version=version), encoding="utf-8")
    head = f"Metadata-Version: 2.1\nName: counting-plugin\nVersion: {version}\n"
    (metadata / "METADATA").write_text(head, encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[pipelex.plugins]\ncounting = counting_plugin:make\n", encoding="utf-8")
    return folder


class Group:
    """A process, a node or a driver, with all that it starts."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self._out = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - it is closed by whoever waits
        self.process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=self._out, stderr=subprocess.STDOUT, start_new_session=True
        )

    def kill(self) -> None:
        """Kill it; a second time is without effect."""
        if self._out.closed:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._out.close()

    def end(self) -> None:
        """Terminate it, so that it leaves the cluster at once; a killed node is found missing after some 15 s."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        self.kill()

    def ended(self, timeout_s: float = 120) -> tuple[int, str]:
        """Wait for its end; returns its exit code and what it wrote."""
        try:
            code = self.process.wait(timeout_s)
            self._out.seek(0)
            return code, self._out.read()
        finally:
            self.kill()


class Cluster:
    """A cluster of processes on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # the paths of sockets are short
        self.plugin = CountingPlugin(folder / "calls.txt")
        self.site = install_plugin(folder / "site", "1.0")
        self.home = folder / "home"
        self.home.mkdir()
        (self.home / "pipelex.toml").write_text(KEYED, encoding="utf-8")
        (self.home / "models.toml").write_text(PRICED, encoding="utf-8")
        self._groups: list[Group] = []
        self._tests = 0

    @property
    def address(self) -> str:
        return (self.temporary / "ray_current_cluster").read_text(encoding="utf-8")

    def environment(self, site: Path | None = None, **changes: str | None) -> dict[str, str]:
        """Return the environment of a node or a driver, without the key."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "COUNTING_"))}
        own = {
            "PYTHONPATH": os.pathsep.join(map(str, (site or self.site, ROOT, ROOT / "src"))),
            "PIPELEX_HOME": str(self.home),
            "COUNTED_CALLS": str(self.plugin.calls),
            "COUNTING_LATENCY_S": str(LATENCY_S),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            **changes,
        }
        return {**kept, **{name: value for name, value in own.items() if value is not None}}

    def _start(self, command: list[str], environment: dict[str, str]) -> Group:
        self._groups.append(Group(command, environment, self.folder))
        return self._groups[-1]

    def _start_node(self, *options: str, cpus: int, environment: dict[str, str]) -> Group:
        command = [str(Path(sys.executable).parent / "ray"), "start", "--block", f"--num-cpus={cpus}", *options]
        return self._start([*command, "--object-store-memory=100000000"], environment)

    def start(self) -> None:
        """Start the first node. Its environment holds the key."""
        options = ("--head", "--port=0", "--include-dashboard=false", f"--temp-dir={self.temporary}")
        self._start_node(*options, cpus=2, environment=self.environment(COUNTING_API_KEY=SECRET))
        wait_for((self.temporary / "ray_current_cluster").exists)

    @contextmanager
    def node(self, cpus: int = 1, *, site: Path | None = None, key: str | None = SECRET) -> Iterator[Group]:
        """Add a node, and wait until the cluster knows of it; it is removed however the test ends."""
        import ray

        before = len([node for node in ray.nodes() if node["Alive"]])
        environment = self.environment(site, COUNTING_API_KEY=key)
        node = self._start_node(f"--address={self.address}", cpus=cpus, environment=environment)
        try:
            wait_for(lambda: len([node for node in ray.nodes() if node["Alive"]]) > before)
            yield node
        finally:
            node.end()
            wait_for(lambda: len([node for node in ray.nodes() if node["Alive"]]) == before)

    def driver(self, *arguments: str) -> Group:
        """Start a driver, which has no key."""
        command = [sys.executable, "-m", "tests.ray.driver", *arguments]
        return self._start(command, self.environment(RAY_ADDRESS=self.address))

    def workers(self) -> list[int]:
        """Return the processes that make calls."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                is_ours = str(self.plugin.calls).encode() in (process / "environ").read_bytes()
                if is_ours and (process / "cmdline").read_bytes().startswith(b"ray::ShardActor"):
                    found.append(int(process.name))
        return found

    def counted(self, prefix: str) -> Counter[str]:
        """Return how often each row of a test was called, as the server of the model counts it."""
        counted = self.plugin.counted()
        for text in [text for text in counted if not text.startswith(f"{prefix}-")]:
            del counted[text]
        return counted

    def close(self) -> None:
        for group in self._groups:
            group.kill()
        shutil.rmtree(self.temporary, ignore_errors=True)


class WindowServer:
    """Allows some requests a second, and answers others by the seconds until the next one begins, as a 429 does.

    Attributes:
        port: Where it listens.
        refused: How many requests were refused.
    """

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._window = self._left = 0
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._listening.getsockname()[1]
        self.refused = 0
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(OSError):
                    connection.sendall(self._answer())

    def _answer(self) -> bytes:
        now = time.monotonic()
        if int(now) != self._window:
            self._window, self._left = int(now), self._allowed
        self._left -= 1
        if self._left >= 0:
            return b""
        self.refused += 1
        return f"{1 - now % 1}\n".encode()

    def close(self) -> None:
        self._listening.close()


def wait_for(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, to which this process is connected as a driver without a key."""
    pytest.importorskip("ray", reason="its tests have an environment of their own: make test-ray")
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        try:
            made.start()
            ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
            yield made
        finally:
            ray.shutdown()
            made.close()


@pytest.fixture
def px(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipelex]:
    for name, value in cluster.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COUNTING_API_KEY", raising=False)
    monkeypatch.syspath_prepend(str(cluster.site))
    monkeypatch.chdir(tmp_path)
    with Pipelex.setup() as made:
        yield made
