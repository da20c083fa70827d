"""Which breaks are declared: the seam between the comparison and the ``[[change]]`` entries of ``spi.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.compat.model import Declared, Verdict
    from codegen.project import Project


def declared_by(project: Project) -> Declared | None:
    """Return the function by which an entry declares a finding, or ``None`` where there are no entries.

    Args:
        project: The project whose ``spi.toml`` has the entries.
    """
    from codegen.changes import declared_in
    from codegen.spec import SPEC_FILE, parse_spec

    return declared_in(parse_spec(project.read(SPEC_FILE)).spec.next.change)


def idle_entries(project: Project, verdict: Verdict) -> list[str]:
    """Return a line for each entry that declares none of the findings.

    Args:
        project: The project whose ``spi.toml`` has the entries.
        verdict: What changed.
    """
    from codegen.changes import match
    from codegen.spec import SPEC_FILE, parse_spec

    spec_file = parse_spec(project.read(SPEC_FILE))
    entries = spec_file.spec.next.change
    text = "'{0.kind}' of '{0.symbol}' matches no change; correct it, or take it out"
    idle = match(entries, verdict.findings).idle
    return [str(spec_file.problem(("next", "change", index), text.format(entries[index]))) for index in idle]
