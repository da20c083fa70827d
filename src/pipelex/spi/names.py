"""Names of plugins, sdks, commands and extras: which are valid, and which spellings are the same name."""

from __future__ import annotations

IDENTIFIER_PATTERN = r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$"
"""The one rule for the name of a plugin, an sdk or a command, as a regular expression."""

IDENTIFIER_RULE = "a lowercase identifier (letters and digits, with '_', '-' or '.' between them)"
"""The same rule in words, for error messages."""


def is_identifier(text: str) -> bool:
    """Return whether a text is a valid name of a plugin, an sdk or a command.

    Args:
        text: The text.
    """
    from re import fullmatch  # the contract is imported without it

    return fullmatch(IDENTIFIER_PATTERN, text) is not None


def canonical(name: str) -> str:
    """Return the canonical spelling of a name (PEP 503): ``Acme_AI``, ``acme.ai`` and ``acme--ai`` are ``acme-ai``.

    Args:
        name: The name.
    """
    spelling = name.lower().replace("_", "-").replace(".", "-")
    while "--" in spelling:
        spelling = spelling.replace("--", "-")
    return spelling
