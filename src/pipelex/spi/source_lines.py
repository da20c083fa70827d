"""The lines of a source file as Python counts them."""

from __future__ import annotations


def source_lines(text: str) -> list[str]:
    r"""Return the lines of a text, each with its line end: ``\n``, ``\r\n`` or ``\r``.

    Python and mypy count lines so. ``str.splitlines`` also breaks at a form feed, ``\x0b``, ``\x1c``, U+0085 and
    U+2028, which a source file may contain in the middle of a line.

    Args:
        text: The text.
    """
    import io

    return list(io.StringIO(text, newline=""))
