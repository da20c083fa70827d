"""Where each key of a TOML text stands, for errors that name a line.

The text has been parsed by tomli before, so this reader follows the structure and checks nothing.
"""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")


class TomlLines:
    """The lines of a TOML text's keys, array items and tables.

    Args:
        text: Valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}
        self._read_document()

    def line(self, path: Path) -> int:
        """Return the line of a key, or of what encloses it where the key is absent; 0 where nothing does."""
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
            keys.append(next(group for group in match.groups() if group is not None))
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
        self._lines.setdefault(path, self._text.count("\n", 0, at) + 1)
