"""A module of the author's: its text, its tree, its imports and the waivers in its comments."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from pipelex.reading.place import Place, UnreadableError
from pipelex.spi.imports import read_imports
from pipelex.spi.source_lines import source_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelex.spi.imports import Import

WAIVER = re.compile(r"#\s*pipelex:\s*allow\[(?P<ids>[^\]]*)\](?P<reason>.*)$")


class Waiver(NamedTuple):
    """One ``# pipelex: allow[ID] reason``.

    Attributes:
        ids: The rules that it waives.
        reason: Why.
        place: Where it is.
        line: The line whose findings it waives.
    """

    ids: tuple[str, ...]
    reason: str
    place: Place
    line: int


class SourceModule:
    """A module, parsed when its tree is first asked for.

    Args:
        name: Its dotted name.
        path: Its file.
        text: Its text.
    """

    def __init__(self, name: str, path: Path, text: str) -> None:
        self.name = name
        self.path = path
        self.text = text
        self.lines = [line.rstrip("\r\n") for line in source_lines(text)]
        self.is_package = path.stem == "__init__"

    @cached_property
    def tree(self) -> ast.Module:
        """Its tree.

        Raises:
            UnreadableError: It is no Python, or none of the version that runs.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a doubtful escape in a string is not ours to judge
                return ast.parse(self.text)
        except (SyntaxError, ValueError) as exc:
            line = exc.lineno if isinstance(exc, SyntaxError) else None
            reason = exc.msg if isinstance(exc, SyntaxError) else str(exc)
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise UnreadableError(
                subject=f"{self.path}:{line}" if line else str(self.path),
                reason=f"it is no Python {version} ({reason})",
                fix="Correct it, or run this command under the version of Python that it is written for",
                line=line,
            ) from exc

    def is_unchanged(self) -> bool:
        """Return whether its file still holds the text that was read."""
        try:
            return _text_of(self.path) == self.text
        except (OSError, SyntaxError, UnicodeDecodeError):
            return False

    def place(self, node: ast.AST) -> Place:
        """Return where a node is.

        Args:
            node: A node of this module's tree.
        """
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end = getattr(node, "end_col_offset", 0) if getattr(node, "end_lineno", 0) == line else 0
        return self.place_at(line, column + 1, end + 1 if end else 0)

    def place_at(self, line: int, column: int = 1, end_column: int = 0) -> Place:
        """Return a place by its line and column, both counted from 1."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Place(file=self.path, line=line, column=column, end_column=end_column, source=text)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import, wherever in the module it is."""
        return tuple(read_imports(self.tree, self.name, is_package=self.is_package))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree; the rules look at them again and again."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def bindings(self) -> dict[str, Import]:
        """What each imported name refers to; where a name is bound twice, the first one counts."""
        found: dict[str, Import] = {}
        for one in self.imports:
            found.setdefault(one.bound, one)
        return found

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """The statement that defines each name at the top level, the last one where there are several."""
        found: dict[str, ast.stmt] = {}
        for node in _top_level(self.tree.body):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update({target.id: node for target in targets if isinstance(target, ast.Name)})
        return found

    @cached_property
    def comments(self) -> tuple[tuple[int, int, str], ...]:
        """Every comment as line, column (both from 1) and text; only a module that has one of ours is tokenized."""
        if not any(mark in self.text for mark in ("pipelex:", "type:", "mypy:", "pyright:", "ty:")):
            return ()
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        found = []
        try:
            found = [(*token.start, token.string) for token in tokens if token.type == tokenize.COMMENT]
        except (tokenize.TokenError, IndentationError, SyntaxError):  # it was parsed, so this is beyond reach
            return ()
        return tuple((line, column + 1, text) for line, column, text in found)

    @cached_property
    def waivers(self) -> tuple[Waiver, ...]:
        """The waivers: at the end of a line for that line, alone on a line for the next line of code."""
        return tuple(self._waivers())

    def _waivers(self) -> Iterator[Waiver]:
        for line, column, text in self.comments:
            match = WAIVER.search(text)
            if match is None:
                continue
            ids = tuple(part.strip() for part in match["ids"].split(",") if part.strip())
            alone = not self.lines[line - 1][: column - 1].strip()
            yield Waiver(
                ids=ids,
                reason=match["reason"].strip(),
                place=self.place_at(line, column, column + len(text)),
                line=self._next_code_line(line) if alone else line,
            )

    def _next_code_line(self, line: int) -> int:
        for number in range(line + 1, len(self.lines) + 1):
            stripped = self.lines[number - 1].strip()
            if stripped and not stripped.startswith("#"):
                return number
        return line


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those under its ``if`` and ``try`` too."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _top_level([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [child for handler in node.handlers for child in handler.body]
            yield from _top_level([*node.body, *handlers, *node.orelse, *node.finalbody])
        else:
            yield node


def read_module(name: str, path: Path) -> SourceModule:
    """Read a module.

    Args:
        name: Its dotted name.
        path: Its file.

    Raises:
        UnreadableError: It cannot be read.
    """
    try:
        return SourceModule(name, path, _text_of(path))
    except (OSError, SyntaxError, UnicodeDecodeError, LookupError) as exc:  # the last: a codec that is none of text
        reason = f"it cannot be read ({type(exc).__name__}: {exc})"
        raise UnreadableError(subject=str(path), reason=reason, fix="Correct it and run again") from exc


def _text_of(path: Path) -> str:
    with tokenize.open(path) as file:
        return file.read()
