"""What is done with every call stays short. Counted in calls of functions, for a clock is no judge."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pipelex.boot import Pipelex
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.worker_factories import LLMWorkerFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

MODEL = "openai/any"
CALLS_OF_A_LOOKUP = 2  # lookup itself, and the hash of the family, which is an enum's
CALLS_OF_THE_FACTORY = 28


@pytest.fixture
def px(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipelex]:
    """Bring a system up that reads no file of the user's."""
    monkeypatch.setenv("PIPELEX_HOME", os.devnull)
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    with Pipelex.setup(start=tmp_path) as running:
        yield running


def calls_in(action: Callable[[], object]) -> int:
    """Count the functions, Python's and others, that an action calls when it runs for the third time."""
    count = 0

    def counting(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    action()
    action()
    sys.setprofile(counting)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count - 2  # the action itself, and the last line's setprofile


def calls_beyond_the_closure(px: Pipelex, action: Callable[[], object]) -> int:
    """Count the calls that finding a worker takes beyond those of the plugin's own closure."""
    spec, backend = px.settings.resolve_model(MODEL, family=InferenceFamily.LLM), px.settings.resolve_backend("openai")
    make_worker = px.hub.inference_backends.lookup(family=InferenceFamily.LLM, sdk=spec.sdk)

    def by_hand() -> object:
        return make_worker(
            inference_model=spec, backend=backend, sdk_clients=px.hub.sdk_clients, reporting_delegate=None
        )

    return calls_in(action) - calls_in(by_hand)


def test_a_lookup_is_a_look_into_a_dictionary(px: Pipelex) -> None:
    registry = px.hub.inference_backends
    assert calls_in(lambda: registry.lookup(family=InferenceFamily.LLM, sdk="openai")) <= CALLS_OF_A_LOOKUP


@pytest.mark.parametrize("by_name", [True, False])
def test_a_worker_through_the_factory_is_little_more_than_the_closure(px: Pipelex, by_name: bool) -> None:
    model = MODEL if by_name else px.settings.resolve_model(MODEL, family=InferenceFamily.LLM)
    beyond = calls_beyond_the_closure(px, lambda: LLMWorkerFactory.make_llm_worker(model, hub=px.hub))
    assert beyond <= CALLS_OF_THE_FACTORY


def test_a_model_that_is_resolved_anew_each_time_is_found(px: Pipelex) -> None:
    def forgetting() -> object:
        px.hub.resolve.cache_clear()
        return px.llm(MODEL)

    assert calls_beyond_the_closure(px, forgetting) > CALLS_OF_THE_FACTORY


def test_a_backend_that_is_read_anew_each_time_is_found(px: Pipelex) -> None:
    def forgetting() -> object:
        px.settings._resolved.clear()
        return px.llm(MODEL)

    assert calls_beyond_the_closure(px, forgetting) > CALLS_OF_THE_FACTORY


def test_names_of_models_are_not_kept_for_ever(px: Pipelex) -> None:
    for number in range(2000):
        px.hub.resolve(f"openai/any-{number}", InferenceFamily.LLM)
    assert px.hub.resolve.cache_info().currsize <= 1024
