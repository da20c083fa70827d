"""The ``[plugins]`` table: all of the configuration that booting reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipelex.exceptions import report_problems

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelex.config.toml_file import TomlFile
    from pipelex.exceptions import ConfigurationProblem


class PluginsConfig(NamedTuple):
    """What the ``[plugins]`` table says.

    Attributes:
        disabled: The denylist: names of plugins that are not to be loaded.
    """

    disabled: tuple[str, ...] = ()


def load_plugins_config(paths: Sequence[Path], *, problems: list[ConfigurationProblem] | None = None) -> PluginsConfig:
    """Read the ``[plugins]`` table, and nothing else, of some configuration files.

    Args:
        paths: The files, strongest first. The first one that states a denylist gives it whole.
        problems: Takes what is wrong, in place of an error being raised.

    Raises:
        ConfigurationError: A file is not TOML, or its ``[plugins]`` table is invalid.
    """
    if not paths:
        return PluginsConfig()
    from pipelex.config.toml_file import read_files

    found: list[ConfigurationProblem] = []
    stated = [disabled_in(file, found) for file in read_files(paths, found)]  # all are checked, whichever one counts
    report_problems(found, problems)
    return PluginsConfig(disabled=next((names for names in stated if names is not None), ()))


def disabled_in(file: TomlFile, problems: list[ConfigurationProblem]) -> tuple[str, ...] | None:
    """Return the denylist of one file, or ``None`` where it states none; ``problems`` takes what is wrong."""
    misspelt = (key for key in file.data if key != "plugins" and key.lower().removesuffix("s") == "plugin")
    problems.extend(file.problem((key,), "unknown table. Did you mean 'plugins'?") for key in misspelt)
    table = file.data.get("plugins", {})
    if not isinstance(table, dict):
        problems.append(file.problem(("plugins",), "expected a table: [plugins] with disabled = [...]"))
        return None
    unknown = (key for key in table if key not in PluginsConfig._fields)
    reason = "unknown key. The one key of this table is 'disabled'"
    problems.extend(file.problem(("plugins", key), reason) for key in unknown)
    if "disabled" not in table:
        return None
    names = table["disabled"]
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        reason = 'expected a list of plugin names, as in ["acme"]'
        problems.append(file.problem(("plugins", "disabled"), reason))
        return None
    return tuple(name.strip() for name in names)
