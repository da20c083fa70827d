"""The plugins that installed distributions announce, read from their metadata; no plugin is imported here.

Where the path holds plain folders alone, as nearly every path does, their ``entry_points.txt`` files are read as they
lie: at every boot, so that nothing is ever stale, and for less than importing ``importlib.metadata`` would cost.
Whatever else the path holds is that module's matter, and the answer is the same.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.metadata import Distribution

ENTRY_POINT_GROUP = "pipelex.plugins"

_FILE = "entry_points.txt"
_METADATA_FILES = ("METADATA", "PKG-INFO")
_ENDINGS = (".dist-info", ".egg-info")
_LEFTOVER = "~"  # what pip's AdjacentTempDirectory puts before the name of a folder that it could not remove
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
        """Read ``module:attribute``; ``None`` where it is nothing of the kind. Extras behind it are ignored."""
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
    announcing = _in_use(_asked() if listed is None else listed, _Info.announces_plugins)
    found = (plugin for info in announcing for plugin in _plugins_of(info))
    return sorted(found, key=lambda plugin: (canonical(plugin.name), *map(str, plugin[1:]), plugin.name))


def distributions_in_use() -> list[Distribution]:
    """Return the installed distributions: of each name the one that is imported, and no leftovers of pip's."""
    return [info.place for info in _in_use(_asked()) if not isinstance(info.place, str)]


class _Info(NamedTuple):
    """The metadata of a distribution.

    Attributes:
        name: The name of its folder, which begins with the distribution's.
        text: Its ``entry_points.txt``; empty where there is none, ``None`` where it is not UTF-8 text.
        place: The folder's path, or what a finder returned.
    """

    name: str
    text: str | None
    place: str | Distribution

    def announces_plugins(self) -> bool:
        """Return whether it may announce plugins; what cannot be read is not left out silently."""
        return self.text is None or ENTRY_POINT_GROUP in self.text

    def is_whole(self) -> bool:
        """Return whether it has metadata: what an interrupted installation leaves may have none."""
        files = (*_METADATA_FILES, "")  # an egg-info may itself be the file
        if isinstance(self.place, str):
            return any(_read(f"{self.place}/{file}".rstrip("/")) != "" for file in files)
        return any(_text_of(self.place, file) != "" for file in files)

    def identity(self) -> tuple[str, str]:
        """Return the distribution's name and version: as stated, or else as in the folder's name."""
        if isinstance(self.place, str):
            for file in _METADATA_FILES:
                if head := _USUAL_HEAD.match(_read(f"{self.place}/{file}") or ""):
                    return head[1], head[2]
            from importlib.metadata import Distribution

            return _stated_identity(Distribution.at(self.place), self.name)
        return _stated_identity(self.place, self.name)


def _in_use(infos: Sequence[_Info], is_wanted: Callable[[_Info], bool] = lambda _info: True) -> Iterator[_Info]:
    """Yield the wanted ones, without those that are shadowed by another of the same name.

    The first on the path counts, as it does for ``import`` and for importlib.metadata, whatever it announces. One
    without metadata of its own counts only where there is no other.
    """
    wanted = [index for index, info in enumerate(infos) if is_wanted(info)]
    if not wanted:
        return
    # a "/" is in no folder's name, so all are spelt at once
    keys = canonical("/".join([_name_and_version(info.name)[0] for info in infos])).split("/")
    for index in wanted:
        rivals = [number for number, key in enumerate(keys) if key == keys[index]]
        if len(rivals) == 1 or index == _first(rivals, infos, infos[index].identity()[0]):
            yield infos[index]


def _first(rivals: Sequence[int], infos: Sequence[_Info], name: str) -> int:
    """Return which of the metadata folders of like names is that of a distribution; a hyphen may belong to its name."""
    same = [number for number in rivals if canonical(infos[number].identity()[0]) == canonical(name)]
    return next((number for number in same if infos[number].is_whole()), same[0])


def _name_and_version(folder: str) -> tuple[str, str]:
    """Split the name of a metadata folder: ``acme-1.0.dist-info``, ``acme-1.0-py3.11.egg-info``, ``acme.egg-info``."""
    name, _, rest = folder.rpartition(".")[0].partition("-")
    return name, rest.partition("-")[0]


def _listed() -> list[_Info] | None:
    """Read the metadata folders on the path; ``None`` where there is more on it than listing folders can find."""
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        return None
    infos: list[_Info] = []
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
                if name.lower().endswith(_ENDINGS) and not name.startswith(_LEFTOVER):
                    path = f"{name}/{_FILE}" if place is not None else f"{folder}/{name}/{_FILE}"
                    there = os.access(path, os.F_OK, dir_fd=place)  # an exception costs twice as much
                    infos.append(_Info(name, _read(path, place) if there else "", f"{folder}/{name}"))
        finally:
            if place is not None:
                os.close(place)
    return infos


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


def _asked() -> list[_Info]:
    """Ask importlib.metadata, and through it whatever finder is installed, for the distributions."""
    from importlib.metadata import distributions

    found = ((dist, _folder_name(dist)) for dist in distributions())
    return [_Info(name, _text_of(dist), dist) for dist, name in found if not name.startswith(_LEFTOVER)]


def _folder_name(dist: Distribution) -> str:
    """Return the name of a distribution's metadata folder, or of its egg, or what it would be where there is none."""
    path = getattr(dist, "_path", None)
    if path is None:
        return f"{'-'.join(_stated_identity(dist)).replace('/', '_')}.dist-info"
    folder, name = os.path.split(os.path.normpath(str(path)))
    return name if name.lower() != "egg-info" else os.path.basename(folder)


def _text_of(dist: Distribution, file: str = _FILE) -> str | None:
    try:
        return dist.read_text(file) or ""
    except UnicodeDecodeError:
        return None


def _stated_identity(dist: Distribution, folder: str = "") -> tuple[str, str]:
    """Return a distribution's name and version; a broken one still has something to be called by."""
    name, version = _name_and_version(folder)
    with suppress(Exception):  # third-party metadata can fail in any way
        name, version = str(dist.metadata["Name"] or name), str(dist.metadata["Version"] or version)
    return name or "(a distribution without a name)", version or "(unknown)"


def _plugins_of(info: _Info) -> Iterator[InstalledPlugin]:
    name, version = info.identity()
    if info.text is None:
        yield InstalledPlugin(name, name, version, None, f"{_FILE} cannot be read: it is not UTF-8 text")
        return
    try:
        rows = _rows_of_our_group(info.text)
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
