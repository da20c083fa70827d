"""What the commands read: prompts, images, ranges of pages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipelex.terminal import is_terminal

if TYPE_CHECKING:
    from pipelex.cogt.inference.media import MediaSource

_MOST_PAGES = 100_000


def text_or_stdin(text: str | None, what: str) -> str:
    """Return a text of the command line; standard input where it is ``-``, or left out and something is piped.

    Args:
        text: The argument as given.
        what: What it is called, for the error.

    Raises:
        click.UsageError: There is no text.
    """
    if text == "-" or (text is None and not stdin_is_terminal()):
        text = _read_stdin(what)
    if text is None or not text.strip():
        msg = f"There is no {what}: give one as an argument, or on standard input."
        raise click.UsageError(msg)
    return text


def stdin_is_terminal() -> bool:
    """Tell whether nothing is piped in; a closed standard input has nothing to give either."""
    return sys.stdin is None or is_terminal(sys.stdin)


def _read_stdin(what: str) -> str:
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        msg = f"The {what} on standard input is not text in {sys.stdin.encoding}."
        raise click.UsageError(msg) from None


def media_sources(names: tuple[str, ...], option: str) -> tuple[MediaSource, ...]:
    """Make sources of files and addresses.

    Raises:
        click.BadParameter: A file is not there, or cannot be read.
    """
    from pipelex.exceptions import InputFileError

    try:
        return tuple(media_source(name) for name in names)
    except InputFileError as exc:
        msg = f"{exc.file or repr(exc.file)}: {exc.reason}"
        raise click.BadParameter(msg, param_hint=option) from None


def media_source(name: str) -> MediaSource:
    """Make a source of a file or an address; what is no regular file (a pipe, ``<(...)``) is read at once.

    Raises:
        InputFileError: There is no such file, or it cannot be read, or a ``data:`` URL cannot be decoded.
    """
    from pipelex.cogt.inference.media import MediaSource
    from pipelex.exceptions import InputFileError

    if not name.strip():
        raise InputFileError(file=name, reason=f"{name!r} is not the name of a file")
    try:
        source = MediaSource.of(name)
        if source.path is None or source.path.is_file():
            return source
        if source.path.is_dir() or not source.path.exists():
            reason = "it is a folder, not a file" if source.path.is_dir() else "there is no such file"
            raise InputFileError(file=name, reason=reason)
        return MediaSource(data=source.read())
    except OSError as exc:
        raise InputFileError(file=name, reason=f"it cannot be read: {exc.strerror or exc}") from None
    except ValueError as exc:
        raise InputFileError(file=name, reason=str(exc)) from None


def parse_pages(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Read a choice of pages such as ``1-3,7``; the order is kept."""
    pages: list[int] = []
    for part in value.split(",") if value else ():
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        bounds = (first, last if dash else first)
        if not all(bound.isascii() and bound.isdigit() for bound in bounds):
            msg = f"{part!r} is no page and no range of pages; write 1-3,7"
            raise click.BadParameter(msg)
        start, stop = map(int, bounds)
        if not 1 <= start <= stop or stop - start + len(pages) >= _MOST_PAGES:
            msg = f"{part!r}: pages count from 1, a range goes upwards, and {_MOST_PAGES} pages are the most"
            raise click.BadParameter(msg)
        pages.extend(range(start, stop + 1))
    return tuple(pages)
