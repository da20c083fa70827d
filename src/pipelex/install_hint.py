"""How to install what is missing, from where this installation came from.

The name ``pipelex`` on the public index belongs to another project, so no hint ever sends anyone there: it
names the wheel, folder or address that this installation came from, or the missing package's own requirement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.installation import DISTRIBUTION, installed_origin

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def install_hint(*, dependency_name: str, extra_name: str) -> str:
    """Say how to install a missing optional package.

    Args:
        dependency_name: The package's import name.
        extra_name: The extra that brings it: one of ours, or of the distribution of an installed plugin.

    Returns:
        A sentence with ``distribution[extra]`` and a command that works here; ours where no other has the extra.
    """
    holder = _distribution_with(extra_name)
    if holder is None:
        return (
            f"It comes with {DISTRIBUTION}[{extra_name}], or with an extra '{extra_name}' of the plugin that needs it: "
            f"see how that plugin was installed, and install '{dependency_name}' beside it."
        )
    name = holder.metadata["Name"]
    origin = _origin(name, extra_name) or _requirements(holder, extra_name)
    ours = f"{DISTRIBUTION}[{extra_name}]"
    not_ours = "" if name == DISTRIBUTION else f", not with {ours}"
    return f"It comes with {name}[{extra_name}]{not_ours}. Install it: pip install {origin}"


def _distribution_with(extra_name: str) -> Distribution | None:
    """Return the distribution that has an extra of this name: ours, or else one that brings a plugin."""
    from importlib.metadata import PackageNotFoundError, distribution

    from pipelex.plugins.installed import installed_plugins

    names = [DISTRIBUTION, *(plugin.distribution for plugin in installed_plugins())]
    for name in names:
        try:
            candidate = distribution(name)
        except (PackageNotFoundError, ValueError):  # run from a source tree that was never installed
            continue
        if extra_name in (candidate.metadata.get_all("Provides-Extra") or []):
            return candidate
    return None


def _origin(name: str, extra_name: str) -> str | None:
    """Return what was installed, with the extra, where that can be installed again."""
    origin = installed_origin(name)
    if origin is None:
        return None
    if origin.path is None:
        return f"'{name}[{extra_name}] @ {origin.url}'"
    return f"{'-e ' if origin.is_editable else ''}'{origin.path}[{extra_name}]'" if origin.path.exists() else None


def _requirements(holder: Distribution, extra_name: str) -> str:
    """Return the requirements that an extra adds, without their markers."""
    marker = f"extra == '{extra_name}'"
    lines = [line.partition(";") for line in holder.requires or []]
    wanted = [line.strip() for line, _, condition in lines if marker in condition.replace('"', "'")]
    return " ".join(f"'{line}'" for line in wanted)
