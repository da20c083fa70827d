"""Emits the change log that the package carries: what the version error and the upgrade command read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.changes import summary_of
from codegen.render import quote, template

if TYPE_CHECKING:
    from codegen.spec import Change, Spec


def emit(spec: Spec) -> str:
    """Render the log, the oldest version first.

    Args:
        spec: The spec.
    """
    rows = [(version, [_lines(change) for change in version.change]) for version in spec.version]
    return template("changes.toml.j2").render(rows=rows, group=quote(spec.entry_point_group))


def _lines(change: Change) -> list[tuple[str, str]]:
    values = (
        ("kind", change.kind),
        ("symbol", change.symbol),
        ("from", change.from_),
        ("to", change.to),
        ("says", summary_of(change)),
        ("why", change.why),
        ("migration", change.migration),
        ("todo", change.todo),
    )
    return [(key, quote(value)) for key, value in values if value is not None]
