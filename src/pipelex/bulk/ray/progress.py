"""The progress of a run whose rows are done elsewhere: it shows what the processes report before it is taken up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.bulk.ray.leases import Totals

if TYPE_CHECKING:
    from pipelex.bulk.ledger import Entry
    from pipelex.bulk.run import MapProgress

_NAMES = ("done", "failed", "cost_usd")


class ReportedProgress:
    """Adds to the progress what is reported beyond what is taken up. Either may come first.

    Args:
        progress: The progress of the run. What is taken up is counted there by the run itself.
    """

    def __init__(self, progress: MapProgress) -> None:
        self._progress = progress
        self._reported = Totals()
        self._ahead: dict[str, float] = dict.fromkeys(_NAMES, 0)  # below 0 where more is taken up than reported

    def report(self, totals: Totals) -> None:
        """Show what the rows of the run came to so far, as their processes report it."""
        self._progress.under_way = totals.under_way
        for name in _NAMES:
            self._add(name, getattr(totals, name) - getattr(self._reported, name))
        self._reported = totals

    def take_up(self, entry: Entry) -> None:
        """Take out a row that the run itself is about to count."""
        self._add("done", -1)
        self._add("failed", -(entry.state == "failed"))
        self._add("cost_usd", -(entry.cost_usd or 0.0))

    def end(self) -> None:
        """Take out what was reported and not taken up: rows that were run again count once."""
        for name, ahead in self._ahead.items():
            self._add(name, -max(0, ahead))

    def _add(self, name: str, amount: float) -> None:
        before = self._ahead[name]
        after = self._ahead[name] = before + amount
        shown = max(0, after) - max(0, before)
        setattr(self._progress, name, getattr(self._progress, name) + shown)
