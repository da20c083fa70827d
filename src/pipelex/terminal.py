"""Text that a command writes: as it is into a pipe or a file, with control characters escaped on a terminal.

Answers, lists of models, pages, messages of servers and names in configuration come from others. On a terminal their
control characters would set its title, clear it, or write to the clipboard (CWE-150).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

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
        err: Whether to write it to standard error. A fault of the system is then ignored: there is no place left to
            report it.
        end: What follows the text.

    Raises:
        BrokenPipeError: What reads the output has ended.
        OutputFileError: The output cannot be written: a full disk, for example.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
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
        sys.stderr.write(f"\r\x1b[K{escaped(text)}")
        sys.stderr.flush()


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
