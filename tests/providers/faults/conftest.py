"""What the tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.inference import attempts, gate

if TYPE_CHECKING:
    from pipelex.cogt.exceptions import InferenceError


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses that are decided on between attempts, and take none of them."""
    decided: list[float] = []
    pause_s = gate.pause_s

    def take_note(error: InferenceError, failures: int) -> float:
        decided.append(pause_s(error, failures))
        return 0.0

    for module in (attempts, gate):
        monkeypatch.setattr(module, "pause_s", take_note)
    return decided
