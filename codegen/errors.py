"""What the generator reports when it cannot go on: every problem at once, each with its file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelex.spi.toml_text import TomlTextError


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: The file at fault, relative to the project.
        line: The line, counted from 1; 0 where none is known.
        where: The key or the signature at fault.
        text: What is wrong with it and what was expected.
    """

    file: str
    line: int
    where: str
    text: str

    def __str__(self) -> str:
        """Render as compilers do, so that editors can jump to it."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.where}: {self.text}" if self.where else f"{place}: {self.text}"


class CodegenError(Exception):
    """The input is wrong; nothing was written.

    Args:
        problems: All that was found, in the order of the files.
    """

    def __init__(self, *problems: Problem) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class FrozenError(CodegenError):
    """A frozen version is not what was frozen. That is a finding, not a question that is left open."""


def not_toml(file: str, error: TomlTextError) -> CodegenError:
    """Make the error of a file that cannot be parsed.

    Args:
        file: The file, relative to the project.
        error: What the parser found.
    """
    return CodegenError(Problem(file, error.line, "", f"{error.reason}; expected TOML"))


def raise_any(problems: list[Problem]) -> None:
    """Raise what a step found, if it found anything.

    Args:
        problems: What it found.

    Raises:
        CodegenError: It found something.
    """
    if problems:
        raise CodegenError(*problems)
