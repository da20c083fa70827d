"""How to install what is missing, from where this installation came from.

The name ``pipelex`` on the public index belongs to another project, so no hint ever sends anyone there: it
names the wheel, folder or address that this installation came from, or the missing package's own requirement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "pipelex"


def install_hint(*, dependency_name: str, extra_name: str) -> str:
    """Say how to install a missing optional package.

    Args:
        dependency_name: The package's import name.
        extra_name: The extra that brings it.

    Returns:
        A sentence with ``pipelex[extra]`` and a command that works here.
    """
    return f"It comes with {DISTRIBUTION}[{extra_name}]. Install it: {_command(dependency_name, extra_name)}"


def _command(dependency_name: str, extra_name: str) -> str:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        ours = distribution(DISTRIBUTION)
    except PackageNotFoundError:  # run from a source tree that was never installed
        return f"pip install '{dependency_name}'"
    if extra_name not in (ours.metadata.get_all("Provides-Extra") or []):  # a stranger's plugin, a stranger's extra
        return f"pip install '{dependency_name.partition('.')[0].replace('_', '-')}'"
    origin = _origin(ours)
    if origin is not None:
        return f"pip install {origin.format(extra=extra_name)}"
    return "pip install " + " ".join(f"'{line}'" for line in _requirements(ours, extra_name))


def _origin(ours: Distribution) -> str | None:
    """Return what was installed, with a place for the extra, where that can be installed again."""
    import json
    from pathlib import Path
    from urllib.parse import unquote, urlsplit

    text = ours.read_text("direct_url.json")
    if text is None:
        return None
    record = json.loads(text)
    url = str(record.get("url", ""))
    if not url.startswith("file:"):
        commit = record.get("vcs_info", {})
        prefix = f"{commit['vcs']}+" if commit else ""
        suffix = f"@{commit['commit_id']}" if commit.get("commit_id") else ""
        return f"'{DISTRIBUTION}[{{extra}}] @ {prefix}{url}{suffix}'"
    path = Path(unquote(urlsplit(url).path))
    if not path.exists():
        return None
    editable = "-e " if record.get("dir_info", {}).get("editable") else ""
    return f"{editable}'{path}[{{extra}}]'"


def _requirements(ours: Distribution, extra_name: str) -> list[str]:
    """Return the requirements that an extra adds, without their markers."""
    marker = f"extra == '{extra_name}'"
    lines = [line.partition(";") for line in ours.requires or []]
    return [line.strip() for line, _, condition in lines if marker in condition.replace('"', "'")]
