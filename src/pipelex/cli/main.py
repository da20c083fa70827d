"""The entry of the command line: which commands there are, and how they end.

A command's module is imported when the command is used. Plugins are discovered only where a command needs them:
the root's help, which lists their commands, and any command that is not one of the core's own.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

import click

from pipelex.cli.output import FAILED, INTERRUPTED, exit_code_of, note, write_click_error, write_error
from pipelex.exceptions import PipelexError, SystemFaultError, UnexpectedError
from pipelex.generated.families import FAMILIES
from pipelex.plugins.exceptions import BrokenPluginError
from pipelex.terminal import escaped, open_standard_descriptors, release_stdout, stdout, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from pipelex.cli.plugin_commands import PluginCommands


class CoreCommand(NamedTuple):
    """One of the core's own commands.

    Attributes:
        target: Where it is, as ``module:attribute``.
        help: What it does, in one line; stands in the list of commands without importing it.
    """

    target: str
    help: str


COMMANDS = {
    "init": CoreCommand("pipelex.cli.init:init", "Write a project's configuration."),
    **{
        family.command: CoreCommand(f"pipelex.cli.{member}:{member}", family.help)
        for member, family in FAMILIES.items()
    },
    "chat": CoreCommand("pipelex.cli.chat:chat", "Talk with a language model at the terminal."),
    "map": CoreCommand("pipelex.cli.map:map_rows", "Ask a language model for each row of a file."),
    "plugins": CoreCommand("pipelex.cli.plugins:plugins", "See which plugins are there and what became of them."),
    "show": CoreCommand("pipelex.cli.show:show", "Show what the backends offer."),
    "doctor": CoreCommand("pipelex.cli.doctor:doctor", "Find what is wrong, and say how to fix it."),
    "trust": CoreCommand("pipelex.cli.trust:trust", "Trust the configuration of a project."),
    "spi": CoreCommand("pipelex.cli.spi:spi", "Use the published plugin API in an editor or a tool."),
    "completion": CoreCommand("pipelex.cli.completion:completion", "Print the completion script of a shell."),
}

EPILOG = """\b
Exit codes:
  0    done
  1    the operation failed, or found a problem
  2    the command line or the configuration is wrong
  130  interrupted

What a program reads goes to stdout, everything else to stderr. With --json, an error is one JSON object
on the last line of stderr, and stdout holds only what was done before it."""


class RootGroup(click.Group):
    """The core's commands, imported on use, and those of the plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, the core's first."""
        return [*COMMANDS, *sorted(_plugin_commands(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, importing its module, or wrapping what a plugin contributed."""
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name].target.partition(":")
            command = getattr(import_module(module), attribute)
            return command if isinstance(command, click.Command) else None
        contributed = _plugin_commands(ctx).get(cmd_name)
        if contributed is None:
            return None
        from pipelex.cli.plugin_commands import as_click_command

        return as_click_command(cmd_name, contributed)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; where there is none, name the nearest of all, plugins' included."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), n=1)
            msg = f"No such command '{name}'.{f' Did you mean {near[0]!r}?' if near else ''}"
            raise click.UsageError(msg, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in COMMANDS.items()])
        contributed = sorted(_plugin_commands(ctx).items())
        if contributed:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(escaped(name), escaped(help_line)) for name, (help_line, _) in contributed])


def _plugin_commands(ctx: click.Context) -> PluginCommands:
    """Discover the commands of the plugins, once a context; a broken plugin costs a line on stderr."""
    key = "pipelex.cli.plugin_commands"
    if key not in ctx.meta:
        from pipelex.cli.plugin_commands import discover_commands

        ctx.meta[key] = discover_commands()
    commands: PluginCommands = ctx.meta[key]
    return commands


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("pipelex")
    except PackageNotFoundError:  # run from a source tree that was never installed
        found = "(not installed)"
    write_text(f"pipelex {found}")
    ctx.exit()


