"""What belongs to the host, and is as it was before when third-party code has been loaded and registered."""

from __future__ import annotations

import builtins
import os
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

from pipelex.terminal import RedirectedStdout, reopened

if TYPE_CHECKING:
    from types import TracebackType

_STREAMS = ("stdin", "stdout", "stderr")


class HostState:
    """Keeps the state of the host while third-party code runs in its process.

    Standard output belongs to whoever reads our answers, so what that code prints goes to standard error, and standard
    input is empty for it. The standard streams, the working directory and the builtins are restored, and so is what was
    removed from ``sys.path`` and ``sys.meta_path``, and how its finders find modules.

    Attributes:
        replaced: The builtins that had been replaced, once the block has ended.
    """

    replaced: tuple[str, ...] = ()

    def __enter__(self) -> HostState:
        self._streams = {name: getattr(sys, name) for name in _STREAMS}
        self._folder = _working_directory()
        self._builtins = dict(vars(builtins))
        self._searched = {name: (getattr(sys, name), list(getattr(sys, name))) for name in ("path", "meta_path")}
        self._finders: list[tuple[Any, object]] = [(finder, _find_spec_of(finder)) for finder in sys.meta_path]
        self._redirected = RedirectedStdout().__enter__()
        sys.stdin = StringIO()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = builtins.__dict__.copy()
        builtins.__dict__.update(self._builtins)  # first, and without any: the rest is code that calls them
        self.replaced = tuple(name for name, value in self._builtins.items() if found.get(name) is not value)
        self._redirected.__exit__()
        for name, stream in self._streams.items():
            setattr(sys, name, reopened(stream))
        for name, (searched, entries) in self._searched.items():
            now = getattr(sys, name)
            if not isinstance(now, list) or any(entry not in now for entry in entries):
                searched[:] = entries
                setattr(sys, name, searched)
        for finder, find_spec in self._finders:
            if _find_spec_of(finder) is find_spec:
                continue
            if find_spec is None:
                del finder.find_spec
            else:
                finder.find_spec = find_spec
        if self._folder is not None and self._folder != _working_directory():
            os.chdir(self._folder)


def _find_spec_of(finder: object) -> object:
    """Return what a finder itself holds as ``find_spec``; ``None`` where it has it from its class."""
    return getattr(finder, "__dict__", {}).get("find_spec")


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None
