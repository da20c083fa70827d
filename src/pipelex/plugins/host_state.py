"""What belongs to the host, and is as it was before when third-party code has been loaded and registered."""

from __future__ import annotations

import builtins
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class HostState:
    """Keeps the state of the host while third-party code runs in its process.

    Standard output belongs to whoever reads our answers, so what that code prints goes to standard error, whether it
    prints with Python, with native code or with a process of its own. The working directory and the builtins are
    restored, and so is what was removed from ``sys.path`` and ``sys.meta_path``.

    Attributes:
        replaced: The builtins that had been replaced, once the block has ended.
    """

    replaced: tuple[str, ...] = ()

    def __enter__(self) -> HostState:
        self._stdout, self._folder = sys.stdout, _working_directory()
        self._builtins = dict(vars(builtins))
        self._searched = {name: (getattr(sys, name), list(getattr(sys, name))) for name in ("path", "meta_path")}
        self._descriptor = _redirected_stdout()
        sys.stdout = sys.stderr
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = builtins.__dict__.copy()
        builtins.__dict__.update(self._builtins)  # first, and without any: the rest is code that calls them
        self.replaced = tuple(name for name, value in self._builtins.items() if found.get(name) is not value)
        sys.stdout = self._stdout
        _flush_stdout()
        if self._descriptor is not None:
            with suppress(OSError):
                os.dup2(self._descriptor, 1)
                os.close(self._descriptor)
        for name, (searched, entries) in self._searched.items():
            now = getattr(sys, name)
            if not isinstance(now, list) or any(entry not in now for entry in entries):
                searched[:] = entries
                setattr(sys, name, searched)
        if self._folder is not None and self._folder != _working_directory():
            os.chdir(self._folder)


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def _redirected_stdout() -> int | None:
    """Let descriptor 1 lead where 2 does.

    Returns:
        A copy of descriptor 1 as it was; ``None`` where one of the two is closed.
    """
    _flush_stdout()
    try:
        kept = os.dup(1)
    except OSError:
        return None
    try:
        os.dup2(2, 1)
    except OSError:
        os.close(kept)
        return None
    return kept


def _flush_stdout() -> None:
    if sys.__stdout__ is not None:
        with suppress(OSError, ValueError):  # a closed pipe, a full disk; a file object that is closed
            sys.__stdout__.flush()
