"""Records as workers report them."""

from __future__ import annotations

from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import CallOutcome, InferenceRecord, InferenceUsage


def record(
    model_served: str | None = "gpt-4-0613",
    usage: InferenceUsage | None = None,
    *,
    model: str = "mine",
    model_id: str | None = None,
    price_provider: str | None = "openai",
    cost_usd: float | None = None,
    error: str | None = None,
    outcome: CallOutcome | None = None,
) -> InferenceRecord:
    return InferenceRecord(
        operation="gen_text",
        family=InferenceFamily.LLM,
        backend_name="acme",
        sdk="acme",
        model=model,
        duration_s=0.5,
        outcome=outcome or (CallOutcome.ERROR if error is not None else CallOutcome.OK),
        model_id=model_id,
        model_served=model_served,
        usage=usage,
        price_provider=price_provider,
        cost_usd=cost_usd,
        error=error,
    )


def tokens(read: int | None, written: int | None, *, cached: int | None = None) -> InferenceUsage:
    return InferenceUsage(input_tokens=read, output_tokens=written, cached_input_tokens=cached)
