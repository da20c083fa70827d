"""One cache for all tests of the check, so that typeshed is read once a process and not once a test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    saved = os.environ.get("PIPELEX_CACHE_DIR")
    os.environ["PIPELEX_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if saved is None:
        del os.environ["PIPELEX_CACHE_DIR"]
    else:
        os.environ["PIPELEX_CACHE_DIR"] = saved
