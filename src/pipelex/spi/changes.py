"""What changed from one version of the plugin API to the next: read as data, when somebody asks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

CHANGE_LOG = Path(__file__).with_name("changes.toml")


class ApiChange(NamedTuple):
    """One change of the contract, as ``spi.toml`` declares it.

    Attributes:
        version: The API version that brought it.
        revision: The revision of that version.
        kind: What kind of change it is (``"parameter-renamed"``).
        symbol: What changed, under its old name: ``module:name`` or ``module:Class.member``.
        old: What it was, as far as the kind has it: a name, a parameter, a type.
        new: What it is now.
        says: The change in one line.
        why: Why it changed.
        migration: The code that plugins need in its place, where ``old`` and ``new`` do not say it.
        todo: What an author has to do by hand.
    """

    version: int
    revision: int
    kind: str
    symbol: str
    old: str
    new: str
    says: str
    why: str
    migration: str
    todo: str


@cache
def read_changes(path: Path = CHANGE_LOG) -> tuple[ApiChange, ...]:
    """Read the packaged change log, the oldest change first; a version that is not frozen yet has none.

    Args:
        path: The log.
    """
    import tomli

    try:
        data = tomli.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(
        ApiChange(
            version=int(row["number"]),
            revision=int(row["revision"]),
            kind=str(change["kind"]),
            symbol=str(change["symbol"]),
            old=str(change.get("from", "")),
            new=str(change.get("to", "")),
            says=str(change["says"]),
            why=str(change["why"]),
            migration=str(change.get("migration", "")),
            todo=str(change.get("todo", "")),
        )
        for row in data.get("version", [])
        for change in row.get("change", [])
    )


def changes_between(old: int, new: int) -> tuple[ApiChange, ...]:
    """Return what a plugin of one version meets on the way to a later one, revisions included.

    Args:
        old: The version that it was written against.
        new: The version that it is to fit.
    """
    return tuple(change for change in read_changes() if old < change.version <= new)


def former_entry_point_groups() -> tuple[str, ...]:
    """Return the entry-point groups of older versions: a plugin that was not upgraded yet is in one of them."""
    return tuple(change.old for change in read_changes() if change.kind == "entry-point-group-changed")


def summary(old: int, new: int, *, most: int = 3) -> str:
    """Say in a sentence what changed between two versions; nothing where the log has nothing, or cannot be read.

    Args:
        old: The version that a plugin was written against.
        new: The version that is supported.
        most: How many changes are named.
    """
    try:
        changes = changes_between(old, new)
    except (OSError, ValueError, KeyError, TypeError):  # it explains an error: it must not become one
        return ""
    if not changes:
        return ""
    named = "; ".join(change.says.replace("`", "'") for change in changes[:most])
    rest = f"; and {len(changes) - most} more" if len(changes) > most else ""
    return f"Since version {old}: {named}{rest} (docs/api-versions/v{new}.md)."
