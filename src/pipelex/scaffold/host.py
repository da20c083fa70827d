"""Which Pipelex a new plugin is developed against: the one that writes it, unless its author names another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pipelex.exceptions import HostReferenceError
from pipelex.installation import DISTRIBUTION, installed_origin

EXTRAS = "check,testing"
_ADDRESS = ("https://", "http://", "file://", "git+")


class Host(NamedTuple):
    """Where Pipelex is installed from.

    Attributes:
        url: The address, ``file:`` included; ``None`` where it is not known.
        editable_folder: The clone, where this installation is an editable one of it.
    """

    url: str | None = None
    editable_folder: Path | None = None

    @property
    def requirement(self) -> str | None:
        """The direct reference: ``pipelex[check,testing] @ address``."""
        return f"{DISTRIBUTION}[{EXTRAS}] @ {self.url}" if self.url is not None else None

    @property
    def pip_arguments(self) -> str:
        """What stands behind ``pip install`` in a shell, with a space at its end; empty where nothing is known."""
        import shlex

        if self.editable_folder is not None:
            return f"-e {shlex.quote(f'{self.editable_folder}[{EXTRAS}]')} "
        return f"{shlex.quote(self.requirement)} " if self.requirement is not None else ""

    @property
    def is_on_this_machine(self) -> bool:
        """Whether nobody else can install from there."""
        return self.url is not None and self.url.startswith("file:")


def host_of(given: str | None) -> Host:
    """Say where the host is installed from.

    Args:
        given: A wheel, a clone or an address; where this installation came from if not given.

    Raises:
        HostReferenceError: It is none of these.
    """
    if given is None:
        return _own_origin()
    reference = given.partition(" @ ")[2].strip() or given.strip()
    if reference.startswith(_ADDRESS) and not set(reference) & set("\"'\\ \t\n"):
        return Host(reference)
    path = Path(os.path.realpath(os.path.expanduser(reference)))
    if reference and (_is_wheel(path) or _is_clone(path)):
        return Host(path.as_uri())
    reason = (
        f"expected a wheel of {DISTRIBUTION}, a folder with its pyproject.toml, or an address (https://, git+). "
        f"A plain name or version would mean another project: the public index has one called {DISTRIBUTION}"
    )
    raise HostReferenceError(given=given, reason=reason)


def _is_wheel(path: Path) -> bool:
    return path.suffix == ".whl" and path.name.startswith(f"{DISTRIBUTION}-") and path.is_file()


def _is_clone(folder: Path) -> bool:
    import tomli

    try:
        project = tomli.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return False
    return bool(project.get("name") == DISTRIBUTION)


def _own_origin() -> Host:
    origin = installed_origin()
    if origin is None or (origin.path is not None and not origin.path.exists()):
        return Host()
    return Host(origin.url, origin.path if origin.is_editable else None)
