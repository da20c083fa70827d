"""Core names no backend, by import or by string: only spi.toml, its outputs, the drivers and the catalogue do.

In the tables of wire facts a comment names the vendor that documents each, as its source.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import SPEC, SRC, copy_of_src, plant, python_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES_BACKENDS = ("pipelex/providers/", "pipelex/generated/", "pipelex/spi/")
WIRE_FACTS = (
    "pipelex/cogt/error_body.py",
    "pipelex/cogt/error_kinds.py",
    "pipelex/cogt/inference/http_answers.py",
    "pipelex/cogt/model_backends/listed_model.py",
    "pipelex/testing/chat_completions.py",
)
"""Codes, sentences, keys and formats that drivers share: their comments name sources, their code names no backend."""
EVERYDAY_WORDS = frozenset({"local", "gateway"})
"""Names that are words of plain English too: of these, only a whole string literal counts."""
OTHER_MEANINGS = {"pipelex/bulk/ray/cluster.py": "local"}
"""Where such a literal means something else: Ray's word for the address of a cluster that it is to start."""
TRANSPORTS = frozenset({"httpx", "httpx2"})
"""What a driver needs and no vendor made: an HTTP library says nothing of a backend."""


def names_of(builtin: dict[str, object]) -> Iterator[str]:
    """Yield what one row of spi.toml calls its backend: plugin, sdks, imports, distributions, products."""
    yield str(builtin["name"])
    for worker in _rows(builtin, "workers"):
        yield worker["sdk"]
    for required in _rows(builtin, "requires"):
        yield required["import"]
        yield from re.findall(r"^[\w.-]+", required["requirement"])
    for word in re.findall(r"[\w.-]*\w", str(builtin["title"])):
        if "." in word or word not in (word.lower(), word.capitalize(), word.upper()):  # PDFium, llama.cpp, OpenAI
            yield word


def _rows(builtin: dict[str, object], key: str) -> list[dict[str, str]]:
    rows = builtin.get(key, [])
    assert isinstance(rows, list)
    return rows


NAMES = sorted({name.lower() for builtin in SPEC["builtin"] for name in names_of(builtin)} - TRANSPORTS)
_IN_ANY_SPELLING = "|".join(re.sub(r"[-_.]+", "[-_. ]?", name) for name in NAMES if name not in EVERYDAY_WORDS)
PATTERN = re.compile(rf"(?<![a-z0-9])({_IN_ANY_SPELLING})(?![a-z0-9])", re.IGNORECASE)


def backends_named(src: Path) -> list[str]:
    """Return each place where core names a backend, as ``file:line: name``."""
    files = {path.relative_to(src).as_posix(): path for path in python_files(src / "pipelex")}
    return [
        found
        for file, path in files.items()
        if not file.startswith(NAMES_BACKENDS)
        for found in _named_in(file, path.read_text(encoding="utf-8"))
    ]


@cache  # most modules of a copy with a planted fault are those of the tree
def _named_in(file: str, text: str) -> list[str]:
    lines = _without_comments(text) if file in WIRE_FACTS else text.splitlines()
    found = [f"{file}:{number}: {name[0]}" for number, line in enumerate(lines, 1) for name in PATTERN.finditer(line)]
    words = (EVERYDAY_WORDS & set(NAMES)) - {OTHER_MEANINGS.get(file)}
    constants = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return found + [f"{file}:{node.lineno}: {node.value}" for node in constants if node.value in words]


def _without_comments(text: str) -> list[str]:
    """Return the lines of a module, each cut at its comment."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    return lines


def test_the_names_come_from_every_row() -> None:
    assert {builtin["name"] for builtin in SPEC["builtin"]} <= set(NAMES)
    assert {"pypdfium2", "pdfium", "llama_cpp", "llama.cpp", "xllamacpp", "local"} <= set(NAMES)


def test_core_names_no_backend() -> None:
    assert [] == backends_named(SRC)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('DEFAULT_SDK = "llama_cpp"', "llama_cpp"),
        ("import pypdfium2", "pypdfium2"),
        ("# as llama.cpp does it", "llama.cpp"),
        ('TITLE = "Reads PDFs by PDFium"', "PDFium"),
        ('DEFAULT_BACKEND = "local"', "local"),
    ],
)
def test_a_name_in_core_is_found(tmp_path: Path, line: str, named: str) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/hub.py", line)
    assert f"pipelex/hub.py:4: {named}" in backends_named(src)


def test_a_table_of_wire_facts_may_name_a_source_in_a_comment_alone(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    plant(src, WIRE_FACTS[0], "# as llama.cpp does it")
    assert [] == backends_named(src)
    plant(src, WIRE_FACTS[0], 'SERVER = "llama.cpp"')
    assert [f"{WIRE_FACTS[0]}:"] == [found.partition(":")[0] + ":" for found in backends_named(src)]


def test_an_everyday_word_in_prose_is_no_name(tmp_path: Path) -> None:
    src = copy_of_src(tmp_path)
    plant(src, "pipelex/hub.py", "# a local variable, and the string " + repr("a local file"))
    assert backends_named(SRC) == backends_named(src)
