"""Where this installation came from, as its installer noted it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "pipelex"


class Origin(NamedTuple):
    """What was installed.

    Attributes:
        url: The address; of a file or folder on this machine, its ``file:`` address; of a repository, with its commit.
        path: The file or folder, where it is one.
        is_editable: Whether the folder's own modules are in use, rather than a copy.
    """

    url: str
    path: Path | None
    is_editable: bool


def installed_version() -> str | None:
    """Return the version of this installation; ``None`` where it runs from a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def installed_origin(distribution_name: str = DISTRIBUTION) -> Origin | None:
    """Return what a distribution was installed from; ``None`` where its installer did not note it.

    Args:
        distribution_name: The distribution; this one if not given.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return origin_of(distribution(distribution_name))
    except (PackageNotFoundError, ValueError):
        return None


def origin_of(distribution: Distribution) -> Origin | None:
    """Return what a distribution was installed from; ``None`` where its installer did not note it.

    Args:
        distribution: The distribution.
    """
    import json
    from urllib.parse import unquote, urlsplit

    try:
        record = json.loads(distribution.read_text("direct_url.json") or "null")
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("url"), str):
        return None
    url = str(record["url"])
    vcs = record.get("vcs_info")
    if isinstance(vcs, dict):
        commit = vcs.get("commit_id")
        return Origin(f"{vcs.get('vcs', 'git')}+{url}{f'@{commit}' if commit else ''}", None, is_editable=False)
    folder = record.get("dir_info")
    is_editable = isinstance(folder, dict) and folder.get("editable") is True
    path = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else None
    return Origin(url, path, is_editable)
