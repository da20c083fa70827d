"""A reporting delegate that keeps what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceRecord
    from pipelex.reporting.usage_report import UsageReport

__all__ = ["UsageLog"]


class UsageLog:
    """Keeps the records of all calls in order, and adds them up when asked.

    Example:
        >>> log = UsageLog()
        >>> with Pipelex.setup(reporting_delegate=log) as px:
        ...     text = px.llm("smollm2").gen_text_sync("Why is the sky blue?")
        >>> log.report().overall.usage.output_tokens
        40
    """

    def __init__(self) -> None:
        self.records: list[InferenceRecord] = []

    def report_inference(self, record: InferenceRecord) -> None:
        """Append the record; a list's append is atomic under threads."""
        self.records.append(record)

    def report(self) -> UsageReport:
        """Return what the calls so far used and cost, per model and overall.

        Costs come from the price lists of genai-prices, which load with the first call that has one.
        """
        from pipelex.reporting.usage_report import UsageReport

        return UsageReport.of(tuple(self.records))
