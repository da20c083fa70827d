"""Emits ``docs/spi-changes.md``: what changed in the SPI, from one version to the next, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.changes import summary_of
from codegen.render import template
from pipelex.spi.change_kinds import CHANGE_KINDS

if TYPE_CHECKING:
    from codegen.spec import Change, Spec


def emit(spec: Spec) -> str:
    """Render the page.

    Args:
        spec: The spec.
    """
    rows = [
        (version, [(summary_of(change), change.why, what_to_do(change)) for change in version.change])
        for version in reversed(spec.version)
    ]
    return template("spi-changes.md.j2").render(
        rows=rows, pending=[(summary_of(change), change.why, what_to_do(change)) for change in spec.next.change]
    )


def what_to_do(change: Change) -> str:
    """Return in a few words what an author has to do about a change.

    Args:
        change: The entry.
    """
    if change.todo is not None:
        return f"by hand: {change.todo}"
    if CHANGE_KINDS[change.kind].rewrite == "none":
        return "nothing"
    return "`pipelex plugins upgrade` rewrites it" if change.migration or _is_derived(change) else "see the page"


def _is_derived(change: Change) -> bool:
    return CHANGE_KINDS[change.kind].rewrite == "derived"
