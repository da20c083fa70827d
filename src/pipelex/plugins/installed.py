"""The plugins that installed distributions announce, read from their metadata; no plugin is imported here.

Where the path holds plain folders alone, as nearly every path does, their ``entry_points.txt`` files are read as they
lie: at every boot, so that nothing is ever stale, and for less than importing ``importlib.metadata`` would cost.
Whatever else the path holds is that module's matter, and the answer is the same.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache, partial
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import Distribution

ENTRY_POINT_GROUP = "pipelex.plugins"

_FILE = "entry_points.txt"
_CHUNK = 4096
_CAN_OPEN_BELOW = {os.open, os.access} <= os.supports_dir_fd  # from a folder that is open; Windows cannot
_REFERENCE = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\]\s*)?")
_USUAL_HEAD = re.compile(r"Metadata-Version: [!-~]+\nName: ([!-~]+)\nVersion: ([!-~]+)\n(?![ \t])")


class EntryPoint(NamedTuple):
    """Where a plugin is.

    Attributes:
        module: The module to import.
        attr: The dotted way to it in that module; empty where the module itself is meant.
    """

    module: str
    attr: str

    @classmethod
    def parse(cls, value: str) -> EntryPoint | None:
        """Read ``module:attribute``; ``None`` where it is nothing of the kind. Extras behind it tell nothing here."""
        match = _REFERENCE.fullmatch(value)
        return cls(match[1], match[2] or "") if match else None

    @property
    def value(self) -> str:
        """The entry point as it is written: ``module:attribute``."""
        return f"{self.module}:{self.attr}" if self.attr else self.module

    def load(self) -> Any:
        """Import the module and return what is meant; whatever that raises is the plugin's."""
        from importlib import import_module

        found: Any = import_module(self.module)
        for name in filter(None, self.attr.split(".")):
            found = getattr(found, name)
        return found


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
    listed = _listed()
    found = {plugin for announced in (_asked() if listed is None else listed) for plugin in _plugins_of(announced)}
    return sorted(found, key=lambda plugin: (canonical(plugin.name), *map(str, plugin[1:]), plugin.name))


class _Announced(NamedTuple):
    """An ``entry_points.txt`` that concerns us.

    Attributes:
        text: What it says; ``None`` where it is not UTF-8 text.
        identify: Finds the name and the version of its distribution.
        is_shadowed: Tells of a distribution's name whether another of that name stands earlier on the path.
    """

    text: str | None
    identify: Callable[[], tuple[str, str]]
    is_shadowed: Callable[[str], bool]


def _listed() -> list[_Announced] | None:
    """Read the metadata folders on the path; ``None`` where there is more on it than listing folders can find."""
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        return None
    announced: list[_Announced] = []
    read: list[tuple[str, str | None]] = []  # each folder's name and text, in the order of the path

    @cache
    def firsts() -> dict[str, str | None]:
        """Return what the first distribution of each name says; a "/" is in no name, so all are spelt at once."""
        names = "/".join([name.rpartition(".")[0].partition("-")[0] for name, _ in reversed(read)])
        return dict(zip(canonical(names).split("/"), [text for _, text in reversed(read)], strict=True))

    def is_shadowed(text: str | None, name: str) -> bool:
        return firsts().get(canonical(name), text) not in (text, None)

    for entry in sys.path:
        if type(entry) is not str or entry.lower().endswith(".egg"):
            return None
        folder = entry or "."
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, PermissionError):  # nearly every path names a zip file that is not there
            continue
        except (OSError, ValueError):  # a zip file that is there, or no path at all
            return None
        place = os.open(folder, os.O_RDONLY) if _CAN_OPEN_BELOW else None  # spares the way to it, for each file
        try:
            for name in names:
                if name.lower().endswith((".dist-info", ".egg-info")):
                    path = f"{name}/{_FILE}" if place is not None else f"{folder}/{name}/{_FILE}"
                    there = os.access(path, os.F_OK, dir_fd=place)  # an exception costs twice as much
                    text = _read(path, place) if there else ""
                    read.append((name, text))
                    if text is None or ENTRY_POINT_GROUP in text:
                        identify = partial(_identity_at, f"{folder}/{name}")
                        announced.append(_Announced(text, identify, partial(is_shadowed, text)))
        finally:
            if place is not None:
                os.close(place)
    return announced


