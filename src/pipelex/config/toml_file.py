"""One TOML file: its data, and the line of each key for the problems that name it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.exceptions import ConfigurationError, ConfigurationProblem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipelex.spi.toml_text import TomlText

_LARGEST = 16 * 2**20  # bytes: far more than a catalogue of ten thousand models takes

KeyPath = tuple[str | int, ...]
"""A key, part by part; an element of a list by its index."""


class TomlFile:
    """A TOML file that was read. Its contents may hold keys, so its ``repr`` names the path alone.

    Args:
        path: Where it was read.
        text: Its text, parsed.
        content: The bytes that were parsed.
        data: Its data, where that is not all of the text's.

    Attributes:
        is_trusted: Whether the user trusts what it says.
    """

    __slots__ = ("_text", "content", "data", "is_trusted", "path")

    def __init__(self, path: Path, text: TomlText, content: bytes, data: dict[str, object] | None = None) -> None:
        self.path = path
        self.content = content
        self.data: dict[str, object] = text.data if data is None else data
        self.is_trusted = True
        self._text = text

    def __repr__(self) -> str:
        return f"TomlFile({str(self.path)!r})"

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """Read and parse a file.

        Raises:
            ConfigurationError: It cannot be read, is larger than 16 MB, or is not TOML. No cause is chained: those of
                the parser and of the decoder carry the whole text.
        """
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST + 1)
        except OSError as exc:
            raise ConfigurationError(file=str(path), reason=f"it cannot be read: {exc.strerror}") from None
        if len(content) > _LARGEST:
            reason = f"it is too large: more than {_LARGEST // 2**20} MB"
            raise ConfigurationError(file=str(path), reason=reason)
        return cls.parse(path, content)

    @classmethod
    def parse(cls, path: Path, content: bytes) -> TomlFile:
        """Parse the content of a file; errors as for :meth:`read`."""
        from pipelex.spi.toml_text import TomlTextError, parse_toml

        try:
            return cls(path, parse_toml(content.decode("utf-8")), content)
        except UnicodeDecodeError as exc:
            line = content[: exc.start].count(b"\n") + 1
            raise ConfigurationError(file=str(path), line=line, reason="it is not UTF-8 text") from None
        except TomlTextError as exc:
            reason = f"it is not valid TOML: {exc.reason[:1].lower()}{exc.reason[1:]}"
            raise ConfigurationError(file=str(path), line=exc.line or None, reason=reason) from None

    def with_data(self, data: dict[str, object]) -> TomlFile:
        """Return this file with some of its data only."""
        file = TomlFile(self.path, self._text, self.content, data)
        file.is_trusted = self.is_trusted
        return file

    def table(self, *key: str) -> dict[str, object]:
        """Return a table of the file; an empty one where there is none."""
        found: object = self.data
        for part in key:
            found = found.get(part) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def problem(self, key: KeyPath, reason: str) -> ConfigurationProblem:
        """Make the problem about a key of this file.

        Args:
            key: The key. Where the file does not state it, the line is that of the innermost table around it.
            reason: What is wrong with it. Must not hold a value that may be secret.
        """
        return ConfigurationProblem(file=str(self.path), reason=reason, line=self.line_of(key), key=name_of(key))

    def line_of(self, key: KeyPath) -> int | None:
        """Return the line, counted from 1, that states a key or the innermost table around it."""
        return self._text.line(key) or None


def read_files(paths: Iterable[Path], problems: list[ConfigurationProblem]) -> list[TomlFile]:
    """Read some files.

    Args:
        paths: The files.
        problems: Takes the problems of each file that cannot be read; such a file is left out.
    """
    files = []
    for path in paths:
        try:
            files.append(TomlFile.read(path))
        except ConfigurationError as exc:
            problems.extend(exc.problems)
    return files


def name_of(key: KeyPath) -> str:
    """Return a key as TOML has it; the elements of a list are not told apart."""
    return ".".join(quoted(part) for part in key if isinstance(part, str))


def quoted(part: str) -> str:
    """Return a part of a key as TOML has it, in quotes where it needs them."""
    return part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
