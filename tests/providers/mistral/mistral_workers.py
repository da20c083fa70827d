"""Workers of the plugin as its tests call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability, InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.mistral.client import make_client
from pipelex.providers.mistral.extract import MistralExtractWorker
from pipelex.providers.mistral.llm import MistralLLMWorker
from tests.providers.mistral import wire
from tests.providers.running import keep

if TYPE_CHECKING:
    from pipelex.reporting.usage_log import UsageLog

KEY = "mistral-canary-3b9ac2"
ONCE = CallPolicy(max_attempts=1, timeout_s=20.0, max_validation_retries=1)


def spec(family: InferenceFamily, model_id: str) -> InferenceModelSpec:
    return InferenceModelSpec(
        name="small",
        family=family,
        backend_name="mistral-eu",
        sdk="mistral",
        model_id=model_id,
        capabilities=frozenset(Capability),
        policy=ONCE,
    )


def backend(endpoint: str) -> InferenceBackend:
    return InferenceBackend(name="mistral-eu", endpoint=endpoint, api_key=KEY, policy=ONCE)


def llm_worker(endpoint: str, log: UsageLog | None = None) -> MistralLLMWorker:
    return MistralLLMWorker(
        sdk_instance=keep(make_client(sdk="mistral", backend=backend(endpoint))),
        inference_model=spec(InferenceFamily.LLM, wire.MODEL_ID),
        reporting_delegate=log,
    )


def extract_worker(endpoint: str, log: UsageLog | None = None) -> MistralExtractWorker:
    return MistralExtractWorker(
        sdk_instance=keep(make_client(sdk="mistral", backend=backend(endpoint))),
        inference_model=spec(InferenceFamily.EXTRACT, wire.OCR_MODEL_ID),
        reporting_delegate=log,
    )
