"""ministack: another project's stand-in for AWS, with llama.cpp's server behind its Bedrock."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.counterparts import pin
from tests.providers.replay import Replay, raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.testing.loopback import HttpReply, HttpRequest
    from tests.providers.llama_server import LlamaServer

_LONGEST_START_S = 30.0


@pytest.fixture(scope="session")
def ministack(llama_server: LlamaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ministack on loopback, started once for all tests; its Bedrock asks a real model."""
    command = shutil.which("ministack", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.fail(f"ministack is not installed: make test installs {pin('ministack')}, and what it needs")
    with Replay() as proxy:
        proxy.on("*", lambda request: _forward(request, llama_server))
        with _started(command, proxy.url, tmp_path_factory.mktemp("ministack")) as url:
            yield url


@contextmanager
def _started(command: str, proxy_url: str, folder: Path) -> Iterator[str]:
    port = _free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "BIND_HOST": "127.0.0.1",  # its default is every interface
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "MINISTACK_BEDROCK_PROXY_URL": proxy_url,
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([command], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_there(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_there(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _LONGEST_START_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"ministack did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)  # it tells nobody when it is ready
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _forward(request: HttpRequest, server: LlamaServer) -> HttpReply:
    """Hand a request on with what ministack leaves out: the key, and all of InvokeModel's parameters."""
    body = json.dumps({"temperature": 0.0, "max_tokens": 60, **request.json()}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.api_key}"}
    with urllib.request.urlopen(
        urllib.request.Request(server.url + request.target, data=body, headers=headers), timeout=60
    ) as reply:
        return raw(reply.read(), content_type="application/json")
