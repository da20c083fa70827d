"""What a plugin's ``register`` writes into."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pipelex.generated.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipelex.plugins.command_call import CommandCall
    from pipelex.plugins.inference_backend_registry import InferenceFamily, MakeWorkerFn
    from pipelex.plugins.model_lister_registry import ListModelsFn

__all__ = ["PluginRegistrar"]

CORE_COMMANDS = frozenset(
    {"chat", "completion", "doctor", "init", "map", "plugins", "show", "spi", "trust"}.union(
        family.command for family in FAMILIES.values()
    )
)
"""The commands that no plugin may shadow; a test holds the command line to this list."""


class PluginRegistrar:
    """The menu that a plugin orders from, and the accumulator of what it ordered.

    Each plugin is handed a registrar of its own. What it contributes counts only when ``register`` returns,
    so a plugin that fails halfway leaves nothing behind, and none can touch what another contributed.

    Args:
        plugin_name: Whose contributions these are, for the errors that name it.
    """

    __slots__ = ("_backends", "_commands", "_listers", "_plugin_name")

    def __init__(self, *, plugin_name: str = "(unnamed)") -> None:
        self._plugin_name = plugin_name
        self._backends: dict[tuple[InferenceFamily, str], MakeWorkerFn] = {}
        self._listers: dict[str, ListModelsFn] = {}
        self._commands: dict[str, tuple[str, Callable[[CommandCall], int]]] = {}

    def add_inference_backend(self, *, family: InferenceFamily, sdk: str, make_worker: MakeWorkerFn) -> None:
        """Serve the models of an sdk in one family.

        Args:
            family: The family.
            sdk: The models' ``sdk``: lowercase letters, digits, ``_``, ``-`` and ``.``.
            make_worker: Builds the worker; see :class:`MakeWorkerFn` for its call shape.

        Raises:
            InvalidContributionError: An argument is not of the contract's shape.
            DuplicateInferenceBackendError: The plugin has registered this pair already.
        """
        from pipelex.plugins import contribution_checks as checks

        checks.check_family(self._plugin_name, family)
        checks.check_identifier(self._plugin_name, "sdk", sdk)
        checks.check_make_worker(self._plugin_name, f"make_worker of ({family}, {sdk})", make_worker)
        if (family, sdk) in self._backends:
            from pipelex.plugins.exceptions import DuplicateInferenceBackendError

            raise DuplicateInferenceBackendError(
                family=str(family), sdk=sdk, first_plugin=self._plugin_name, second_plugin=self._plugin_name
            )
        self._backends[family, sdk] = make_worker

    def add_model_lister(self, *, sdk: str, lister: ListModelsFn) -> None:
        """List the models of an sdk in ``pipelex show models``. Optional.

        Args:
            sdk: One of the sdks that the plugin registers a backend for.
            lister: Lists the models; see :class:`ListModelsFn` for its call shape.

        Raises:
            InvalidContributionError: An argument is not of the contract's shape.
            DuplicateModelListerError: The plugin has registered a lister for this sdk already.
        """
        from pipelex.plugins import contribution_checks as checks

        checks.check_identifier(self._plugin_name, "sdk", sdk)
        checks.check_lister(self._plugin_name, f"lister of sdk {sdk}", lister)
        if sdk in self._listers:
            from pipelex.plugins.exceptions import DuplicateModelListerError

            raise DuplicateModelListerError(sdk=sdk, first_plugin=self._plugin_name, second_plugin=self._plugin_name)
        self._listers[sdk] = lister

    def add_command(self, *, name: str, help: str, run: Callable[[CommandCall], int]) -> None:
        """Contribute a command: ``pipelex NAME ...``. Optional.

        Args:
            name: The command; it may not be one of the core's own.
            help: What it does, in one line.
            run: Takes the :class:`CommandCall` with the arguments, returns the exit code, 0 to 255. Not an async
                function.

        Raises:
            InvalidContributionError: An argument is not of the contract's shape.
            DuplicateCommandError: It is a core command, or the plugin has contributed it already.
        """
        from pipelex.plugins import contribution_checks as checks

        checks.check_identifier(self._plugin_name, "command name", name)
        checks.check_command(self._plugin_name, f"command {name}", help, run)
        holder = "pipelex" if name in CORE_COMMANDS else self._plugin_name
        if name in CORE_COMMANDS or name in self._commands:
            from pipelex.plugins.exceptions import DuplicateCommandError

            raise DuplicateCommandError(name=name, first_plugin=holder, second_plugin=self._plugin_name)
        self._commands[name] = (help, run)

    @property
    def inference_backends(self) -> Mapping[tuple[InferenceFamily, str], MakeWorkerFn]:
        """The backends contributed so far, by ``(family, sdk)``; read-only."""
        return MappingProxyType(self._backends)

    @property
    def model_listers(self) -> Mapping[str, ListModelsFn]:
        """The model listers contributed so far, by sdk; read-only."""
        return MappingProxyType(self._listers)

    @property
    def commands(self) -> Mapping[str, tuple[str, Callable[[CommandCall], int]]]:
        """The commands contributed so far: help line and callable, by name; read-only."""
        return MappingProxyType(self._commands)


class MergedRegistrar(PluginRegistrar):
    """What all plugins contributed together, with the name of who contributed what."""

    __slots__ = ("_holders", "_names")

    def __init__(self) -> None:
        super().__init__(plugin_name="(all)")
        self._holders: dict[tuple[str, ...], str] = {}
        self._names: dict[tuple[str, ...], str] = {}

    def commit(self, staged: PluginRegistrar, *, plugin_name: str, contributor: str) -> None:
        """Take over one plugin's contributions: all of them, or none where one is taken already.

        Args:
            staged: What the plugin contributed.
            plugin_name: The plugin's name.
            contributor: The plugin, as an error about two of them is to name it.

        Raises:
            DuplicateInferenceBackendError: Another plugin serves the same ``(family, sdk)``.
            DuplicateModelListerError: Another plugin lists the same sdk.
            DuplicateCommandError: Another plugin contributes the same command.
            InvalidContributionError: A lister's sdk is none that the plugin serves.
        """
        _check_listers(staged, plugin_name)
        claims = _claims_of(staged)
        for claim in claims:
            if claim in self._holders:
                raise _conflict(claim, self._holders[claim], contributor)
        self._holders.update(dict.fromkeys(claims, contributor))
        self._names.update(dict.fromkeys(claims, plugin_name))
        self._backends.update(staged.inference_backends)
        self._listers.update(staged.model_listers)
        self._commands.update(staged.commands)

    @property
    def plugin_names(self) -> Mapping[tuple[InferenceFamily, str], str]:
        """Which plugin contributed each backend; read-only."""
        return MappingProxyType({key: self._names["backend", key[0].value, key[1]] for key in self._backends})

    @property
    def lister_plugin_names(self) -> Mapping[str, str]:
        """Which plugin contributed the lister of each sdk; read-only."""
        return MappingProxyType({sdk: self._names["lister", sdk] for sdk in self._listers})

    @property
    def command_plugin_names(self) -> Mapping[str, str]:
        """Which plugin contributed each command; read-only."""
        return MappingProxyType({name: self._names["command", name] for name in self._commands})


def _check_listers(staged: PluginRegistrar, plugin_name: str) -> None:
    sdks = {sdk for _, sdk in staged.inference_backends}
    for sdk in staged.model_listers:
        if sdk not in sdks:
            from pipelex.plugins.exceptions import InvalidContributionError

            raise InvalidContributionError(
                plugin_name=plugin_name,
                what=f"lister of sdk {sdk}",
                expected=f"one of the sdks that the plugin serves ({', '.join(sorted(sdks)) or 'none'})",
                got=repr(sdk),
            )


def _claims_of(staged: PluginRegistrar) -> list[tuple[str, ...]]:
    """List everything that a plugin contributes as keys on which plugins can collide."""
    return [
        *(("backend", family.value, sdk) for family, sdk in staged.inference_backends),
        *(("lister", sdk) for sdk in staged.model_listers),
        *(("command", name) for name in staged.commands),
    ]


def _conflict(claim: tuple[str, ...], first: str, second: str) -> Exception:
    from pipelex.plugins import exceptions as errors

    match claim:
        case ("backend", family, sdk):
            return errors.DuplicateInferenceBackendError(
                family=family, sdk=sdk, first_plugin=first, second_plugin=second
            )
        case ("lister", sdk):
            return errors.DuplicateModelListerError(sdk=sdk, first_plugin=first, second_plugin=second)
        case (_, name):
            return errors.DuplicateCommandError(name=name, first_plugin=first, second_plugin=second)
    raise AssertionError(claim)
