"""What many calls used and cost: per model, and overall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipelex.reporting.reporting_protocol import InferenceRecord

__all__ = ["UsageReport", "UsageTotals"]


@dataclass(frozen=True, kw_only=True)
class UsageTotals:
    """What some calls come to.

    Attributes:
        calls: How many there were.
        errors: How many of them ended in an error.
        duration_s: How long they took, one after the other, in seconds.
        usage: What they used; a count that no call knows is ``None``.
        cost_usd: What those with a known cost come to in US dollars; ``None`` where there is none.
        unpriced_calls: How many have no known cost.
    """

    calls: int
    errors: int
    duration_s: float
    usage: InferenceUsage
    cost_usd: float | None
    unpriced_calls: int

    @classmethod
    def of(cls, records: Sequence[InferenceRecord]) -> UsageTotals:
        """Add up calls, whose costs are worked out already."""
        usage = InferenceUsage()
        for record in records:
            usage = usage.plus(record.usage)
        costs = [record.cost_usd for record in records if record.cost_usd is not None]
        return cls(
            calls=len(records),
            errors=sum(record.error is not None for record in records),
            duration_s=sum(record.duration_s for record in records),
            usage=usage,
            cost_usd=sum(costs) if costs else None,
            unpriced_calls=len(records) - len(costs),
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
    def of(cls, records: Iterable[InferenceRecord]) -> UsageReport:
        """Work out the costs of calls and add them up; genai-prices loads here, where there is a price to look up."""
        from dataclasses import replace

        from pipelex.reporting.prices import cost_of

        priced = [replace(record, cost_usd=cost_of(record)) for record in records]
        by_model: dict[str, list[InferenceRecord]] = {}
        for record in priced:
            by_model.setdefault(record.model, []).append(record)
        return cls(
            models={model: UsageTotals.of(calls) for model, calls in by_model.items()}, overall=UsageTotals.of(priced)
        )
