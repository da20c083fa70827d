"""A reporting delegate that keeps what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.reporting.reporting_protocol import InferenceRecord

__all__ = ["UsageLog"]


class UsageLog:
    """Keeps the records of all calls in order: ``Pipelex.setup(reporting_delegate=UsageLog())``."""

    def __init__(self) -> None:
        self.records: list[InferenceRecord] = []

    def report_inference(self, record: InferenceRecord) -> None:
        """Append the record; a list's append is atomic under threads."""
        self.records.append(record)
