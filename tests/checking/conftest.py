"""One cache for all tests of the check, so that typeshed is read once a process and not once a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def shared_cache(cache: Path) -> Iterator[None]:
    """Name the folder to these tests alone: others look for their weights where the user has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELEX_CACHE_DIR", str(cache))
        yield
