"""What a process forked from this one has to make anew: threads are not inherited, and locks may be held for ever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["renew_after_fork"]


def renew_after_fork(renew: Callable[[], None]) -> None:
    """Call a function in every child process that ``os.fork`` makes of this one; without effect where there is no fork.

    A module that keeps a thread, a lock, an executor or an event loop calls this once, when it is imported.

    Args:
        renew: Replaces what is inherited. It must not close or destroy it: connections are shared with the parent.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)