cli = RootGroup(
    name="pipelex",
    help="Call models through plugins: language models, image generation, document extraction, search.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        )
    ],
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: What stands behind the program's name; those of the process if not given.
    """
    # pydantic would read the metadata of all that is installed and die of what it cannot read; we use no plugin of it
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    open_standard_descriptors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character that a terminal does not know must not end a command
            stream.reconfigure(errors="backslashreplace")
    if arguments is None:
        atexit.register(gc.freeze)  # the process ends here: nobody needs the memory that a last collection would find
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments), ends_process=arguments is None)
    finally:
        if arguments is not None:  # else it stays so: what is printed while the process ends is no answer either
            release_stdout()


def _run(given: Sequence[str], *, ends_process: bool) -> int:
    """Run a command line, and write the error that ends it."""
    as_json = "--json" in given[: given.index("--") if "--" in given else None]
    try:
        code = cli.main(given, prog_name="pipelex", standalone_mode=False)
        if (stream := stdout()) is not None:
            stream.flush()
    except click.ClickException as exc:
        write_click_error(exc, as_json=as_json)
        return exc.exit_code
    except PipelexError as exc:
        if isinstance(exc, BrokenPluginError) and _wants_traceback(exc, ends_process=ends_process):
            raise  # it wraps what a plugin's code raised, whose author needs the place
        write_error(exc, as_json=as_json)
        _let_go_of_stdout()
        return exit_code_of(exc)
    except (click.Abort, KeyboardInterrupt):
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _let_go_of_stdout()
        return FAILED
    except SystemExit:
        raise
    except BaseException as exc:  # third-party code raises such ones, too: Rust's panics, for example
        fault = _system_fault(exc)
        if fault is None and _wants_traceback(exc, ends_process=ends_process):
            raise
        write_error(fault or _unexpected(exc), as_json=as_json)
        _let_go_of_stdout()
        return FAILED
    return code if isinstance(code, int) else 0


def _wants_traceback(exc: BaseException, *, ends_process: bool) -> bool:
    """Return whether PIPELEX_TRACEBACK asks for the traceback of a failure; the keys that were read are masked."""
    if not os.environ.get("PIPELEX_TRACEBACK"):
        return False
    from pipelex.redaction import scrub

    scrub(exc)
    if ends_process:
        sys.excepthook = _show_traceback
    return True


def _unexpected(exc: BaseException) -> UnexpectedError:
    """Name a failure that nobody foresaw, and the line that it came from."""
    from traceback import extract_tb

    from pipelex.plugins.raised import described

    frame = extract_tb(exc.__traceback__)[-1]
    return UnexpectedError(reason=described(exc), place=f"{frame.filename}:{frame.lineno}")


_REFUSALS = {
    *("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "ESTALE", "ENOLCK", "EBUSY"),  # a disk, or what is mounted there
    *("EACCES", "EPERM", "ELOOP", "ENAMETOOLONG", "ENOTDIR", "EISDIR"),  # a path
    *("EMFILE", "ENFILE", "ENOMEM", "EAGAIN"),  # the process, or the machine, has no more of it
}


def _system_fault(exc: BaseException) -> SystemFaultError | None:
    """Name what the operating system refused; ``None`` where the failure is none of its."""
    if not isinstance(exc, OSError):
        return None
    import errno

    if errno.errorcode.get(exc.errno or 0) in _REFUSALS:
        return SystemFaultError(file=str(exc.filename) if exc.filename else None, reason=exc.strerror or str(exc))
    try:
        os.getcwd()
    except OSError:
        return SystemFaultError(file=None, reason="the current directory is gone: change to another one")
    return None


def _show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write the traceback that ends the process; its texts may hold what others wrote."""
    from traceback import format_exception

    write_text("".join(format_exception(kind, error, trace)), err=True, end="")


def _let_go_of_stdout() -> None:
    """Let the interpreter's last flush go nowhere where it would fail: a closed pipe, a full disk."""
    stream = stdout()
    if stream is None or stream.closed:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
