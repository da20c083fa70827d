"""What the commands write: results to stdout, everything else to stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelex.exceptions import (
    ConfigurationError,
    MissingCredentialError,
    UnknownBackendError,
    UnknownModelError,
    UntrustedConfigurationError,
)
from pipelex.terminal import stdout, unwritable_output, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import click

    from pipelex.exceptions import PipelexError

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 130

_CONFIGURATION_ERRORS = (
    ConfigurationError,
    MissingCredentialError,
    UnknownBackendError,
    UnknownModelError,
    UntrustedConfigurationError,
)


def write_json(data: object, *, indent: int | None = 2) -> None:
    """Write data to stdout as JSON."""
    write_text(_as_json(data, indent=indent))


def write_bytes(data: bytes) -> None:
    """Write bytes to stdout, which is a file or a pipe.

    Raises:
        OutputFileError: They cannot be written.
    """
    stream = stdout()
    if stream is None:
        return
    try:
        stream.buffer.write(data)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise unwritable_output(exc) from exc


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows to stdout in aligned columns, an empty cell as ``-``."""
    lines = [tuple(columns), *(tuple(cell or "-" for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        write_text("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def note(message: str) -> None:
    """Write one line to stderr."""
    write_text(" ".join(message.split()), err=True)


def exit_code_of(error: PipelexError) -> int:
    """Return the exit code that an error ends a command with."""
    from pipelex.bulk.exceptions import MapUsageError

    return MISUSED if isinstance(error, (*_CONFIGURATION_ERRORS, MapUsageError)) else FAILED


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
    write_text(f"error: {f'{about}: ' if about else ''}{error}", err=True)
    write_text(f"see {error.page}", err=True)


def write_click_error(error: click.ClickException, *, as_json: bool) -> None:
    """Write an error of click's, with the usage of its command."""
    if as_json:
        _write_json_error({"error": type(error).__name__, "message": error.format_message()})
    else:
        from io import StringIO

        shown = StringIO()
        error.show(file=shown)
        write_text(shown.getvalue(), err=True, end="")


def _write_json_error(data: dict[str, object]) -> None:
    write_text(_as_json(data), err=True)


def _as_json(data: object, *, indent: int | None = None) -> str:
    """Return JSON that a terminal may show: DEL and C1, which JSON leaves as they are, in JSON's own escaped form."""
    import json
    import re

    text = json.dumps(data, indent=indent, ensure_ascii=False)
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found.group()):04x}", text)


def show_warnings() -> None:
    """Write what libraries log and warn of as one line each to stderr, where they have no other place for it."""
    import logging
    import warnings

    class Noted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(f"warning: {record.getMessage()}")

    def showwarning(message: Warning | str, *_: object, **__: object) -> None:
        note(f"warning: {message}")

    logging.lastResort = Noted(logging.WARNING)
    warnings.showwarning = showwarning
