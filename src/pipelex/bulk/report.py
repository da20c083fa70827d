"""The totals of a ledger's rows: counts, cost, latency, failures by kind."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelex.bulk.cells import counted
from pipelex.bulk.records import usage_from_json
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.bulk.ledger import Ledger

__all__ = ["MapReport"]


@dataclass(frozen=True, kw_only=True)
class MapReport:
    """What became of the rows of a ledger.

    Attributes:
        job: What the job consists of, as texts by name.
        rows: How many rows were sent.
        ok: How many have an answer.
        failed: How many failed.
        interrupted: How many have no known end: the next run makes their calls again, or reports them.
        under_way: How many are under way in a run that goes on at this moment.
        failures: How many failed in which way, by the class name of the error, most first.
        usage: What the calls used; a count that no call knows is ``None``.
        cost_usd: What those with a known cost come to, in US dollars; ``None`` where there is none.
        unpriced: How many rows with an outcome have no known cost.
        latency_s: How long half, 95 % and all of the calls took at most, in seconds.
    """

    job: Mapping[str, str]
    rows: int
    ok: int
    failed: int
    interrupted: int
    under_way: int
    failures: Mapping[str, int]
    usage: InferenceUsage
    cost_usd: float | None
    unpriced: int
    latency_s: Mapping[str, float]

    @classmethod
    def of(cls, ledger: Ledger) -> MapReport:
        """Add up the rows of a ledger."""
        states: Counter[str] = Counter()
        failures: Counter[str] = Counter()
        usage, durations, costs = InferenceUsage(), array("d"), array("d")
        for entry in ledger.entries():
            states[entry.state] += 1
            usage = usage.plus(usage_from_json(entry.usage))
            if entry.error is not None:
                failures[str(json.loads(entry.error)["error"])] += 1
            if entry.duration_s is not None:
                durations.append(entry.duration_s)
            if entry.cost_usd is not None:
                costs.append(entry.cost_usd)
        return cls(
            job=ledger.job(),
            rows=states.total(),
            ok=states["ok"],
            failed=states["failed"],
            interrupted=states["interrupted"] + (0 if ledger.is_in_use else states["sent"]),
            under_way=states["sent"] if ledger.is_in_use else 0,
            failures=dict(failures.most_common()),
            usage=usage,
            cost_usd=sum(costs) if costs else None,
            unpriced=states["ok"] + states["failed"] - len(costs),
            latency_s=_quantiles(durations),
        )

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain data, ready for JSON."""
        usage = {name: count for name, count in vars(self.usage).items() if count is not None}
        return {**vars(self), "usage": usage or None}

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        cost = "unknown" if self.cost_usd is None else f"${self.cost_usd:.6f}"
        if self.cost_usd is not None and self.unpriced:
            cost += f" without {counted(self.unpriced, 'row')}, whose cost is unknown"
        used = [f"{count:,} {name.replace('_', ' ')}" for name, count in vars(self.usage).items() if count is not None]
        under_way = f", {self.under_way:,} under way" if self.under_way else ""
        states = f"{self.ok:,} ok, {self.failed:,} failed, {self.interrupted:,} interrupted{under_way}"
        return [
            f"rows      {self.rows:,}: {states}",
            *(f"          {count:,} {name}" for name, count in self.failures.items()),
            f"cost      {cost}",
            f"usage     {', '.join(used) or 'unknown'}",
            "latency   " + (", ".join(f"{name} {value:.3g} s" for name, value in self.latency_s.items()) or "unknown"),
            *(f"{name:<9} {' '.join(value.split())[:100]}" for name, value in self.job.items()),
        ]


def _quantiles(durations: array[float]) -> dict[str, float]:
    ordered = sorted(durations)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {"median": ordered[last // 2], "p95": ordered[round(last * 0.95)], "max": ordered[last]}
