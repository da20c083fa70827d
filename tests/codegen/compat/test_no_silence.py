"""No difference of two stub trees is passed over: every planted edit of a declaration is drafted as a finding."""

from __future__ import annotations

import ast
import copy
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from codegen.changes import declared_in
from codegen.compat import compare
from codegen.compat.compare import Job
from codegen.compat.drafting import signatures
from codegen.compat.reading.trees import STUBS, StubTree, api_version, read_tree
from codegen.compat.report import as_text
from codegen.errors import CodegenError
from codegen.project import Project
from codegen.spec import Change
from pipelex.spi.type_check import UndecidedError
from tests.codegen.compat.small_spi import tree
from tests.codegen.compat.test_real_trees import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Edit = Callable[[], None]


def planted(module: ast.Module) -> Iterator[tuple[str, Edit]]:
    """Yield the edits of a module, each with where it is: whatever stands in it is taken out or made another."""
    texts = [node.value for node in ast.walk(module) if isinstance(node, ast.Expr)]
    texts += [node.args[0] for node in ast.walk(module) if isinstance(node, ast.Call) and node.args]
    for node in ast.walk(module):
        if node in texts:
            continue  # documentation, the name of a type variable
        line = getattr(node, "lineno", 0)
        for name, value in ast.iter_fields(node):
            for text, edit in _edits(node, name, value):
                yield f"line {line}: {text}", edit


def _edits(node: ast.AST, name: str, value: object) -> Iterator[tuple[str, Edit]]:
    match node, name, value:
        case ((ast.Expr() | ast.Import() | ast.ImportFrom() | ast.alias()), _, _):
            return  # documentation; an import shows where it is used
        case ((ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef()), "name", str()):
            yield f"{value} renamed", lambda: setattr(node, "name", f"{value}x")
        case ast.arg(), "arg", str() if value not in {"self", "cls"}:
            yield f"parameter {value} renamed", lambda: setattr(node, "arg", f"{value}x")
        case ast.keyword(), "arg", str() if value != "init":
            yield f"keyword {value} taken out", lambda: node.__dict__.update(arg="repr", value=ast.Constant(False))
        case ast.Constant(), "value", bool() | int() | str():
            yield f"{value!r} made another", lambda: setattr(node, "value", _another(value))
        case ast.Name(), "id", "str" | "int" | "bool" | "object" | "float":
            yield f"{value} made bytes", lambda: setattr(node, "id", "bytes")
        case ((ast.ClassDef() | ast.Module()), "body", list()):
            for one in value:
                text = ast.unparse(one)
                if text.startswith("__all__"):
                    continue  # a module without it publishes what it defines: the same
                if not isinstance(one, ast.Expr | ast.Import | ast.ImportFrom):
                    yield f"{text[:30]!r} taken out", _taken_out(value, one)
        case _, "decorator_list" | "bases" | "keywords" | "elts", list() if not isinstance(node, ast.Tuple):
            for one in value:
                yield f"{ast.unparse(one)!r} taken out", _taken_out(value, one)
        case ast.arguments(), "kwonlyargs", list() if None in node.kw_defaults:
            yield "keyword-only marks taken out", lambda: _lifted(node)
        case ast.FunctionDef(), "returns", ast.expr() if node.name != "__init__":
            yield "return type made another", lambda: setattr(node, "returns", ast.Name("bytes"))


def _another(value: object) -> object:
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}x"


def _taken_out(values: list[ast.AST], one: ast.AST) -> Edit:
    return lambda: values.__setitem__(slice(None), [other for other in values if other is not one])


def _lifted(node: ast.arguments) -> None:
    """Make keyword-only parameters without defaults positional."""
    pairs = list(zip(node.kwonlyargs, node.kw_defaults, strict=True))
    node.args += [arg for arg, default in pairs if default is None]
    node.kwonlyargs = [arg for arg, default in pairs if default is not None]
    node.kw_defaults = [default for _, default in pairs if default is not None]


def silences(old: StubTree, *, most: int | None = None) -> tuple[int, list[str]]:
    """Return how many edits of a tree were compared, and those of them that nothing is said about."""
    places = [(path, place) for path, text in old.files.items() for place, _ in enumerate(planted(ast.parse(text)))]
    random.Random(7).shuffle(places)
    compared, silent = 0, []
    for path, place in places[:most]:
        module = ast.parse(old.files[path])
        where, edit = list(planted(module))[place]
        edit()
        try:
            new = StubTree("new", {**old.files, path: ast.unparse(copy.deepcopy(module))})
            drafts = Job(old, new, "spi").drafts
        except (CodegenError, UndecidedError, SyntaxError, ValueError):
            continue  # no longer a stub tree: that has an error of its own
        compared += 1
        if not any(not draft.only_breaking for draft in drafts):
            silent.append(f"{path} {where}")
    return compared, silent


