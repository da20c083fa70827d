"""The project as text: every file that the generator reads passes through here and is noted for the fast path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.errors import CodegenError, Problem, not_toml
from codegen.freshness import ABSENT, digest
from pipelex.spi.toml_text import TomlText, TomlTextError, parse_toml

if TYPE_CHECKING:
    from pathlib import Path

SOURCE_ROOT = "src"
SPEC_FILE = "spi.toml"


class Project:
    """A folder with ``spi.toml``, ``pyproject.toml`` and ``src/``.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: dict[str, str] = {}
        """The digest of every file that was asked for, as it was read; absent ones count as such."""
        self._overlay: dict[str, str] = {}

    def read(self, path: str) -> str:
        """Return the text of a file.

        Args:
            path: The file, relative to the root.

        Raises:
            CodegenError: It cannot be read.
        """
        if path in self._overlay:
            return self._overlay[path]
        try:
            content = (self.root / path).read_bytes()
            self.seen[path] = digest(content)
            return content.decode("utf-8-sig").replace("\r\n", "\n")
        except FileNotFoundError as exc:
            raise CodegenError(Problem(path, 0, "", "no such file")) from exc
        except (OSError, UnicodeDecodeError) as exc:
            raise CodegenError(Problem(path, 0, "", f"cannot be read: {exc}")) from exc

    def read_toml(self, path: str) -> TomlText:
        """Parse a TOML file.

        Args:
            path: The file, relative to the root.

        Raises:
            CodegenError: It cannot be read, or is no TOML.
        """
        try:
            return parse_toml(self.read(path))
        except TomlTextError as exc:
            raise not_toml(path, exc) from exc

    def overlay(self, path: str, text: str) -> None:
        """Let a file that is about to be written be read as if it were.

        Args:
            path: The file, relative to the root.
            text: Its text to come.
        """
        self._overlay[path] = text

    def has(self, path: str) -> bool:
        """Return whether there is a file; its content does not matter, that it is there does.

        Args:
            path: The file, relative to the root.
        """
        found = (self.root / path).is_file()
        if found:
            self.read(path)
        else:
            self.seen[path] = ABSENT
        return found

    def module_path(self, module: str) -> str | None:
        """Return the file of a module, relative to the root, or ``None`` where there is none.

        Args:
            module: The module's dotted name.
        """
        stem = f"{SOURCE_ROOT}/{module.replace('.', '/')}"
        for path in (f"{stem}.py", f"{stem}/__init__.py"):
            if (self.root / path).is_file():
                return path
            self.seen[path] = ABSENT
        return None
