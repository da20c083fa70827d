"""``pipelex spi``."""

from __future__ import annotations

import click

from pipelex.cli.output import MISUSED, OK, write_error
from pipelex.terminal import write_text


@click.group()
def spi() -> None:
    """Use the published plugin API in an editor or a tool."""


@spi.command("stubs")
@click.option(
    "--api", "api_version", type=click.IntRange(min=1), help="The version of the plugin API; the newest if not given."
)
def stubs(api_version: int | None) -> int:
    """Print the folder of stubs to point a type checker at; docs/editor-setup.md says how."""
    from pipelex.checking.findings import CheckError
    from pipelex.checking.spi_tree import spi_tree

    try:
        tree = spi_tree(api_version)
    except CheckError as exc:
        write_error(exc, as_json=False)
        return MISUSED
    write_text(str(tree.folder))
    return OK
