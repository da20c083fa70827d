"""The plugins that installed distributions announce, read from their metadata; no plugin is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution, EntryPoint

ENTRY_POINT_GROUP = "pipelex.plugins"


class InstalledPlugin(NamedTuple):
    """One entry of the entry-point group.

    Attributes:
        name: The entry point's name.
        distribution: The distribution that announces it.
        version: That distribution's version.
        entry_point: What to load; ``None`` where the metadata cannot be read.
        fault: What is wrong with the metadata; ``None`` where nothing is.
    """

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint | None
    fault: str | None = None


def installed_plugins() -> list[InstalledPlugin]:
    """Return what the installed distributions announce, in an order that no path or hash seed changes."""
    from importlib.metadata import distributions

    found = [plugin for dist in distributions() for plugin in _plugins_of(dist)]
    unique = {(plugin.distribution, plugin.version, plugin.name): plugin for plugin in found}
    return sorted(unique.values(), key=lambda plugin: (canonical(plugin.name), plugin.distribution, plugin.version))


def canonical(name: str) -> str:
    """Spell a name in the one way that PEP 503 compares: ``Acme_AI`` and ``acme-ai`` are the same."""
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def _plugins_of(dist: Distribution) -> Iterator[InstalledPlugin]:
    try:
        text = dist.read_text("entry_points.txt") or ""
    except UnicodeDecodeError:  # nobody can tell whether it announces a plugin, so it is not left out without a word
        name, version = _identity(dist)
        yield InstalledPlugin(name, name, version, None, "entry_points.txt cannot be read: it is not UTF-8 text")
        return
    if ENTRY_POINT_GROUP not in text:
        return
    name, version = _identity(dist)
    if _is_shadowed(name, text):
        return
    import configparser

    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # configparser's documented way to keep case
    try:
        parser.read_string(text)
        rows = dict(parser[ENTRY_POINT_GROUP]) if ENTRY_POINT_GROUP in parser else {}
    except configparser.Error as exc:
        fault = f"entry_points.txt cannot be read: {str(exc).splitlines()[0]}"
        yield InstalledPlugin(name=name, distribution=name, version=version, entry_point=None, fault=fault)
        return
    for row_name, value in rows.items():
        yield _plugin(row_name, value, name, version)


def _plugin(row_name: str, value: str, distribution: str, version: str) -> InstalledPlugin:
    from importlib.metadata import EntryPoint

    entry_point = EntryPoint(name=row_name, value=value, group=ENTRY_POINT_GROUP)
    if EntryPoint.pattern.match(value) is None:
        fault = f"the entry point {row_name} = {value!r} is not of the form 'module:attribute'"
        return InstalledPlugin(row_name, distribution, version, None, fault)
    return InstalledPlugin(row_name, distribution, version, entry_point)


def _identity(dist: Distribution) -> tuple[str, str]:
    """Return a distribution's name and version; a broken one still has something to be called by."""
    try:
        return str(dist.metadata["Name"]), str(dist.version)
    except Exception:  # a stranger's metadata can fail in any way
        return "(a distribution without a name)", "(unknown)"


def _is_shadowed(name: str, text: str) -> bool:
    """Tell whether another installation of the same distribution stands earlier on the path."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(name).read_text("entry_points.txt") != text
    except (PackageNotFoundError, ValueError):
        return False
