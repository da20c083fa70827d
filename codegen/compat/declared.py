"""Which breaks are declared: the seam between the comparison and the ``[[change]]`` entries of ``spi.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.changes import declared_in, match
from codegen.project import SPEC_FILE

if TYPE_CHECKING:
    from codegen.compat.model import Declared, Verdict
    from codegen.project import Project
    from codegen.spec import SpecFile


def declared_by(project: Project) -> Declared:
    """Return the function by which an entry declares a finding.

    Args:
        project: The project whose ``spi.toml`` has the entries.

    Raises:
        CodegenError: An entry, or what else ``spi.toml`` states, is not valid.
    """
    spec_file = _with_entries(project)
    return declared_in(spec_file.spec.next.change if spec_file is not None else ())


def idle_entries(project: Project, verdict: Verdict) -> list[str]:
    """Return a line for each entry that declares none of the findings.

    Args:
        project: The project whose ``spi.toml`` has the entries.
        verdict: What changed.
    """
    spec_file = _with_entries(project)
    if spec_file is None:
        return []
    entries = spec_file.spec.next.change
    text = "'{0.kind}' of '{0.symbol}' matches no change; correct it, or take it out"
    idle = match(entries, verdict.findings).idle
    return [str(spec_file.problem(("next", "change", index), text.format(entries[index]))) for index in idle]


def _with_entries(project: Project) -> SpecFile | None:
    """Read ``spi.toml`` if it has entries: its model needs pydantic, which takes longer than all else of a ``diff``."""
    if "next" not in project.read_toml(SPEC_FILE).data:
        return None
    from codegen.spec import parse_spec

    return parse_spec(project.read(SPEC_FILE))