def test_a_planted_edit_of_the_small_spi_is_spoken_of() -> None:
    """The cheap sibling of the heavy tests."""
    compared, silent = silences(tree("old"), most=30)
    assert [] == silent
    assert compared > 20


@pytest.mark.heavy
def test_every_planted_edit_of_the_small_spi_is_spoken_of() -> None:
    compared, silent = silences(tree("old"))
    assert [] == silent
    assert compared > 250


def test_without_the_catch_all_an_edit_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted failure: the tests above can go red."""
    old = tree("old", ("model", "@dataclass\nclass Options", "@dataclass(slots=True)\nclass Options"))
    assert ["undecided"] == [draft.kind for draft in Job(tree("new"), old, "spi").drafts]
    monkeypatch.setattr(compare, "undecided", lambda *_arguments: ())
    assert [] == Job(tree("new"), old, "spi").drafts


@pytest.mark.heavy
def test_every_planted_edit_of_the_real_contract_is_spoken_of() -> None:
    real = read_tree(ROOT / STUBS / f"v{api_version(Project(ROOT))}", "real")
    compared, silent = silences(real, most=40)
    assert [] == silent
    assert compared > 25


def test_an_undecided_change_counts_as_a_break_until_an_entry_declares_it() -> None:
    new = tree("new", ("model", "@dataclass\nclass Options", "@dataclass(slots=True)\nclass Options"))
    verdict = compare.compare(tree("old"), new, witnesses=False)
    (finding,) = verdict.findings
    assert ("undecided", True, False) == (finding.kind, finding.undecided, verdict.compatible)
    assert "no rule judges its slots" in finding.note
    text = as_text(verdict)
    assert "COULD NOT TELL: 1 change that no rule judges" in text
    assert "BREAK" not in text
    entry = {"kind": "undecided", "symbol": finding.symbol, "why": "so", "todo": "set no further attribute"}
    assert () == verdict.undeclared(declared_in([Change.model_validate(entry)]))


_PARAMETERS = (
    "a: int",
    "a: int = ...",
    "a: int, /",
    "*, a: int",
    "*, a: int = ...",
    "*a: int",
    "**a: int",
    "a: int = ..., b: int = ...",
    "b: int, *a: int",
    "*b: int, a: int",
    "*c: str, **a: int",
    "self: int, a: int",
)
"""A parameter in each of its kinds, with and without a default, alone and beside others."""


def _function(parameters: str, *, of_g: str = "int") -> StubTree:
    return tree("one", ("extra", "", f"def f({parameters}) -> int: ...\ndef g(x: {of_g}) -> int: ...\n"))


def test_each_change_of_parameters_is_drafted_and_asked_in_valid_python() -> None:
    changes = list(itertools.permutations(_PARAMETERS, 2))
    texts = [
        "".join(f"def f{at}({one}) -> int: ...\n" for at, one in enumerate(side)) for side in zip(*changes, strict=True)
    ]
    old, new = (tree("one", ("extra", "", text)) for text in texts)
    job = Job(old, new, "spi")
    drafted = {draft.symbol for draft in job.drafts}
    assert [] == [change for at, change in enumerate(changes) if f"pipelex.extra:f{at}" not in drafted]
    assert {} == job.sheet.answers(job.program, {}).unread


def test_a_question_that_is_no_valid_python_leaves_its_own_symbol_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "_STARS", set())
    old, new = _function("*a: int"), _function("a: int = ..., b: int = ...", of_g="str")
    findings = compare.compare(old, new, witnesses=False).findings
    (unread,) = (finding for finding in findings if finding.undecided)
    assert unread.symbol == "pipelex.extra:f"
    assert "cannot have default value" in unread.note
    assert "parameter-retyped" in {one.kind for one in findings if one.symbol == "pipelex.extra:g" and one.breaking}


def test_an_entry_of_all_that_is_taken_out_is_undecided_and_one_that_names_nothing_is_an_error() -> None:
    text = '__all__ = ["f", "g"]\ndef f() -> int: ...\ndef g() -> int: ...\n'
    old, new = tree("old", ("extra", "", text)), tree("new", ("extra", "", text.replace(', "g"', "")))
    (finding,) = compare.compare(old, new, witnesses=False).findings
    assert ("pipelex.extra:g", True) == (finding.symbol, finding.undecided)
    assert "its entry in __all__" in finding.note
    with pytest.raises(CodegenError, match="'__all__' has 'h', which it neither defines nor imports"):
        compare.compare(old, tree("new", ("extra", "", text.replace('"g"', '"h"'))), witnesses=False)
