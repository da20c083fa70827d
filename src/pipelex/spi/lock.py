"""The lock: families, extras and built-in plugins, read as data so that no plugin is imported for it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

LOCK = Path(__file__).with_name("spi.lock")


class LockedBuiltin(NamedTuple):
    """A built-in plugin.

    Attributes:
        name: Its name.
        core_unconditional: Whether the system refuses to run without it.
        backends: Its backends, each as ``family/sdk``.
        listers: The sdks that it lists.
        commands: The commands that it contributes.
        imports: What it needs to import.
        requirements: The requirements on the distributions of those imports.
        extra: The extra that brings them; ``None`` where they are base dependencies.
    """

    name: str
    core_unconditional: bool
    backends: tuple[str, ...]
    listers: tuple[str, ...]
    commands: tuple[str, ...]
    imports: tuple[str, ...]
    requirements: tuple[str, ...]
    extra: str | None


class SpiLock(NamedTuple):
    """The part of the lock that is asked for at run time.

    Attributes:
        api_version: The version of the plugin API.
        revision: Its additive revision.
        entry_point_group: Where installed plugins declare themselves.
        families: The value and the worker (``module:Class``) of each member of ``InferenceFamily``.
        extras: The host's own extras, those that no built-in needs.
        builtins: The built-in plugins.
    """

    api_version: int
    revision: int
    entry_point_group: str
    families: dict[str, tuple[str, str]]
    extras: tuple[str, ...]
    builtins: tuple[LockedBuiltin, ...]


@cache
def read_spi_lock() -> SpiLock:
    """Read the packaged lock."""
    import tomli

    data = tomli.loads(LOCK.read_text(encoding="utf-8"))
    return SpiLock(
        api_version=int(data["api_version"]),
        revision=int(data["revision"]),
        entry_point_group=str(data["entry_point_group"]),
        families={name: (row.partition(" ")[0], row.partition(" ")[2]) for name, row in data["families"].items()},
        extras=tuple(data["extras"]),
        builtins=tuple(
            LockedBuiltin(
                name=str(row["name"]),
                core_unconditional=bool(row["core_unconditional"]),
                backends=tuple(row["backends"]),
                listers=tuple(row["listers"]),
                commands=tuple(row["commands"]),
                imports=tuple(row["imports"]),
                requirements=tuple(row["requirements"]),
                extra=row.get("extra"),
            )
            for row in data.get("builtin", [])
        ),
    )
