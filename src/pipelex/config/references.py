"""``${VARIABLE}`` in the texts of a backend's table. A text itself never appears in a message: it may hold a key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def problem_of(text: str) -> str | None:
    """Return what is wrong with the references of a text; ``None`` where nothing is."""
    if text.startswith("$") and _VARIABLE.fullmatch(text[1:]):
        return "an environment variable is written with braces: ${NAME}"
    if "${" in _REFERENCE.sub("", text):
        return "'${' without its '}'. Write '$${' for the two characters themselves"
    if not all(map(_VARIABLE.fullmatch, variables_of(text))):
        return "expected the name of an environment variable between ${ and }"
    return None


def variables_of(text: str) -> tuple[str, ...]:
    """Return the environment variables that a text takes values from, in order of appearance."""
    names = (match[1] for match in _REFERENCE.finditer(text))
    return tuple(name for name in names if name is not None)  # None: the escape $${


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace each reference by the value of its variable, and the escape ``$${`` by ``${``."""
    return _REFERENCE.sub(lambda match: "${" if match[1] is None else values[match[1]], text)
