"""The ``[plugins]`` table: all of the configuration that booting reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelex.config.toml_file import TomlFile


class PluginsConfig(NamedTuple):
    """What the ``[plugins]`` table says.

    Attributes:
        disabled: The denylist: names of plugins that are not to be loaded.
    """

    disabled: tuple[str, ...] = ()


def load_plugins_config(files: Sequence[Path]) -> PluginsConfig:
    """Read the ``[plugins]`` table, and nothing else, of some configuration files.

    Args:
        files: The files, strongest first. The first one that states a denylist gives it whole.

    Raises:
        ConfigurationError: A file is not TOML, or its ``[plugins]`` table is not of the right shape.
    """
    if not files:
        return PluginsConfig()
    from pipelex.config.toml_file import TomlFile

    stated = [disabled_in(TomlFile.read(path)) for path in files]  # all are checked, whichever one counts
    return PluginsConfig(disabled=next((names for names in stated if names is not None), ()))


def disabled_in(file: TomlFile) -> tuple[str, ...] | None:
    """Return the denylist of one file, or ``None`` where it states none.

    Raises:
        ConfigurationError: The ``[plugins]`` table is not of the right shape.
    """
    for key in file.data:
        if key != "plugins" and key.lower().removesuffix("s") == "plugin":
            raise file.error((key,), "unknown table. Did you mean 'plugins'?")
    table = file.data.get("plugins", {})
    if not isinstance(table, dict):
        raise file.error(("plugins",), "expected a table: [plugins] with disabled = [...]")
    for key in table:
        if key not in PluginsConfig._fields:
            raise file.error(("plugins", key), "unknown key. The one key of this table is 'disabled'")
    if "disabled" not in table:
        return None
    names = table["disabled"]
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise file.error(("plugins", "disabled"), 'expected a list of plugin names, as in ["acme"]')
    return tuple(name.strip() for name in names)
