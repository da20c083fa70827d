"""The commands that plugins contribute: found, and made commands of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from pipelex.cli.output import note
from pipelex.exceptions import PipelexError, UnknownBackendError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.config.settings import Settings
    from pipelex.plugins.command_call import CommandCall
    from pipelex.plugins.returned_values import Origin

    PluginCommands: TypeAlias = Mapping[str, tuple[str, Callable[[CommandCall], int]]]


def discover_commands() -> PluginCommands:
    """Return the help line and the callable of each command of a plugin; a broken plugin costs a line on stderr."""
    from pipelex.cli.session import note_broken_plugin
    from pipelex.config.plugins_config import load_plugins_config
    from pipelex.plugins.discovery import survey_plugins
    from pipelex.plugins.returned_values import Origin

    try:
        survey = survey_plugins(load_plugins_config())
    except PipelexError as exc:  # a wrong configuration file costs the plugins' commands, not the core's help
        note(f"warning: the commands of plugins are left out: {exc}")
        return {}
    for error in survey.failures:
        note_broken_plugin(error)
    plugin_names = survey.registrar.command_plugin_names
    return {
        name: (help_line, _checked(Origin(plugin_names[name], f"command {name}"), run))
        for name, (help_line, run) in survey.registrar.commands.items()
    }


def _checked(origin: Origin, run: Callable[[CommandCall], int]) -> Callable[[CommandCall], int]:
    """Make a command of a plugin return an exit code, or raise the error that names what it returned."""

    def checked(call: CommandCall) -> int:
        from pipelex.plugins.returned_values import check_exit_code

        return check_exit_code(origin, run(call))

    return checked


def as_click_command(name: str, contributed: tuple[str, Callable[[CommandCall], int]]) -> click.Command:
    """Return a command of the command line: everything behind its name is the plugin's to read.

    Args:
        name: The command's name.
        contributed: Its help line, and what runs it.
    """
    help_line, run = contributed

    @click.pass_context
    def callback(ctx: click.Context, arguments: tuple[str, ...]) -> int:
        from pipelex.plugins.command_call import CommandCall

        return run(CommandCall(arguments=arguments, program=ctx.command_path, backends=ConfiguredBackends()))

    return click.Command(
        name,
        callback=callback,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        help=help_line,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )


class _NotConfiguredError(UnknownBackendError, KeyError):
    """No file describes the backend: an error to show, and what a mapping raises."""

    __str__ = PipelexError.__str__  # that of a KeyError shows the repr of its message


class ConfiguredBackends(Mapping[str, "InferenceBackend"]):
    """The configured backends by name. The configuration is read when the first one is looked up."""

    def __init__(self) -> None:
        self._loaded: Settings | None = None

    def __getitem__(self, name: str) -> InferenceBackend:
        try:
            return self._settings.resolve_backend(name)
        except UnknownBackendError as exc:
            raise _NotConfiguredError(backend_name=exc.backend_name, known=exc.known) from None

    def __contains__(self, name: object) -> bool:
        return name in self._settings.backend_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings.backend_names())

    def __len__(self) -> int:
        return len(self._settings.backend_names())

    @property
    def _settings(self) -> Settings:
        if self._loaded is None:
            from pipelex.config.settings import Settings

            self._loaded = Settings.load()
        return self._loaded
