"""A reporting delegate that adds up what calls use, and keeps the last of their records."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pipelex.fork_safe_lock import ForkSafeLock

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceRecord
    from pipelex.reporting.usage_report import RunningTotals, UsageReport

__all__ = ["UsageLog"]

_RECORDS_KEPT = 1_000
_MOST_UNCOUNTED = 1_000


class UsageLog:
    """Adds up what all calls used and cost, and keeps the last records.

    Memory and the time of a report do not grow with the number of calls.

    Args:
        keep: How many of the last records to keep; ``None`` keeps all of them.

    Example:
        >>> log = UsageLog()
        >>> with Pipelex.setup(reporting_delegate=log) as px:
        ...     text = px.llm("smollm2").gen_text_sync("Why is the sky blue?")
        >>> log.report().overall.usage.output_tokens
        40
    """

    def __init__(self, *, keep: int | None = _RECORDS_KEPT) -> None:
        self._records: deque[InferenceRecord] = deque(maxlen=keep)
        self._uncounted: deque[InferenceRecord] = deque()
        self._totals: dict[str, RunningTotals] = {}
        self._lock = ForkSafeLock()

    @property
    def records(self) -> list[InferenceRecord]:
        """The last records, in the order in which their calls ended."""
        return list(self._records)

    def report_inference(self, record: InferenceRecord) -> None:
        """Take note of a call. Its cost is worked out by the next report, or when 1,000 further calls have ended."""
        self._records.append(record)
        self._uncounted.append(record)
        if len(self._uncounted) > _MOST_UNCOUNTED:
            self._count_one()

    def report(self) -> UsageReport:
        """Return what the calls so far used and cost, per model and overall.

        Costs come from the price lists of genai-prices, which load with the first call that has one.
        """
        from pipelex.reporting.usage_report import UsageReport

        while self._count_one():
            continue
        with self._lock:
            return UsageReport.of(self._totals)

    def _count_one(self) -> bool:
        """Add the oldest record that is not counted yet to the totals; false where all are."""
        from pipelex.reporting.usage_report import RunningTotals

        with self._lock:
            if not self._uncounted:
                return False
            record = self._uncounted.popleft()
            self._totals.setdefault(record.model, RunningTotals()).add(record)
            return True
