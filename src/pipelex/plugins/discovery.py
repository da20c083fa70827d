"""From what is installed to what is registered: built-ins, then entry points, the denylist, the version gate.

There is one way through, :func:`survey_plugins`, which never fails: it records what happened to each plugin.
:func:`build_registrar` is the same with the first failure raised.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from pipelex.plugins.admission import api_of, check_registered, name_of, plugin_from
from pipelex.plugins.exceptions import (
    BrokenPluginError,
    CoreUnconditionalPluginDisabledError,
    DuplicatePluginError,
    PluginError,
)
from pipelex.plugins.installed import InstalledPlugin, installed_plugins
from pipelex.plugins.registrar import MergedRegistrar, PluginRegistrar
from pipelex.spi.names import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from contextlib import AbstractContextManager

    from pipelex.config.plugins_config import PluginsConfig
    from pipelex.plugins.contract import PipelexPlugin

    _HostStateFn = Callable[[], AbstractContextManager[object]]


class Contribution(NamedTuple):
    """One thing that a plugin contributed.

    Attributes:
        kind: What it is.
        family: The family of an inference backend, by value.
        sdk: The sdk of an inference backend or of a model lister.
        name: The name of a command.
    """

    kind: Literal["inference_backend", "model_lister", "command"]
    family: str | None = None
    sdk: str | None = None
    name: str | None = None


class PluginRow(NamedTuple):
    """What became of one plugin.

    Attributes:
        name: Its own name, or its entry point's where it was never loaded.
        origin: Whether it comes with this package or from elsewhere.
        status: Whether it takes part, is on the denylist, or failed.
        entry_point: The name of its entry point; ``None`` for a built-in.
        distribution: The distribution that brings it; ``None`` for a built-in.
        version: That distribution's version.
        targets_api: The plugin API version that it targets, where it got far enough to state it.
        contributions: What it contributed.
        core_unconditional: Whether the system refuses to run without it.
        phase: Where it failed: ``metadata``, ``load`` or ``register``.
        error: Why it failed.
    """

    name: str
    origin: Literal["built-in", "external"]
    status: Literal["active", "disabled", "broken"]
    entry_point: str | None = None
    distribution: str | None = None
    version: str | None = None
    targets_api: int | None = None
    contributions: tuple[Contribution, ...] = ()
    core_unconditional: bool = False
    phase: str | None = None
    error: PluginError | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which the denylist knows it."""
        return tuple(dict.fromkeys(filter(None, (self.name, self.entry_point))))

    @property
    def reason(self) -> str | None:
        """Why it failed, in words."""
        if isinstance(self.error, BrokenPluginError):
            return self.error.reason
        return str(self.error) if self.error is not None else None


class PluginSurvey(NamedTuple):
    """What became of all plugins.

    Attributes:
        registrar: What those that take part contributed together.
        rows: Every plugin, built-ins first.
        unknown_disabled: Names on the denylist that no plugin bears, each with the nearest name that one does.
    """

    registrar: MergedRegistrar
    rows: tuple[PluginRow, ...]
    unknown_disabled: tuple[tuple[str, str | None], ...] = ()

    @property
    def failures(self) -> tuple[PluginError, ...]:
        """The errors of the broken plugins, in order."""
        return tuple(row.error for row in self.rows if row.error is not None)


def build_registrar(config: PluginsConfig) -> MergedRegistrar:
    """Register every plugin that is present and not on the denylist. Pure: it may run any number of times.

    Args:
        config: The ``[plugins]`` section.

    Returns:
        The registrar that holds what they all contributed.

    Raises:
        PluginError: The first failure, in the order of discovery.
    """
    survey = survey_plugins(config)
    for error in survey.failures:
        raise error
    return survey.registrar


