"""The ``[plugins]`` table: all of the configuration that booting reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipelex.config.locations import FILE_NAMES, config_folders
from pipelex.exceptions import report_problems
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipelex.config.locations import ConfigFolder
    from pipelex.config.toml_file import TomlFile
    from pipelex.exceptions import ConfigurationProblem


class PluginsConfig(NamedTuple):
    """What the ``[plugins]`` table says.

    Attributes:
        disabled: The denylist: names of plugins that are not to be loaded.
    """

    disabled: tuple[str, ...] = ()


def name_on_denylist(names: Iterable[str], others: Iterable[str]) -> str | None:
    """Return the name by which the denylist disables one plugin and no other.

    Args:
        names: The names of the plugin: its own, and that of its entry point.
        others: The names of all other plugins.

    Returns:
        The first of its names that no other has; ``None`` where there is none.
    """
    taken = {canonical(name) for name in others}
    return next((name for name in names if canonical(name) not in taken), None)


def load_plugins_config(
    start: Path | None = None, *, problems: list[ConfigurationProblem] | None = None
) -> PluginsConfig:
    """Read the ``[plugins]`` table, and nothing else, of the configuration files.

    The strongest trusted file that states a denylist gives it whole. An untrusted one adds names and takes none away;
    what is invalid in its table has no effect, nor has the name of a plugin that cannot be disabled.

    Args:
        start: Where the search for the project's ``.pipelex`` begins; see ``config_folders``.
        problems: Takes what is wrong, in place of an error being raised.

    Raises:
        ConfigurationError: A file is not TOML, or the ``[plugins]`` table of a trusted one is invalid.
    """
    found: list[ConfigurationProblem] = []
    whole: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    for folder in config_folders(start):
        path = folder.path / FILE_NAMES[0]
        file = _read(path, found) if path in folder.files else None
        if file is None:
            continue
        invalid: list[ConfigurationProblem] = []
        names = disabled_in(file, invalid)
        is_trusted = (names is not None or invalid) and _is_trusted(folder, file)
        if is_trusted or problems is not None:
            found += invalid  # all are checked, whichever one counts
        if names is None:
            continue
        if not is_trusted:
            added = names if problems is not None else tuple(_that_may_go(names))
        elif whole is None:
            whole = names
    report_problems(found, problems)
    return PluginsConfig(disabled=tuple(dict.fromkeys((*(whole or ()), *added))))


def _that_may_go(names: Iterable[str]) -> Iterator[str]:
    """Yield the names without those of core-unconditional plugins: a clone stops no boot."""
    from pipelex.generated.builtins import CORE_UNCONDITIONAL

    unconditional = {canonical(name) for name in CORE_UNCONDITIONAL}
    yield from (name for name in names if canonical(name) not in unconditional)


def _read(path: Path, problems: list[ConfigurationProblem]) -> TomlFile | None:
    from pipelex.config.toml_file import read_files

    return next(iter(read_files([path], problems)), None)


def _is_trusted(folder: ConfigFolder, file: TomlFile) -> bool:
    if folder.is_trusted:
        return True
    from pipelex.config.trust import is_trusted

    return is_trusted(folder, [file])


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
