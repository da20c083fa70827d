"""Emits ``docs/api-versions/vN.md``: what a version is, and how a plugin gets there from the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.changes import summary_of
from codegen.emit.spi_changes_doc import what_to_do
from codegen.frozen import LOCK, folder_of
from codegen.render import template

if TYPE_CHECKING:
    from codegen.project import Project
    from codegen.spec import Spec


def emit(project: Project, spec: Spec) -> dict[int, str]:
    """Render a page for each version.

    Args:
        project: Where the locks of older versions are read from.
        spec: The spec.

    Returns:
        The texts, by version.
    """
    pages = {}
    for number in sorted({row.number for row in spec.version}):
        rows = [row for row in spec.version if row.number == number]
        changes = [
            (row.revision, change, summary_of(change), what_to_do(change)) for row in rows for change in row.change
        ]
        pages[number] = template("api-version.md.j2").render(
            number=number, rows=rows, changes=changes, modules=_modules(_symbols(project, spec, number))
        )
    return pages


def _symbols(project: Project, spec: Spec, number: int) -> list[str]:
    if number == spec.api_version:
        return sorted(spec.symbols)
    return sorted(project.read_toml(f"{folder_of(number, spec)}/{LOCK}").data["symbols"])


def _modules(symbols: list[str]) -> dict[str, list[str]]:
    modules: dict[str, list[str]] = {}
    for reference in symbols:
        module, _, name = reference.partition(":")
        modules.setdefault(module, []).append(name)
    return modules
