"""What the tests of the pages share."""

from __future__ import annotations

import pytest

from pipelex.providers.local.install import install
from pipelex.providers.local.weights import SMOLLM2


@pytest.fixture(scope="session")
def _weights() -> None:
    """The weights of the local model, as ``pipelex local install`` fetches them."""
    install(SMOLLM2)
