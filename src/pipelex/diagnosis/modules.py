"""Where a module's file is, found without importing it or a package around it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


class Whereabouts(NamedTuple):
    """What is known of a module.

    Attributes:
        file: Its file, where it has one that was found.
        is_missing: Whether an import would fail, for sure: there is no such module.
    """

    file: Path | None = None
    is_missing: bool = False


def locate(module: str) -> Whereabouts:
    """Find the file of a module.

    ``importlib.util.find_spec`` would import the packages around a dotted name. Here the finders are asked for the
    top-level name alone, and the rest is a matter of paths.

    Args:
        module: The dotted name.
    """
    top, *rest = module.split(".")
    spec = _top_level_spec(top)
    if spec is None:
        return Whereabouts(is_missing=top not in sys.modules)
    if not rest:
        return Whereabouts(_file_of(spec))
    if spec.submodule_search_locations is None:  # a plain module holds no others
        return Whereabouts(is_missing=True)
    return _below([Path(location) for location in spec.submodule_search_locations], rest)


def _top_level_spec(name: str) -> ModuleSpec | None:
    """Ask the finders in turn; each is a stranger's, and one that fails knows nothing."""
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec: ModuleSpec | None = find_spec(name, None) if find_spec is not None else None
        except Exception:  # noqa: S112 - a finder that dies of a name finds nothing
            continue
        if spec is not None:
            return spec
    return None


def _file_of(spec: ModuleSpec) -> Path | None:
    return Path(spec.origin) if spec.has_location and spec.origin is not None else None


def _below(locations: list[Path], parts: list[str]) -> Whereabouts:
    from importlib.machinery import all_suffixes

    for location in locations:
        base = location.joinpath(*parts)
        candidates = (base / "__init__.py", *(base.with_name(f"{base.name}{suffix}") for suffix in all_suffixes()))
        found = next((path for path in candidates if path.is_file()), None)
        if found is not None:
            return Whereabouts(found)
        if base.is_dir():  # a namespace package
            return Whereabouts()
    is_on_disk = all(location.is_dir() for location in locations)  # inside an archive, nothing can be said
    return Whereabouts(is_missing=is_on_disk and bool(locations))
