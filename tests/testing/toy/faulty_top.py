"""A plugin whose module imports its SDK at the top."""

from __future__ import annotations

import tests.testing.toy.sdk  # noqa: F401 - the fault
from tests.testing.toy.plugin import ToyPlugin


class HeavyPlugin(ToyPlugin):
    """Otherwise as it should be."""
