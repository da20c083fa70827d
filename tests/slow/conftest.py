"""Servers that are large or slow to start; run only where this folder is named: ``pytest tests/slow``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.providers.llama_server import llama_server
from tests.slow.litellm_proxy import litellm_proxy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["litellm_proxy", "llama_server"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of a run that does not name their folder."""
    is_named = any("tests/slow" in str(arg) for arg in config.invocation_params.args)
    return None if is_named else True