def _read(path: str, place: int | None = None) -> str | None:
    """Return a file's text, an empty one where it cannot be read, ``None`` where it is not UTF-8.

    With the system's own calls: there may be hundreds of these files, and Python's files cost twice as much.
    """
    try:
        file = os.open(path, os.O_RDONLY, dir_fd=place)
    except OSError:
        return ""
    try:
        data = chunk = os.read(file, _CHUNK)
        while len(chunk) == _CHUNK:  # a file gives less only at its end
            chunk = os.read(file, _CHUNK)
            data += chunk
        text = data.decode()
    except OSError:  # a folder of that name
        return ""
    except UnicodeDecodeError:
        return None
    finally:
        os.close(file)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _identity_at(path: str) -> tuple[str, str]:
    """Return a distribution's name and version from a file that begins as every build tool writes it."""
    for file in ("METADATA", "PKG-INFO"):
        if head := _USUAL_HEAD.match(_read(f"{path}/{file}") or ""):
            return head[1], head[2]
    from importlib.metadata import Distribution

    return _identity_of(Distribution.at(path))


def _asked() -> Iterator[_Announced]:
    """Ask importlib.metadata, and through it whatever finder is installed, for the distributions."""
    from importlib.metadata import distributions

    for dist in distributions():
        try:
            text = dist.read_text(_FILE) or ""
        except UnicodeDecodeError:
            yield _Announced(None, partial(_identity_of, dist), lambda _name: False)
        else:
            if ENTRY_POINT_GROUP in text:
                yield _Announced(text, partial(_identity_of, dist), partial(_is_other_found, text))


def _is_other_found(text: str, name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(name).read_text(_FILE) != text
    except (PackageNotFoundError, ValueError):
        return False


def _identity_of(dist: Distribution) -> tuple[str, str]:
    """Return a distribution's name and version; a broken one still has something to be called by."""
    try:
        return str(dist.metadata["Name"]), str(dist.version)
    except Exception:  # third-party metadata can fail in any way
        return "(a distribution without a name)", "(unknown)"


def _plugins_of(announced: _Announced) -> Iterator[InstalledPlugin]:
    name, version = announced.identify()
    if announced.text is None:  # it may announce a plugin, so it is not left out silently
        yield InstalledPlugin(name, name, version, None, f"{_FILE} cannot be read: it is not UTF-8 text")
        return
    if announced.is_shadowed(name):
        return
    try:
        rows = _rows_of_our_group(announced.text)
    except ValueError as exc:
        yield InstalledPlugin(name, name, version, None, f"{_FILE} cannot be read: {exc}")
        return
    for row_name, value in rows.items():
        entry_point = EntryPoint.parse(value)
        fault = f"the entry point {row_name} = {value!r} is not of the form 'module:attribute'"
        yield InstalledPlugin(row_name, name, version, entry_point, None if entry_point else fault)


def _rows_of_our_group(text: str) -> dict[str, str]:
    """Return the entries of our group, as importlib.metadata reads them.

    Raises:
        ValueError: A line, of whichever group, is not of the format.
    """
    rows: dict[str, str] = {}
    group = None
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
            continue
        name, equals, value = line.partition("=")
        if group is None or not equals:
            msg = f"line {number} is neither a [group] nor an entry of one: {line!r}"
            raise ValueError(msg)
        if group == ENTRY_POINT_GROUP:
            rows[name.strip()] = value.strip()
    return rows
