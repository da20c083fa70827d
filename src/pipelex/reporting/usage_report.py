"""What many calls used and cost: per model, and overall."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelex.reporting.reporting_protocol import CallOutcome, InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.reporting.reporting_protocol import InferenceRecord

__all__ = ["UsageReport", "UsageTotals"]


@dataclass(frozen=True, kw_only=True)
class UsageTotals:
    """What some calls come to.

    Attributes:
        calls: How many there were.
        errors: How many of them ended in an error.
        abandoned: How many of them were cancelled, or left before the end of their stream.
        duration_s: How long they took, one after the other, in seconds.
        usage: What they used; a count that no call knows is ``None``.
        cost_usd: What those with a known cost come to in US dollars; ``None`` where there is none.
        unpriced_calls: How many have no known cost.
    """

    calls: int
    errors: int
    abandoned: int
    duration_s: float
    usage: InferenceUsage
    cost_usd: float | None
    unpriced_calls: int


@dataclass(kw_only=True)
class RunningTotals:
    """Totals that calls are added to, one by one."""

    calls: int = 0
    errors: int = 0
    abandoned: int = 0
    duration_s: float = 0.0
    usage: InferenceUsage = field(default_factory=InferenceUsage)
    cost_usd: float = 0.0
    priced_calls: int = 0

    def add(self, record: InferenceRecord) -> None:
        """Add a call; genai-prices loads here, with the first call that has a price to look up."""
        from pipelex.reporting.prices import cost_of

        cost = cost_of(record)
        self.calls += 1
        self.errors += record.outcome is CallOutcome.ERROR
        self.abandoned += record.outcome is CallOutcome.ABANDONED
        self.duration_s += record.duration_s
        self.usage = self.usage.plus(record.usage)
        self.cost_usd += cost or 0.0
        self.priced_calls += cost is not None

    def plus(self, other: RunningTotals) -> RunningTotals:
        """Return these totals and others, added up."""
        return RunningTotals(
            calls=self.calls + other.calls,
            errors=self.errors + other.errors,
            abandoned=self.abandoned + other.abandoned,
            duration_s=self.duration_s + other.duration_s,
            usage=self.usage.plus(other.usage),
            cost_usd=self.cost_usd + other.cost_usd,
            priced_calls=self.priced_calls + other.priced_calls,
        )

    def totals(self) -> UsageTotals:
        """Return the totals as they are now."""
        return UsageTotals(
            calls=self.calls,
            errors=self.errors,
            abandoned=self.abandoned,
            duration_s=self.duration_s,
            usage=self.usage,
            cost_usd=self.cost_usd if self.priced_calls else None,
            unpriced_calls=self.calls - self.priced_calls,
        )


@dataclass(frozen=True, kw_only=True)
class UsageReport:
    """The totals of the calls of a log.

    Attributes:
        models: Per model, by the name that it was asked for with, in the order of their first calls.
        overall: Of all calls.
    """

    models: Mapping[str, UsageTotals]
    overall: UsageTotals

    @classmethod
    def of(cls, totals: Mapping[str, RunningTotals]) -> UsageReport:
        """Make the report of the totals per model."""
        overall = RunningTotals()
        for of_model in totals.values():
            overall = overall.plus(of_model)
        return cls(models={model: of_model.totals() for model, of_model in totals.items()}, overall=overall.totals())
