"""Emits the copy of ``spi.toml`` that the package carries."""

from __future__ import annotations


def emit(text: str) -> str:
    """Return the text without the line that tells editors where the schema is: it is not beside the copy.

    Args:
        text: The text of ``spi.toml``.
    """
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#:schema"))
