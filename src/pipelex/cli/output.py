"""What the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelex.exceptions import ConfigurationError, MissingCredentialError, UnknownBackendError, UnknownModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipelex.exceptions import PipelexError

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 130

_CONFIGURATION_ERRORS = (ConfigurationError, MissingCredentialError, UnknownBackendError, UnknownModelError)


def write_json(data: object, *, indent: int | None = 2) -> None:
    """Write data to stdout as JSON."""
    import json

    click.echo(json.dumps(data, indent=indent, ensure_ascii=False))


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows to stdout in aligned columns, an empty cell as ``-``."""
    lines = [tuple(columns), *(tuple(cell or "-" for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def note(message: str) -> None:
    """Write one line to stderr."""
    click.echo(" ".join(message.split()), err=True)


def exit_code_of(error: PipelexError) -> int:
    """Return the exit code that an error ends a command with."""
    return MISUSED if isinstance(error, _CONFIGURATION_ERRORS) else FAILED


def write_error(error: PipelexError, *, as_json: bool, about: str | None = None) -> None:
    """Write an error to stderr: its message and its page, or an object on one line.

    Args:
        error: The error.
        as_json: Whether a program reads it.
        about: What it happened to, where that is one of several.
    """
    if as_json:
        _write_json_error({**({"input": about} if about else {}), **error.to_dict()})
        return
    click.echo(f"error: {f'{about}: ' if about else ''}{error}", err=True)
    click.echo(f"see {error.page}", err=True)


def write_click_error(error: click.ClickException, *, as_json: bool) -> None:
    """Write an error of click's, which knows the usage of its command."""
    if as_json:
        _write_json_error({"error": type(error).__name__, "message": error.format_message()})
    else:
        error.show()


def _write_json_error(data: dict[str, object]) -> None:
    import json

    click.echo(json.dumps(data, ensure_ascii=False), err=True)
