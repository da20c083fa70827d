"""``pipelex plugins new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelex.cli.output import OK, write_json
from pipelex.cli.session import trust_what_was_written
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.terminal import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.scaffold.host import Host
    from pipelex.scaffold.names import PluginNames


def _require_families(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        choices = ", ".join(family.value for family in InferenceFamily)
        msg = f"which kinds of model does it serve? Give --family, once or several times: {choices}"
        raise click.BadParameter(msg)
    return values


@click.command("new")
@click.argument("name")
@click.option(
    "--family",
    "families",
    multiple=True,
    type=click.Choice([family.value for family in InferenceFamily]),
    callback=_require_families,
    help="A kind of model that it serves; may be given several times.",
)
@click.option(
    "--pipelex",
    "host",
    metavar="WHEEL_OR_PATH",
    help="The Pipelex that it is developed against: a wheel, a clone or an address. Default: where this one came from.",
)
@click.option(
    "--dir",
    "parent",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder in which the repository's folder is made. Default: here.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def new(*, name: str, families: tuple[str, ...], host: str | None, parent: Path, dry_run: bool, as_json: bool) -> int:
    """Write the repository of a new plugin, called pipelex-NAME: complete, and passing all checks as it is.

    It holds the plugin, a worker for each family, a model lister, a small client in place of the vendor's SDK, tests
    with the conformance kit, and a CI file. Nothing is ever overwritten.
    """
    from pipelex.config.locations import FOLDER
    from pipelex.exceptions import HostReferenceError, PluginNameError
    from pipelex.scaffold.host import host_of
    from pipelex.scaffold.names import PluginNames
    from pipelex.scaffold.repository import refuse_existing, render, write

    try:
        names, found = PluginNames.of(name), host_of(host)
    except (PluginNameError, HostReferenceError) as exc:  # the command line is wrong: click's exit code
        raise click.UsageError(str(exc)) from exc
    texts = render(names, [InferenceFamily(family) for family in families], found)
    folder = parent / names.distribution
    refuse_existing(folder)
    if not dry_run:
        write(folder, texts)
        trust_what_was_written(folder / FOLDER)
    if as_json:
        write_json(_as_data(names, found, folder, texts, dry_run=dry_run))
    else:
        _show(names, found, folder, texts, dry_run=dry_run)
    return OK


def _next_commands(names: PluginNames, host: Host, folder: Path) -> list[str]:
    import shlex

    from pipelex.scaffold.repository import install_command

    enter = f"cd {shlex.quote(str(folder))}"
    return [enter, install_command(names, host), "pipelex plugins check . && python -m pytest"]


def _as_data(
    names: PluginNames, host: Host, folder: Path, texts: Mapping[str, str], *, dry_run: bool
) -> dict[str, object]:
    return {
        "plugin": names.name,
        "folder": str(folder),
        "written": not dry_run,
        "files": list(texts),
        "pipelex": host.requirement,
        "next": _next_commands(names, host, folder),
    }


def _show(names: PluginNames, host: Host, folder: Path, texts: Mapping[str, str], *, dry_run: bool) -> None:
    write_text(f"{'Would write' if dry_run else 'Wrote'} the plugin '{names.name}': {len(texts)} files")
    for line in _tree(str(folder), texts):
        write_text(line)
    if host.requirement is None:
        write_text(
            "\nIt is not known where this Pipelex came from: name one with --pipelex, or later in pyproject.toml."
        )
    elif host.is_on_this_machine:
        write_text("\nIts CI cannot see this machine: README.md says how it gets a Pipelex.")
    write_text("\nNext, in a virtual environment:")
    for command in _next_commands(names, host, folder):
        write_text(f"  {command}")


def _tree(root: str, texts: Mapping[str, str]) -> list[str]:
    """Draw the files as a tree."""
    lines, shown = [f"{root}/"], set[str]()
    for name in texts:
        *folders, file = name.split("/")
        for depth, part in enumerate(folders, start=1):
            path = "/".join(folders[:depth])
            if path not in shown:
                shown.add(path)
                lines.append(f"{'  ' * depth}{part}/")
        lines.append(f"{'  ' * (len(folders) + 1)}{file}")
    return lines
