"""What a run would send, use and cost, without a call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipelex.cogt.inference.token_estimate import estimated_tokens
from pipelex.reporting.prices import cost_of
from pipelex.reporting.reporting_protocol import InferenceRecord, InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec

__all__ = ["MapEstimate"]

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class MapEstimate:
    """What a run would send, use and cost. ``None`` is unknown.

    Attributes:
        rows: How many rows there are.
        prompts: The first prompts as they would be sent.
        input_tokens: About how many tokens are read: characters / 4.
        most_output_tokens: How many tokens are written at most, where the job limits them.
        input_cost_usd: What the tokens that are read cost, in US dollars.
        most_cost_usd: What all of it costs at most.
    """

    rows: int
    prompts: tuple[str, ...]
    input_tokens: int
    most_output_tokens: int | None
    input_cost_usd: float | None
    most_cost_usd: float | None

    def to_dict(self) -> dict[str, object]:
        """Return the estimate as plain data, ready for JSON."""
        return dict(vars(self))

    def lines(self) -> list[str]:
        """Return the estimate as lines of text."""
        most = self.most_output_tokens
        written = f"at most {most:,} out" if most is not None else "out unknown (limit it with --max-tokens)"
        spent = f"${self.input_cost_usd:.6f}" if self.input_cost_usd is not None else "unknown"
        total = f"at most ${self.most_cost_usd:.6f}" if self.most_cost_usd is not None else "unknown"
        return [
            *(f"--- row {number}\n{prompt}" for number, prompt in enumerate(self.prompts, start=1)),
            "---",
            f"{self.rows:,} rows. About {self.input_tokens:,} tokens in, {written}.",
            f"cost of the input: {spent}; in all: {total}",
        ]


def estimate(jobs: Iterable[LLMJob], spec: InferenceModelSpec) -> MapEstimate:
    """Estimate what some jobs use and cost. Images and documents do not count.

    Args:
        jobs: The jobs.
        spec: The model.
    """
    rows, input_tokens, output_tokens = 0, 0, 0
    prompts: list[str] = []
    is_limited = True
    bare = replace(spec, max_output_tokens=None)
    for job in jobs:
        rows += 1
        longest = job.params.max_tokens
        input_tokens += estimated_tokens(job, bare) - (longest or 0)
        output_tokens += longest or 0
        is_limited = is_limited and longest is not None
        if len(prompts) < _SHOWN:
            system = f"[{job.prompt.system_text}]\n" if job.prompt.system_text else ""
            prompts.append(f"{system}{job.prompt.user_text}")
    most = output_tokens if is_limited else None
    return MapEstimate(
        rows=rows,
        prompts=tuple(prompts),
        input_tokens=input_tokens,
        most_output_tokens=most,
        input_cost_usd=_cost(spec, input_tokens, 0),
        most_cost_usd=_cost(spec, input_tokens, most) if most is not None else None,
    )


def _cost(spec: InferenceModelSpec, input_tokens: int, output_tokens: int) -> float | None:
    record = InferenceRecord(
        operation="gen_text",
        family=spec.family,
        backend_name=spec.backend_name,
        sdk=spec.sdk,
        model=spec.name,
        model_id=spec.model_id,
        duration_s=0.0,
        usage=InferenceUsage(input_tokens=input_tokens, output_tokens=output_tokens),
        price_provider=spec.price_provider,
    )
    return cost_of(record)
