"""How everything in a new plugin's repository is called, from the one name that its author gives."""

from __future__ import annotations

from typing import NamedTuple

from pipelex.exceptions import PluginNameError
from pipelex.spi.names import canonical, is_identifier

LONGEST = 30
"""So that the lines in which the name stands stay short."""


class PluginNames(NamedTuple):
    """The names in a repository.

    Attributes:
        name: Plugin, entry point, sdk, extra and backend (``acme-ai``).
        distribution: The distribution, and the repository's folder (``pipelex-acme-ai``).
        package: The import package (``pipelex_acme_ai``).
        sdk_module: The import package of the SDK's stand-in (``stand_in_acme_ai_sdk``).
        class_name: What its classes begin with (``AcmeAi``).
        variable: What its environment variables begin with (``ACME_AI``).
    """

    name: str
    distribution: str
    package: str
    sdk_module: str
    class_name: str
    variable: str

    @classmethod
    def of(cls, given: str) -> PluginNames:
        """Derive the names.

        No name can be a keyword or shadow a module of the standard library: each has a part in front or behind.

        Args:
            given: The name as the author spells it: ``Acme_AI``, ``acme.ai``, ``pipelex-acme-ai`` are ``acme-ai``.

        Raises:
            PluginNameError: It is no name for a plugin, or taken by a built-in.
        """
        name = canonical(given).removeprefix("pipelex-")
        reason = _fault_of(name)
        if reason is not None:
            raise PluginNameError(name=given, reason=reason)
        identifier = name.replace("-", "_")
        return cls(
            name=name,
            distribution=f"pipelex-{name}",
            package=f"pipelex_{identifier}",
            sdk_module=f"stand_in_{identifier}_sdk",
            class_name="".join(part.capitalize() for part in name.split("-")),
            variable=identifier.upper(),
        )


def _fault_of(name: str) -> str | None:
    if len(name) > LONGEST:
        return f"it has {len(name)} characters, and {LONGEST} are the most"
    if not is_identifier(name) or name[0].isdigit():  # classes and variables are named after it
        return "a name begins with a letter and holds letters and digits, with '-', '_' or '.' between them"
    if name == "pipelex":
        return "it is the host's own name"
    return _taken(name)


def _taken(name: str) -> str | None:
    """Say who holds a name already: a plugin, sdk, extra or command of the host's own."""
    from pipelex.plugins.registrar import CORE_COMMANDS
    from pipelex.spi.lock import read_spi_lock

    lock = read_spi_lock()
    for builtin in lock.builtins:
        held = (builtin.name, builtin.extra, *builtin.listers, *(key.partition("/")[2] for key in builtin.backends))
        if name in {canonical(taken) for taken in held if taken}:
            return f"the built-in plugin '{builtin.name}' holds it. Choose another, such as '{name}-plus'"
    if name in {*lock.extras, *CORE_COMMANDS}:
        return "it is an extra or a command of the host's own"
    return None