def survey_plugins(
    config: PluginsConfig,
    *,
    builtins: Sequence[PipelexPlugin] | None = None,
    core_unconditional: Collection[str] | None = None,
    installed: Sequence[InstalledPlugin] | None = None,
) -> PluginSurvey:
    """Do what :func:`build_registrar` does, and record each plugin's fate instead of failing.

    Args:
        config: The ``[plugins]`` section.
        builtins: In place of the built-in plugins.
        core_unconditional: In place of the names of those that cannot be disabled.
        installed: In place of what the environment announces.
    """
    if builtins is None or core_unconditional is None:
        from pipelex.generated.builtins import BUILTIN_PLUGINS, CORE_UNCONDITIONAL

        builtins = BUILTIN_PLUGINS if builtins is None else builtins
        core_unconditional = CORE_UNCONDITIONAL if core_unconditional is None else core_unconditional
    surveyor = _Surveyor(config, core_unconditional)
    rows = [surveyor.take_builtin(plugin) for plugin in builtins]
    rows += [surveyor.take_installed(plugin) for plugin in (installed_plugins() if installed is None else installed)]
    unknown = surveyor.unknown_disabled()
    _log(rows, unknown)
    return PluginSurvey(registrar=surveyor.registrar, rows=tuple(rows), unknown_disabled=unknown)


class _Surveyor:
    """The state of one survey: what was registered, which names are taken, which were seen."""

    def __init__(self, config: PluginsConfig, core_unconditional: Collection[str]) -> None:
        self.registrar = MergedRegistrar()
        self._disabled = {canonical(name): name for name in config.disabled}
        self._core_unconditional = {canonical(name) for name in core_unconditional}
        self._holders: dict[str, str] = {}  # canonical plugin name -> the plugin that bears it, for errors
        self._seen: set[str] = set()

    def take_builtin(self, plugin: PipelexPlugin) -> PluginRow:
        row = PluginRow(
            name=plugin.name,
            origin="built-in",
            status="active",
            core_unconditional=canonical(plugin.name) in self._core_unconditional,
        )
        return self._admit(row, plugin, nullcontext)

    def take_installed(self, installed: InstalledPlugin) -> PluginRow:
        row = PluginRow(
            name=installed.name,
            origin="external",
            status="active",
            entry_point=installed.name,
            distribution=installed.distribution,
            version=installed.version,
        )
        if self._is_disabled(installed.name):  # before the load: a plugin that cannot load can still be disabled
            return row._replace(status="disabled")
        if installed.entry_point is None:
            return _broken(row, "metadata", _broken_error(row, "metadata", installed.fault or "unreadable"))
        from pipelex.plugins.host_state import HostState

        try:
            with HostState():
                plugin = plugin_from(installed.entry_point.load(), installed.name)
                row = row._replace(name=name_of(plugin, installed.name))
        except BaseException as exc:  # third-party code can raise anything, and must not end the host
            return _broken(row, "load", _named(row, "load", exc))
        return self._admit(row, plugin, HostState)

    def unknown_disabled(self) -> tuple[tuple[str, str | None], ...]:
        unknown = sorted(name for key, name in self._disabled.items() if key not in self._seen)
        if not unknown:
            return ()
        from difflib import get_close_matches

        return tuple((name, next(iter(get_close_matches(canonical(name), self._seen, n=1)), None)) for name in unknown)

    def _is_disabled(self, name: str) -> bool:
        self._seen.add(canonical(name))
        return canonical(name) in self._disabled

    def _admit(self, row: PluginRow, plugin: PipelexPlugin, host_state: _HostStateFn) -> PluginRow:
        """Take a loaded plugin through denylist, version gate and registration.

        Its code runs inside the context that restores the host's state, and ours outside of it: a plugin that takes
        the finders away takes none of our imports with them.
        """
        if self._is_disabled(row.name):
            if row.core_unconditional:
                return _broken(row, "load", CoreUnconditionalPluginDisabledError(plugin_name=row.name))
            return row._replace(status="disabled")
        try:
            with host_state():
                row = row._replace(targets_api=api_of(plugin, row.name))
            self._claim_name(row)
        except BaseException as exc:
            return _broken(row, "load", _named(row, "load", exc))
        try:
            return row._replace(contributions=self._register(row, plugin, host_state))
        except BaseException as exc:
            return _broken(row, "register", _named(row, "register", exc))

    def _claim_name(self, row: PluginRow) -> None:
        key = canonical(row.name)
        if key in self._holders:
            raise DuplicatePluginError(name=key, first_plugin=self._holders[key], second_plugin=_label(row))
        self._holders[key] = _label(row)

    def _register(self, row: PluginRow, plugin: PipelexPlugin, host_state: _HostStateFn) -> tuple[Contribution, ...]:
        handed_out = PluginRegistrar(plugin_name=row.name)
        with host_state():
            returned: object = cast("Callable[[PluginRegistrar], object]", plugin.register)(handed_out)
        check_registered(returned, row.name)
        staged = _replayed(handed_out, row.name)
        self.registrar.commit(staged, plugin_name=row.name, contributor=_label(row))
        return _contributions(staged)


