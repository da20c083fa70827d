"""What the tests of all providers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.providers.llama_server import llama_server
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["llama_server", "replay"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the conformance kit run with what takes long: every driver has tests of its own, and rows of the matrix."""
    for item in items:
        if item.path.name.endswith("_kit.py"):
            item.add_marker(pytest.mark.heavy)


@pytest.fixture
def replay() -> Iterator[Replay]:
    """A scripted server on loopback, closed after the test."""
    with Replay() as server:
        yield server
