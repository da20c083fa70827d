"""Digests of what a text means: comments, docstrings and layout do not count."""

from __future__ import annotations

import io
import json
import tokenize
from hashlib import sha256
from pathlib import PurePosixPath

import tomli

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_CLOSING = {")", "]", "}"}


def digest(text: str) -> str:
    """Return the digest of a text in its normal form, short enough to be read.

    Args:
        text: The text.
    """
    return sha256(text.encode("utf-8")).hexdigest()[:16]


def meaning(path: str, text: str) -> str:
    """Return the normal form of a generated file, by its kind.

    Args:
        path: The file.
        text: Its text.
    """
    suffix = PurePosixPath(path).suffix
    if suffix in {".py", ".pyi"}:
        return code_meaning(text)
    if suffix in {".toml", ".json"}:
        data = tomli.loads(text) if suffix == ".toml" else json.loads(text)
        return json.dumps(data, sort_keys=True, ensure_ascii=False)
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def code_meaning(code: str) -> str:
    """Return Python without comments, docstrings and layout: a logical line each, indented by its depth.

    Args:
        code: Valid Python. It holds no f-string: those fall into other tokens from one Python version to the next.
    """
    lines: list[str] = []
    current: list[tokenize.TokenInfo] = []
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
        elif token.type == tokenize.NEWLINE:
            if any(part.type != tokenize.STRING for part in current):
                lines.append("  " * depth + _joined(current))
            current = []
        elif token.type not in _LAYOUT:
            current.append(token)
    return "\n".join(lines)


def _joined(tokens: list[tokenize.TokenInfo]) -> str:
    """Join the tokens of a line; the comma before a closing bracket is layout, except that of a one-tuple."""
    words: list[str] = []
    for token in tokens:
        if token.string in _CLOSING and words and words[-1] == "," and not _is_one_tuple(words):
            words.pop()
        words.append(token.string)
    return " ".join(words)


def _is_one_tuple(words: list[str]) -> bool:
    """Return whether the trailing comma of ``words`` is the only one inside its plain parentheses."""
    level = 0
    for place in range(len(words) - 2, -1, -1):
        word = words[place]
        if word in _CLOSING:
            level += 1
        elif word in {"(", "[", "{"}:
            if level == 0:
                before = words[place - 1] if place else ""
                return word == "(" and not (before.isidentifier() or before in _CLOSING)
            level -= 1
        elif word == "," and level == 0:
            return False
    return False
