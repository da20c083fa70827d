"""Portkey's open gateway (https://github.com/Portkey-AI/gateway)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.node import NodePackage, free_port, installed, running

if TYPE_CHECKING:
    from collections.abc import Iterator

# later ones do not fit this release
PACKAGE = NodePackage.pinned("portkey_gateway", overrides={"@hono/node-server": "1.13.8", "hono": "4.9.12"})


@pytest.fixture(scope="session")
def portkey_gateway() -> Iterator[str]:
    """The gateway on a free port; its address, without a slash at the end."""
    port = free_port()
    script = installed(PACKAGE) / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    with running([str(script), "--headless", f"--port={port}"], port=port):
        yield f"http://127.0.0.1:{port}"
