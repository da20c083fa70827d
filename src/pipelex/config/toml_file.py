"""One TOML file: its data, and the line of each key for the errors about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KeyPath = tuple[str, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER_LINE = rf"\s*\[\[?\s*({_DOTTED})\s*\]"  # for errors alone: compiled when there is one
_KEY_LINE = rf"\s*({_DOTTED})\s*="
_MULTILINE_QUOTES = r'"""|\'\'\''


class TomlFile:
    """A TOML file that was read. Its contents may hold keys, so its ``repr`` names the path alone.

    Args:
        path: Where it was read.
        text: What it holds.
        data: The same, parsed.
    """

    __slots__ = ("data", "path", "text")

    def __init__(self, path: Path, text: str, data: dict[str, object]) -> None:
        self.path = path
        self.text = text
        self.data = data

    def __repr__(self) -> str:
        return f"TomlFile({str(self.path)!r})"

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """Read and parse a file.

        Raises:
            ConfigurationError: It cannot be read, or is not TOML. No cause is chained: those of the parser and
                of the decoder carry the whole text.
        """
        import tomli

        try:
            text = path.read_text(encoding="utf-8-sig")
            return cls(path, text, tomli.loads(text))
        except OSError as exc:
            raise ConfigurationError(file=str(path), reason=f"it cannot be read: {exc.strerror}") from None
        except UnicodeDecodeError as exc:
            line = path.read_bytes()[: exc.start].count(b"\n") + 1
            raise ConfigurationError(file=str(path), line=line, reason="it is not UTF-8 text") from None
        except tomli.TOMLDecodeError as exc:
            reason = f"it is not valid TOML: {exc.msg[:1].lower()}{exc.msg[1:]} (column {exc.colno})"
            raise ConfigurationError(file=str(path), line=exc.lineno, reason=reason) from None

    def error(self, key: KeyPath, reason: str) -> ConfigurationError:
        """Make the error about a key of this file.

        Args:
            key: The key, part by part.
            reason: What is wrong with it. Must not hold a value that may be secret.
        """
        return ConfigurationError(
            file=str(self.path), line=self.line_of(key), key=".".join(quoted(part) for part in key), reason=reason
        )

    def line_of(self, key: KeyPath) -> int | None:
        """Return the line, counted from 1, that states a key or the innermost table around it."""
        best_line, best_depth = None, 0
        for line, stated in _stated_keys(self.text):
            depth = _common_depth(stated, key)
            if depth > best_depth:
                best_line, best_depth = line, depth
        return best_line


def _stated_keys(text: str) -> Iterator[tuple[int, KeyPath]]:
    """Yield each line that states a table or a key, with the whole path that it states."""
    table: KeyPath = ()
    open_quotes: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        inside = open_quotes is not None
        for quotes in re.findall(_MULTILINE_QUOTES, line):
            if open_quotes is None:
                open_quotes = quotes
            elif open_quotes == quotes:
                open_quotes = None
        if inside:
            continue
        if header := re.match(_HEADER_LINE, line):
            table = _parts(header[1])
            yield number, table
        elif assignment := re.match(_KEY_LINE, line):
            yield number, (*table, *_parts(assignment[1]))


def _parts(dotted: str) -> KeyPath:
    """Split a dotted key as TOML does, quotes and all."""
    import tomli

    node: object = tomli.loads(f"{dotted} = 0")
    parts: list[str] = []
    while isinstance(node, dict):
        [(part, node)] = node.items()
        parts.append(part)
    return tuple(parts)


def _common_depth(stated: KeyPath, key: KeyPath) -> int:
    depth = 0
    for left, right in zip(stated, key, strict=False):
        if left != right:
            break
        depth += 1
    return depth


def quoted(part: str) -> str:
    """Return a part of a key as TOML has it, in quotes where it needs them."""
    return part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
