"""What the tests of all providers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.providers.llama_server import llama_server
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["llama_server", "replay"]

IN_PROCESS = frozenset({"local", "pypdfium2"})


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the vendors' drivers out of a run that does not name their folder: ``make test-drivers`` does."""
    is_named = any("tests/providers" in str(arg) for arg in config.invocation_params.args)
    is_vendor = collection_path.is_dir() and collection_path.name not in IN_PROCESS
    return True if is_vendor and not is_named and collection_path.parent.name == "providers" else None


@pytest.fixture
def replay() -> Iterator[Replay]:
    """A scripted server on loopback, closed after the test."""
    with Replay() as server:
        yield server
