"""What the tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.inference import attempts

if TYPE_CHECKING:
    from tenacity import RetryCallState


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses that are decided on between attempts, and take none of them."""
    decided: list[float] = []
    pause = attempts._pause

    def take_note(state: RetryCallState) -> float:
        decided.append(pause(state))
        return 0.0

    monkeypatch.setattr(attempts, "_pause", take_note)
    return decided
