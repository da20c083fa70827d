"""The file of an installed module, and its source, found without importing it or a package around it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

    from pipelex.reading.source import SourceModule


class ModuleLocation(NamedTuple):
    """Where a module is, as far as the finders know.

    Attributes:
        file: Its file, where it has one that was found.
        is_missing: Whether an import would fail, for sure: there is no such module.
    """

    file: Path | None = None
    is_missing: bool = False


class InstalledModules(Mapping[str, "SourceModule"]):
    """The installed modules of one top-level package, each read when it is first asked for.

    Iterating over it yields the modules that were read so far.

    Args:
        top: The package, or the single module.
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self._read: dict[str, SourceModule] = {}

    def __getitem__(self, name: str) -> SourceModule:
        """Return a module.

        Args:
            name: Its dotted name.

        Raises:
            KeyError: It belongs to another package, or no source file of it is found.
            UnreadableError: Its file cannot be read.
        """
        if name not in self._read:
            from pipelex.reading.source import read_module

            file = locate(name).file if name.partition(".")[0] == self._top else None
            if file is None or file.suffix != ".py":
                raise KeyError(name)
            self._read[name] = read_module(name, file)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._read))

    def __len__(self) -> int:
        return len(self._read)


def locate(module: str) -> ModuleLocation:
    """Find the file of a module.

    ``importlib.util.find_spec`` would import the packages around a dotted name. Here the finders are asked for the
    top-level name alone, and the rest is a matter of paths.

    Args:
        module: The dotted name.
    """
    top, *rest = module.split(".")
    spec = _top_level_spec(top)
    if spec is None:
        return ModuleLocation(is_missing=top not in sys.modules)
    if not rest:
        return ModuleLocation(_file_of(spec))
    if spec.submodule_search_locations is None:  # a plain module holds no others
        return ModuleLocation(is_missing=True)
    return _below([Path(location) for location in spec.submodule_search_locations], rest)


def _top_level_spec(name: str) -> ModuleSpec | None:
    """Ask the finders in turn; a third-party finder that raises finds nothing."""
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec: ModuleSpec | None = find_spec(name, None) if find_spec is not None else None
        except Exception:  # noqa: S112 - such a finder finds nothing
            continue
        if spec is not None:
            return spec
    return None


def _file_of(spec: ModuleSpec) -> Path | None:
    return Path(spec.origin) if spec.has_location and spec.origin is not None else None


def _below(locations: list[Path], parts: list[str]) -> ModuleLocation:
    from importlib.machinery import all_suffixes

    for location in locations:
        base = location.joinpath(*parts)
        candidates = (base / "__init__.py", *(base.with_name(f"{base.name}{suffix}") for suffix in all_suffixes()))
        found = next((path for path in candidates if path.is_file()), None)
        if found is not None:
            return ModuleLocation(found)
        if base.is_dir():  # a namespace package
            return ModuleLocation()
    is_on_disk = all(location.is_dir() for location in locations)  # inside an archive, nothing is known
    return ModuleLocation(is_missing=is_on_disk and bool(locations))
