"""Values of parsed TOML and INI files as what they should be; a value of another type counts as absent."""

from __future__ import annotations


def subtable(data: object, *keys: str) -> dict[str, object]:
    """Return the table below some keys; an empty one where there is none.

    Args:
        data: The table to start from.
        keys: The keys, outermost first.
    """
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def strings(value: object) -> dict[str, str]:
    """Return a table with each value as a string.

    Args:
        value: The table.
    """
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def texts(value: object) -> list[str]:
    """Return the strings of an array.

    Args:
        value: The array.
    """
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def text_lines(text: str) -> list[str]:
    """Return the lines of an INI value that are neither empty nor comments.

    Args:
        text: The value.
    """
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def assignments(text: str) -> dict[str, str]:
    """Return the lines ``key = value`` of an INI value.

    Args:
        text: The value.
    """
    pairs = (line.partition("=") for line in text_lines(text))
    return {name.strip(): value.strip() for name, _, value in pairs}
