"""Which breaks are declared: the seam between the comparison and the ``[[change]]`` entries of ``spi.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.compat.model import Declared
    from codegen.project import Project


def declared_by(project: Project) -> Declared | None:
    """Return what tells of a finding whether an entry declares it, or ``None`` where there are no entries.

    Args:
        project: The project whose ``spi.toml`` has the entries.
    """
    from codegen.changes import declared_in
    from codegen.spec import SPEC_FILE, parse_spec

    return declared_in(parse_spec(project.read(SPEC_FILE)).spec.next.change)
