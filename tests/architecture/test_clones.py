"""What is common to drivers stands once, in the published SPI: little of one is repeated in another, names aside."""

from __future__ import annotations

import ast
import io
import keyword
import shutil
import tokenize
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from pipelex.spi.imports import type_checking_guard
from tests.architecture.tree import NOT_COPIED, SRC, python_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROVIDERS = SRC / "pipelex" / "providers"
MOST = 0.05
"""Less than this part of the lines of code below ``providers/`` may stand in another vendor's folder too."""

SHORTEST_RUN = 6
"""So many lines in a row have to be alike before they count: fewer are a language's idioms."""

_FOLDED = {tokenize.STRING: "''", tokenize.NUMBER: "0"}
_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


class Line(NamedTuple):
    """A line of code.

    Attributes:
        file: Where it stands, below the folder that was searched.
        number: Its number there.
        shape: It without its names, texts and numbers.
    """

    file: str
    number: int
    shape: str

    @property
    def vendor(self) -> str:
        """The folder of its driver."""
        return self.file.partition("/")[0]


class Clones(NamedTuple):
    """What was found below a folder of drivers.

    Attributes:
        lines: How many lines of code there are.
        repeated: Those that another vendor's folder has too, in a run that is long enough.
        pairs: Each two modules that are alike somewhere, with how many lines they share, most first.
    """

    lines: int
    repeated: set[Line]
    pairs: list[str]

    @property
    def share(self) -> float:
        """The part of the lines that is repeated, from 0 to 1."""
        return len(self.repeated) / self.lines


def clones_below(folder: Path) -> Clones:
    """Measure the drivers below a folder, one folder per vendor."""
    modules = [list(_code_lines(path, folder)) for path in python_files(folder)]
    places: dict[tuple[str, ...], list[tuple[list[Line], int]]] = defaultdict(list)
    for lines in modules:
        for start in range(len(lines) - SHORTEST_RUN + 1):
            places[tuple(line.shape for line in lines[start : start + SHORTEST_RUN])].append((lines, start))
    repeated: set[Line] = set()
    pairs: dict[tuple[str, str], set[Line]] = defaultdict(set)
    for found in places.values():
        if len({lines[start].vendor for lines, start in found}) == 1:
            continue
        for lines, start in found:
            repeated.update(lines[start : start + SHORTEST_RUN])
        for (one, at), (other, _) in combinations(found, 2):
            if one[0].vendor != other[0].vendor:
                pairs[one[0].file, other[0].file].update(one[at : at + SHORTEST_RUN])
    shown = [
        f"{len(lines)} lines of {one}:{min(line.number for line in lines)} stand in {other} too"
        for (one, other), lines in sorted(pairs.items(), key=lambda pair: -len(pair[1]))
    ]
    return Clones(sum(map(len, modules)), repeated, shown)


def _code_lines(path: Path, folder: Path) -> Iterator[Line]:
    """Yield the lines of a module that say something: no imports, no docstrings, no comments."""
    text = path.read_text(encoding="utf-8")
    left_out = set(_lines_of_no_account(ast.parse(text)))
    shapes: dict[int, list[str]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT and token.start[0] not in left_out:
            shapes[token.start[0]].append(_shape(token))
    file = path.relative_to(folder).as_posix()
    for number, tokens in sorted(shapes.items()):
        yield Line(file, number, " ".join(tokens))


def _shape(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
        return "name"
    return _FOLDED.get(token.type, token.string)


def _lines_of_no_account(module: ast.Module) -> Iterator[int]:
    for node in ast.walk(module):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_guard = isinstance(node, ast.If) and type_checking_guard(node.test) is True
        if isinstance(node, ast.Import | ast.ImportFrom) or (isinstance(node, ast.stmt) and (is_docstring or is_guard)):
            yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)


def test_little_of_a_driver_stands_in_another_one_too() -> None:
    found = clones_below(PROVIDERS)
    assert found.share < MOST, "\n".join([f"{found.share:.1%} of {found.lines} lines are repeated:", *found.pairs])


def test_a_driver_that_is_another_one_under_new_names_is_found(tmp_path: Path) -> None:
    shutil.copytree(PROVIDERS, tmp_path / "providers", ignore=NOT_COPIED)
    planted = tmp_path / "providers" / "planted"
    shutil.copytree(planted.parent / "mistral", planted)
    for path in python_files(planted):
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace("Mistral", "Planted").replace("job", "task").replace("404", "400"), encoding="utf-8"
        )
    found = clones_below(tmp_path / "providers")
    assert found.share >= MOST
    assert " stand in planted/" in found.pairs[0]


def test_what_is_alike_inside_one_folder_does_not_count(tmp_path: Path) -> None:
    lines = "".join(f"value_{number} = {number}\n" for number in range(SHORTEST_RUN))
    for file in ("acme/llm.py", "acme/img_gen.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(lines, encoding="utf-8")
    assert not clones_below(tmp_path).repeated