def _replayed(handed_out: PluginRegistrar, plugin_name: str) -> PluginRegistrar:
    """Order everything once more from the menu: whatever a plugin did to its registrar, only the menu counts."""
    staged = PluginRegistrar(plugin_name=plugin_name)
    for (family, sdk), make_worker in handed_out.inference_backends.items():
        staged.add_inference_backend(family=family, sdk=sdk, make_worker=make_worker)
    for sdk, lister in handed_out.model_listers.items():
        staged.add_model_lister(sdk=sdk, lister=lister)
    for name, (help_line, run) in handed_out.commands.items():
        staged.add_command(name=name, help=help_line, run=run)
    return staged


def _contributions(staged: PluginRegistrar) -> tuple[Contribution, ...]:
    return (
        *(Contribution("inference_backend", family.value, sdk) for family, sdk in staged.inference_backends),
        *(Contribution("model_lister", sdk=sdk) for sdk in staged.model_listers),
        *(Contribution("command", name=name) for name in staged.commands),
    )


def _label(row: PluginRow) -> str:
    """Name a plugin for an error about two of them."""
    origin = "built-in" if row.origin == "built-in" else f"{row.distribution} {row.version}".strip()
    return f"'{row.name}' ({origin})"


def _named(row: PluginRow, phase: Literal["load", "register"], exc: BaseException) -> PluginError:
    """Wrap what third-party code raised; our own named errors stay as they are, and Ctrl-C is the user's."""
    if isinstance(exc, KeyboardInterrupt):
        raise exc
    if isinstance(exc, PluginError):
        return exc
    from pipelex.plugins.raised import described

    error = _broken_error(row, phase, described(exc))
    error.__cause__ = exc
    return error


def _broken_error(row: PluginRow, phase: Literal["metadata", "load", "register"], reason: str) -> BrokenPluginError:
    distribution = f"{row.distribution} {row.version}" if row.distribution else None
    return BrokenPluginError(plugin_name=row.name, phase=phase, reason=reason, distribution=distribution)


def _broken(row: PluginRow, phase: str, error: PluginError) -> PluginRow:
    return row._replace(status="broken", phase=phase, error=error)


def _log(rows: Iterable[PluginRow], unknown: Iterable[tuple[str, str | None]]) -> None:
    """Log what was left out and why; ``logging`` loads only where there is something to log."""
    disabled = [row.name for row in rows if row.status == "disabled"]
    lines = [f"plugins.disabled names {name!r}, which no plugin bears{_did_you_mean(near)}" for name, near in unknown]
    if not disabled and not lines:
        return
    import logging

    logger = logging.getLogger("pipelex.plugins")
    for name in disabled:
        logger.info("Plugin '%s' is disabled by plugins.disabled", name)
    for line in lines:
        logger.warning(line)


def _did_you_mean(near: str | None) -> str:
    return f"; did you mean {near!r}?" if near else ""
