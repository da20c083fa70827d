"""A lock of an object that does not stay locked in a forked child."""

from __future__ import annotations

import os
from _thread import allocate_lock  # threading.Lock by its other name: that module loads what no plugin needs to boot
from _weakref import ref


class ForkSafeLock:
    """A lock that is free again in a forked child, whichever thread of the parent held it when the child was made."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        _locks.add(ref(self, _locks.discard))

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        if self._lock.locked():  # else the fork was made inside the block
            self._lock.release()

    def renew(self) -> None:
        """Free the lock in a child process."""
        self._lock = allocate_lock()


_locks: set[ref[ForkSafeLock]] = set()


def _renew_all() -> None:
    for known in list(_locks):
        lock = known()
        if lock is not None:
            lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
