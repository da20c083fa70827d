"""TOML text, parsed within bounds, with the line of every key, so that an error names file, key and line."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]
"""The way to a value: keys, and indices into arrays."""

MAX_NESTING = 100
"""How deep tables and arrays may nest: far more than a file has, far less than Python's stack."""
_MAX_INTEGER = 2**63 - 1  # what the TOML specification asks of an implementation
_MAX_BITS = 4096  # of an integer in another base than ten, which is parsed at any length, and printed at none
_TOO_LONG = "an integer with too many digits"

_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_DEPTH_TOKEN = re.compile(rf"{_STRING.pattern}|#[^\n]*|[\[\]{{}}]|[0-9][0-9_]{{4000,}}", re.DOTALL)


class TomlTextError(ValueError):
    """A text is not TOML, or beyond what is read.

    Args:
        line: The line, counted from 1; 0 where none is known.
        reason: What is wrong.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


class TomlText:
    """A parsed TOML text.

    Attributes:
        data: Its data.

    Args:
        data: Its data.
        text: The text that the data was parsed from.
    """

    def __init__(self, data: dict[str, Any], text: str) -> None:
        self.data = data
        self._text = text

    @cached_property
    def _lines(self) -> _Lines:
        return _Lines(self._text)

    def line(self, path: Path) -> int:
        """Return the line of a key, or of what encloses it where the key is absent; 0 where nothing does.

        Args:
            path: The key.
        """
        return self._lines.line(path)

    def numbers_out_of_bounds(self) -> Iterator[tuple[Path, str]]:
        """Yield each number that no setting can mean, with what is wrong with it.

        That is ``inf``, ``nan`` and integers beyond 64 bits: TOML has them, and arithmetic on them fails later.
        """
        for path, value in _walk(self.data):
            if isinstance(value, float) and not math.isfinite(value):
                yield path, f"{value} is not a finite number"
            elif isinstance(value, int) and abs(value) > _MAX_INTEGER:
                yield path, "an integer beyond 64 bits"


def parse_toml(text: str) -> TomlText:
    """Parse a TOML text.

    Args:
        text: The text; a byte order mark before it is ignored.

    Returns:
        Its data, with the line of every key.

    Raises:
        TomlTextError: It is not TOML, nests more than ``MAX_NESTING`` levels deep, or has an integer that Python
            refuses to convert.
    """
    import tomli

    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    too_deep = f"nested more than {MAX_NESTING} levels deep"
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as exc:
        raise TomlTextError(exc.lineno, exc.msg) from exc
    except RecursionError as exc:
        raise TomlTextError(_line_of_nesting(text), too_deep) from exc
    except ValueError as exc:  # int() limits how many digits it converts
        raise TomlTextError(_line_of_long_number(text), _TOO_LONG) from exc
    parsed = TomlText(data, text)
    for path, value in _walk(data):
        if len(path) > MAX_NESTING:
            raise TomlTextError(_line_of_nesting(text), too_deep)
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise TomlTextError(parsed.line(path), _TOO_LONG)
    return parsed


def _walk(data: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield every value below a table with its path, without recursion: what comes may be nested very deep."""
    waiting: list[tuple[Path, Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if path:
            yield path, value
        if len(path) <= MAX_NESTING and isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [((*path, key), item) for key, item in items]


def _line_of_nesting(text: str) -> int:
    """Return the line on which brackets or dotted keys first nest too deep; 0 where none does."""
    depth = 0
    for token in _DEPTH_TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > MAX_NESTING:
            return text.count("\n", 0, token.start()) + 1
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.count(".") >= MAX_NESTING), 0)


def _line_of_long_number(text: str) -> int:
    found = (token for token in _DEPTH_TOKEN.finditer(text) if token[0][0].isdigit())
    return next((text.count("\n", 0, token.start()) + 1 for token in found), 0)


class _Lines:
    """The lines of a TOML text's keys, array items and tables.

    Args:
        text: Valid TOML: this reader follows the structure and checks nothing.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted = (0, 1)  # a position, and its line
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}
        self._read_document()

    def line(self, path: Path) -> int:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 0)

    def _read_document(self) -> None:
        prefix: Path = ()
        while self._skip_blank():
            if self._text[self._at] == "[":
                prefix = self._read_header()
            else:
                self._read_pair(prefix)

    def _skip_blank(self) -> bool:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def _read_header(self) -> Path:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        path = self._within_arrays(self._read_key())
        self._at += 2 if is_array else 1
        if is_array:
            index = self._tables.get(path, -1) + 1
            self._tables[path] = index
            path = (*path, index)
        self._note(path, start)
        return path

    def _within_arrays(self, keys: Path) -> Path:
        """Insert the index of the current item wherever a prefix of the keys is an array of tables."""
        path: Path = ()
        for depth, key in enumerate(keys, start=1):
            path = (*path, key)
            if depth < len(keys) and path in self._tables:
                path = (*path, self._tables[path])
        return path

    def _read_key(self) -> Path:
        keys: list[str] = []
        while match := _KEY.match(self._text, self._at):
            basic, literal, bare = match.groups()
            keys.append(_unescaped(basic) if basic is not None else literal if literal is not None else bare)
            self._at = match.end()
            if not self._text.startswith(".", self._at):
                break
            self._at += 1
        return tuple(keys)

    def _read_pair(self, prefix: Path) -> None:
        start = self._at
        path = prefix + self._read_key()
        self._note(path, start)
        self._at += 1  # the equals sign
        self._read_value(path)

    def _read_value(self, path: Path) -> None:
        self._skip_blank()
        opening = self._text[self._at : self._at + 1]
        if opening == "[":
            self._read_items(path, "]")
        elif opening == "{":
            self._read_items(path, "}")
        else:
            match = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = match.end() if match else len(self._text)

    def _read_items(self, path: Path, closing: str) -> None:
        self._at += 1
        index = 0
        while self._skip_blank() and self._text[self._at] != closing:
            if closing == "}":
                self._read_pair(path)
            else:
                self._note((*path, index), self._at)
                self._read_value((*path, index))
            index += 1
            self._skip_blank()
            if self._text.startswith(",", self._at):
                self._at += 1
        self._at += 1

    def _note(self, path: Path, at: int) -> None:
        position, line = self._counted
        line += self._text.count("\n", position, at)
        self._counted = (at, line)
        for length in range(1, len(path)):  # a key states the tables that its dots run through, too
            self._lines.setdefault(path[:length], line)
        self._lines[path] = line  # a table's own header counts, though one of a table in it may come first


def _unescaped(key: str) -> str:
    """Return a key that is written as a basic string, without its quotes, as the parser understands it."""
    if "\\" not in key:
        return key
    import tomli

    return next(iter(tomli.loads(f'"{key}" = 0')))
