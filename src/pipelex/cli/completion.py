"""``pipelex completion``."""

from __future__ import annotations

import click

from pipelex.terminal import write_text

HELP = """Print the completion script of a SHELL, to be sourced by it.

\b
bash:  eval "$(pipelex completion bash)"     in ~/.bashrc
zsh:   eval "$(pipelex completion zsh)"      in ~/.zshrc
fish:  pipelex completion fish | source      in ~/.config/fish/config.fish
"""


@click.command(help=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script."""
    from click.shell_completion import get_completion_class

    from pipelex.cli.main import cli

    script = get_completion_class(shell)
    if script is None:  # click knows the three shells of the choice
        msg = f"There is no completion for {shell}."
        raise click.UsageError(msg)
    write_text(script(cli, {}, "pipelex", "_PIPELEX_COMPLETE").source())
