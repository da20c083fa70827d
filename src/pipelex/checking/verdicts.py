"""What was found before, returned again as long as all that it was found in is the same.

A verdict is stored under a digest of what was handed to the check and of the check itself, and holds as long as the
files that the plugin read while it was loaded are what they were. So none outlives the source, the metadata, the
stubs, the rules, mypy or Python.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelex.checking.cache import digest, digest_of, read_verdict, write_verdict
from pipelex.checking.findings import Finding
from pipelex.checking.spi_tree import SPI_FOLDER
from pipelex.checking.type_check import mypy_version
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.reading.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelex.checking.spi_tree import SpiTree
    from pipelex.checking.targets import Target


def key_of(target: Target, spi: SpiTree, *, loads: bool = True) -> str:
    """Return a digest of all that is known of a target before it is looked into, and of what looks into it.

    Args:
        target: The target.
        spi: The API version that it is checked against.
        loads: Whether its plugins are loaded.
    """
    tools = (
        sys.version,
        sys.platform,
        mypy_version(),
        str(PLUGIN_API_VERSION),
        str(spi.api_version),
        spi.digest,
        str(loads),
    )
    facts = (target.label, target.root, target.paths, target.entry_points, _stated(target), target.builtin)
    modules = sorted({**target.modules, **target.context}.items())
    texts = (text for name, module in modules for text in (name, str(module.path), module.text))
    return digest((*tools, _own_digest(), repr(facts), *texts))


def _stated(target: Target) -> object:
    """Return the metadata as values: what a build ships is a function, and is asked about each module."""
    metadata = target.metadata
    if metadata is None or metadata.wheel is None:
        return metadata._replace(document=None) if metadata is not None else None
    paths = (module.path for module in target.modules.values())
    shipped = [metadata.wheel.path_of(path.relative_to(target.root).as_posix()) for path in paths]
    return metadata._replace(document=None, wheel=None), metadata.wheel.key, shipped


def recall(key: str) -> tuple[Finding, ...] | None:
    """Return what was found, if it still holds.

    Args:
        key: What it was stored under.
    """
    try:
        stored = read_verdict(key)
        return tuple(map(_finding, stored["findings"])) if stored is not None else None
    except (KeyError, TypeError):  # damaged, and JSON all the same
        return None


def keep(key: str, target: Target, findings: Iterable[Finding], read: Iterable[str]) -> None:
    """Store what was found, unless a module was changed while it was looked into.

    Args:
        key: What to store it under.
        target: What it was found in.
        findings: What was found.
        read: The files that the plugin read while it was loaded.
    """
    if all(module.is_unchanged() for module in target.modules.values()):
        write_verdict(
            key, {"findings": [_row(finding) for finding in findings]}, read={path: digest_of(path) for path in read}
        )


def _row(finding: Finding) -> dict[str, Any]:
    return {**finding._asdict(), "place": {**finding.place._asdict(), "file": str(finding.place.file)}}


def _finding(row: dict[str, Any]) -> Finding:
    place = Place(**{**row["place"], "file": Path(row["place"]["file"])})
    return Finding(**{**row, "place": place, "covers": tuple(row["covers"])})


@cache
def _own_digest() -> str:
    """Return a digest of what judges: the rules, the sandbox, and what registers plugins there."""
    host = Path(__file__).parents[1]
    folders = [host / name for name in ("checking", "generated", "plugins", "reading", "sandbox")]
    files = (SPI_FOLDER / "spi.lock", *sorted(path for folder in folders for path in folder.rglob("*.py")))
    return digest(text for path in files for text in (path.name, digest_of(path)))
