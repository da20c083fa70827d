"""What an upgrade says: the edits with the changes that asked for them, what is left, the diff."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.spi.source_lines import source_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelex.upgrading.errors import UpgradeError
    from pipelex.upgrading.upgrade import Upgrade


def shown(path: Path) -> str:
    """Show a path relative to where the command runs, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def diff(upgrade: Upgrade) -> str:
    """Return the unified diff of an upgrade.

    Args:
        upgrade: The upgrade.
    """
    parts: list[str] = []
    for path in upgrade.changed:
        lines = difflib.unified_diff(
            source_lines(upgrade.before[path]),
            source_lines(upgrade.after[path]),
            fromfile=shown(path),
            tofile=shown(path),
        )
        parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return "".join(parts)


def lines_of(upgrade: Upgrade, *, written: bool) -> Iterator[str]:
    """Tell of an upgrade in lines: every edit under the change that asked for it, then what is left.

    Args:
        upgrade: The upgrade.
        written: Whether the files were written.
    """
    label = upgrade.target.label
    if not upgrade.changed and not upgrade.left:
        yield f"{label}: nothing to do, it fits version {upgrade.new}"
        return
    if upgrade.changed:
        done = "upgraded" if written else "would be upgraded"
        yield f"{label}: {done} from version {upgrade.old} to {upgrade.new}, {_count(len(upgrade.changed), 'file')}"
    if upgrade.is_assumed and (upgrade.changed or upgrade.left):
        yield (
            f"  it states no version: {upgrade.old} is the oldest that it fits; pass --from N where it was written "
            "against a later one, or state the number in targets_api"
        )
    for change in dict.fromkeys(edit.change for edit in upgrade.edits):
        yield f"  {change.says} ({change.kind}; {change.why})"
        places = dict.fromkeys((edit.path, edit.line, edit.what) for edit in upgrade.edits if edit.change == change)
        for path, line, what in places:
            yield f"    {shown(path)}:{line}: {what}"
    if upgrade.left:
        yield f"  {_count(len(upgrade.left), 'thing')} for the author to decide, marked TODO(pipelex):"
        for item in upgrade.left:
            yield f"    {shown(item.path)}:{item.line}: {item.reason}"
    elif upgrade.changed:
        yield f"  proved: mypy was clean on version {upgrade.old} before and is on version {upgrade.new} after"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def as_data(upgrades: Sequence[Upgrade], failures: Sequence[UpgradeError], *, written: bool) -> dict[str, object]:
    """Return all of it for a program.

    Args:
        upgrades: What was worked out.
        failures: The plugins that could not be upgraded.
        written: Whether the files were written.
    """
    return {
        "upgrades": [
            {
                "target": item.target.label,
                "from": item.old,
                "from_assumed": item.is_assumed,
                "to": item.new,
                "written": written and bool(item.changed),
                "proved": bool(item.changed) and not item.left,
                "files": [str(path) for path in item.changed],
                "edits": [
                    {
                        "file": str(edit.path),
                        "line": edit.line,
                        "what": edit.what,
                        "change": {
                            "version": edit.change.version,
                            "kind": edit.change.kind,
                            "symbol": edit.change.symbol,
                            "says": edit.change.says,
                            "why": edit.change.why,
                        },
                    }
                    for edit in item.edits
                ],
                "left": [{"file": str(left.path), "line": left.line, "reason": left.reason} for left in item.left],
                "diff": diff(item),
            }
            for item in upgrades
        ],
        "failures": [{"target": error.target, "reason": error.reason, "fix": error.fix} for error in failures],
    }
