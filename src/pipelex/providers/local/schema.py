"""JSON schemas made fit for llama.cpp, whose grammar then holds every token of the answer to them.

What the grammar cannot hold (a look-behind, a huge repetition) is left out of it rather than refused: the answer is
validated afterwards in any case. The engine prints to the terminal about such parts, or runs out of memory on them.
"""

from __future__ import annotations

import re
from typing import Any

from pipelex.cogt.llm.answer_schemas import map_schema

MAX_STRING = 512
"""The longest string where the schema sets no bound, in characters: a small model may never end one by itself."""
MAX_ITEMS = 32
"""The longest list where the schema sets no bound."""
_MAX_REPETITIONS = 1000  # the engine refuses a grammar that demands some 2,000 repetitions

_SAFE_PATTERN = re.compile(
    r"\^(?:[A-Za-z0-9 _:/@,#%&=!<>~'\"-]|\[[A-Za-z0-9 _-]+\]|\\[.\-/+*?()]|[()|+*?]|\{\d{1,2}(?:,\d{1,2})?\})*\$"
)
_CLASSES = {r"\d": "[0-9]", r"\w": "[A-Za-z0-9_]"}


def for_grammar(schema: dict[str, object]) -> dict[str, object]:
    """Return a copy of a JSON schema whose every string and list has an end.

    Args:
        schema: The schema of the answer.

    Raises:
        ValueError: The schema demands more of something than it allows.
    """
    return map_schema(schema, _bound)


def _bound(schema: dict[str, Any]) -> dict[str, Any]:
    bounded = dict(schema)
    if "pattern" in bounded:
        _fit_pattern(bounded)
    if bounded.get("type") == "string" and not bounded.keys() & {"pattern", "enum", "const"}:
        _fit_range(bounded, "minLength", "maxLength", MAX_STRING)
    if bounded.get("type") == "array" and "prefixItems" not in bounded:
        _fit_range(bounded, "minItems", "maxItems", MAX_ITEMS)
    return bounded


def _fit_range(schema: dict[str, Any], least_key: str, most_key: str, default: int) -> None:
    least, most = schema.get(least_key, 0), schema.get(most_key)
    if most is not None and least > most:
        msg = f"nothing fits a schema with {least_key} {least} and {most_key} {most}"
        raise ValueError(msg)
    if least > _MAX_REPETITIONS:
        del schema[least_key]
    schema[most_key] = max(default, least) if most is None else most


def _fit_pattern(schema: dict[str, Any]) -> None:
    pattern = str(schema.pop("pattern"))
    for short, long in _CLASSES.items():
        pattern = pattern.replace(short, long)
    if _SAFE_PATTERN.fullmatch(pattern):
        schema["pattern"] = pattern
