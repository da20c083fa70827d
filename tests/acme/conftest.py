from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acme.environment import API_KEY, EXAMPLE, Environment, build_environments

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the virtual environments once a session, whatever the number of pytest processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "acme-environments"
    with (folder.parent / "acme-environments.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            folder.mkdir()
            build_environments(folder)
            (folder / "complete").touch()
    return folder


@pytest.fixture(scope="session")
def acme_url() -> Iterator[str]:
    """Start the Acme server and return its address."""
    command = [sys.executable, "-m", "acme.server", "--port", "0"]
    with subprocess.Popen(command, cwd=EXAMPLE / "sdk" / "src", stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().removeprefix("acme listening on ").strip()
        server.terminate()


def _environment(environments: Path, name: str, home: Path, acme_url: str) -> Environment:
    variables = {"ACME_BASE_URL": acme_url, "ACME_API_KEY": API_KEY}
    return Environment(folder=environments / name, home=home, variables=variables)


@pytest.fixture(scope="session")
def full(environments: Path, tmp_path_factory: pytest.TempPathFactory, acme_url: str) -> Environment:
    """Everything installed: the host, the plugin, the SDK."""
    return _environment(environments, "full", tmp_path_factory.mktemp("home"), acme_url)


@pytest.fixture(scope="session")
def without_sdk(environments: Path, tmp_path_factory: pytest.TempPathFactory, acme_url: str) -> Environment:
    """The host and the plugin, and no SDK."""
    return _environment(environments, "without_sdk", tmp_path_factory.mktemp("home"), acme_url)
