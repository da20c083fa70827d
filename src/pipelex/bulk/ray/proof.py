"""What a process runs, as texts that can be compared: nodes of a cluster prove by them that they run the same."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.installation import installed_version
from pipelex.plugins.installed import installed_plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.plugins.installed import InstalledPlugin

_PACKAGE = Path(__file__).parents[2]
_SHOWN = 12  # digits of a digest
_MAY_DIFFER = ("endpoint", "extra_headers")  # each node takes them from its own environment
_MAY_BE_SECRET = ("extra_body", "extras")
_NOT_COMPARED = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}  # how it was installed, not what


def facts_of_installation() -> dict[str, str]:
    """Return what is installed: Python, the lock of the contract, this package, and each plugin, with digests."""
    lock = (_PACKAGE / "spi" / "spi.lock").read_bytes()
    return {
        "Python": "{}.{}".format(*sys.version_info),
        "spi.lock": sha256(lock).hexdigest()[:_SHOWN],
        "pipelex": f"{installed_version()}, sha256 {_digest(_below(_PACKAGE))}",
        **{f"plugin {plugin.name}": _described(plugin) for plugin in installed_plugins()},
    }


def facts_of_model(spec: InferenceModelSpec) -> dict[str, str]:
    """Return how a model is configured. What may hold a secret is compared by its digest, or not at all.

    Args:
        spec: The resolved model record.
    """
    return {
        f"model {spec.name}: {name}": _hidden(value) if name in _MAY_BE_SECRET else _plain(value)
        for name, value in vars(spec).items()
        if name not in _MAY_DIFFER
    }


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return what differs between two processes: the name of the thing, what it is here, and what it is there.

    Args:
        here: What this process runs.
        there: What the other one runs.
    """
    names = dict.fromkeys((*here, *there))
    pairs = {name: (here.get(name, "nothing"), there.get(name, "nothing")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _plain(value: object) -> str:
    return str(sorted(map(str, value))) if isinstance(value, frozenset) else str(value)


def _hidden(value: object) -> str:
    shown = sorted(map(str, value.items())) if hasattr(value, "items") else value
    return sha256(repr(shown).encode()).hexdigest()[:_SHOWN] if value else "nothing"


def _described(plugin: InstalledPlugin) -> str:
    """Return the distribution of a plugin, its version, and the digest of its files."""
    files = {**_recorded(plugin.distribution), **_imported(plugin)}
    return f"{plugin.distribution} {plugin.version}, sha256 {_digest(files)}"


def _recorded(distribution_name: str) -> dict[str, Path]:
    """Return the files that a distribution lists, by their names in it."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        files = distribution(distribution_name).files or ()
    except (PackageNotFoundError, ValueError):
        return {}
    return {
        file.as_posix(): Path(str(file.locate()))
        for file in files
        if ".." not in file.parts and _is_source(file.parts) and file.name not in _NOT_COMPARED
    }


def _imported(plugin: InstalledPlugin) -> dict[str, Path]:
    """Return the files of the package that is imported: an editable distribution lists none of them."""
    from importlib.util import find_spec

    if plugin.entry_point is None:
        return {}
    top = plugin.entry_point.module.partition(".")[0]
    try:
        found = find_spec(top)
    except (ImportError, ValueError):
        return {}
    if found is None:
        return {}
    if found.submodule_search_locations is None:
        return {Path(found.origin).name: Path(found.origin)} if found.origin else {}
    folders = map(Path, found.submodule_search_locations)
    return {f"{top}/{name}": path for folder in folders for name, path in _below(folder).items()}


def _below(folder: Path) -> dict[str, Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    names = ((path.relative_to(folder), path) for path in files)
    return {name.as_posix(): path for name, path in names if _is_source(name.parts)}


def _is_source(parts: Iterable[str]) -> bool:
    """Return whether a file is none that Python, or another tool in a hidden folder, keeps for itself."""
    return not any(part == "__pycache__" or part.endswith(".pyc") or part.startswith(".") for part in parts)


def _digest(files: Mapping[str, Path]) -> str:
    whole = sha256()
    for name, data in _contents(files):
        whole.update(f"{name}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()[:_SHOWN]


def _contents(files: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    for name in sorted(files):
        try:
            yield name, files[name].read_bytes()
        except OSError:  # it is listed, and not there: that is a difference, too
            yield name, b""
