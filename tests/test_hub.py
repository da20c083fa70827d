"""The registries of a running system are found without being handed on, as the factories find them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipelex.boot import Pipelex
from pipelex.exceptions import NotSetUpError
from pipelex.hub import get_inference_backend_registry
from pipelex.plugins.inference_backend_registry import InferenceFamily

if TYPE_CHECKING:
    from pathlib import Path


def test_the_registry_of_the_current_system_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELEX_HOME", os.devnull)
    with Pipelex.setup(start=tmp_path):
        registry = get_inference_backend_registry()
        assert (InferenceFamily.LLM, "openai") in registry
    with pytest.raises(NotSetUpError):
        get_inference_backend_registry()
