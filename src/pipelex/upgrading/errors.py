"""What keeps an upgrade from being done at all."""

from __future__ import annotations

from pipelex.exceptions import PipelexError


class UpgradeError(PipelexError):
    """A plugin cannot be upgraded; nothing of it was written.

    Args:
        target: What was to be upgraded, as it was named.
        reason: What stands in the way.
        fix: What to do about it.
    """

    def __init__(self, *, target: str, reason: str, fix: str) -> None:
        self.target = target
        self.reason = reason
        self.fix = fix
        super().__init__(f"{target}: {reason}. {fix}")
