"""Text that a command writes: as it is into a pipe or a file, with control characters escaped on a terminal.

Answers, lists of models, pages, messages of servers and names in configuration come from others. On a terminal their
control characters would set its title, clear it, or write to the clipboard (CWE-150).
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pipelex.redaction import redact

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["write_text"]

_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
"""The control characters but tab and newline: C0, DEL and C1, whose ``\\x9b`` begins a sequence as ``ESC [`` does."""


def write_text(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Write text to standard output at once; on a terminal its control characters are escaped.

    Where the process has no standard output, nothing is written.

    Args:
        text: The text.
        err: Whether to write it to standard error. Secrets that were read are masked then, whoever wrote the text: a
            library's log, a plugin. A fault of the system is ignored: there is no place left to report it.
        end: What follows the text.

    Raises:
        BrokenPipeError: What reads the output has ended.
        OutputFileError: The output cannot be written: a full disk, for example.
    """
    stream = sys.stderr if err else stdout()
    if stream is None:
        return
    text = redact(text) if err else text
    try:
        stream.write((escaped(text) if is_terminal(stream) else text) + end)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        if not err:
            raise unwritable_output(exc) from exc


def write_status(text: str = "") -> None:
    """Replace the line of a terminal's standard error that shows progress; without a text it is wiped.

    Args:
        text: What is under way.
    """
    if is_terminal(sys.stderr):
        sys.stderr.write(f"\r\x1b[K{escaped(redact(text))}")
        sys.stderr.flush()


def open_standard_descriptors() -> None:
    """Let closed standard streams lead nowhere: the next file that is opened would be taken for one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


class RedirectedStdout:
    """Leads standard output to standard error while code runs whose output is no answer of ours.

    What that code prints with Python, with native code or with a process of its own goes there.
    """

    def __enter__(self) -> RedirectedStdout:
        self._stream = sys.stdout
        self._descriptor = _descriptor_led_to_stderr()
        sys.stdout = sys.stderr
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout = self._stream
        _flush_stdout()
        if self._descriptor is not None:
            with suppress(OSError):
                os.dup2(self._descriptor, 1)
                os.close(self._descriptor)

    def open_stdout(self) -> TextIO | None:
        """Return a stream that leads where standard output led before."""
        if self._descriptor is None or not _is_on_descriptor_1(self._stream):
            return self._stream
        return _opened(self._descriptor, like=self._stream)


_reserved: tuple[RedirectedStdout, TextIO | None] | None = None


def stdout() -> TextIO | None:
    """Return the stream of the answers; ``None`` where the process has no standard output."""
    return _reserved[1] if _reserved is not None else sys.stdout


def reserve_stdout() -> None:
    """Lead what anything else but ``write_text`` writes to standard output to standard error from now on."""
    global _reserved  # noqa: PLW0603 - a process has one standard output
    if _reserved is None:
        redirected = RedirectedStdout().__enter__()
        _reserved = redirected, redirected.open_stdout()


def release_stdout() -> None:
    """End what ``reserve_stdout`` began."""
    global _reserved  # noqa: PLW0603 - a process has one standard output
    if _reserved is not None:
        _reserved[0].__exit__()
        _reserved = None


def _descriptor_led_to_stderr() -> int | None:
    """Let descriptor 1 lead where 2 does.

    Returns:
        A copy of descriptor 1 as it was; ``None`` where one of the two is closed.
    """
    _flush_stdout()
    try:
        kept = os.dup(1)
    except OSError:
        return None
    try:
        os.dup2(2, 1)
    except OSError:
        os.close(kept)
        return None
    return kept


def reopened(stream: TextIO | None) -> TextIO | None:
    """Return a standard stream of this process; where third-party code closed it, another one like it."""
    if stream is None or not stream.closed or stream not in (sys.__stdout__, sys.__stderr__):
        return stream
    return _opened(1 if stream is sys.__stdout__ else 2, like=stream)  # closing it leaves its descriptor open


def _flush_stdout() -> None:
    if sys.__stdout__ is not None:
        with suppress(OSError, ValueError):  # a closed pipe, a full disk; a file object that is closed
            sys.__stdout__.flush()


def _is_on_descriptor_1(stream: TextIO | None) -> bool:
    with suppress(OSError, ValueError, AttributeError):  # a stream of another kind has no descriptor
        return stream is not None and stream.fileno() == 1
    return False


def _opened(descriptor: int, like: TextIO | None) -> TextIO:
    errors = getattr(like, "errors", None)
    return open(descriptor, "w", encoding=getattr(like, "encoding", None), errors=errors, closefd=False)


def escaped(text: str) -> str:
    r"""Return a text with every control character but tab and newline in escaped form (``\x1b``)."""
    return text.translate(_ESCAPED)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is there and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def unwritable_output(error: OSError) -> Exception:
    """Return the error for a standard output that cannot be written."""
    from pipelex.exceptions import OutputFileError

    return OutputFileError(file="standard output", reason=f"it cannot be written: {error.strerror or error}")
