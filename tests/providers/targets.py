"""Backends and models under test: one attempt for each call, and so much time that a busy machine decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, InferenceModelSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.model_backends.model_spec import Capability
    from pipelex.plugins.inference_backend_registry import InferenceFamily

ONCE = CallPolicy(max_attempts=1, timeout_s=20.0)
KIT_POLICY = CallPolicy(max_attempts=1, timeout_s=1.5, max_validation_retries=0)


def backend_at(endpoint: str | None, **extras: str | int | float | bool) -> InferenceBackend:
    """Return a backend that is called once."""
    return InferenceBackend(name="test", endpoint=endpoint, api_key="test-key", policy=ONCE, extras=extras)


def model_of(
    family: InferenceFamily,
    sdk: str,
    model_id: str,
    *capabilities: Capability,
    policy: CallPolicy = ONCE,
    extras: Mapping[str, str | int | float | bool] | None = None,
    endpoint: str | None = None,
) -> InferenceModelSpec:
    """Return a model of the backend that :func:`backend_at` makes."""
    return InferenceModelSpec(
        name=f"test/{model_id}",
        family=family,
        backend_name="test",
        sdk=sdk,
        model_id=model_id,
        capabilities=frozenset(capabilities),
        policy=policy,
        endpoint=endpoint,
        extras=extras or {},
    )
