"""What a difference can reach is compared and asked about, over any number of steps; nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codegen.compat import compare
from codegen.compat.compare import Job, compare_all
from codegen.compat.proving import witnesses
from codegen.compat.reading import pair
from codegen.compat.reading.pair import read_pair
from pipelex.spi.type_check import UndecidedError
from tests.codegen.compat.small_spi import everything, tree
from tests.codegen.compat.table import ROWS, SAMPLE

if TYPE_CHECKING:
    from pathlib import Path

    from codegen.compat.reading.trees import StubTree

USE = "pipelex.use:use"
_BASE = """
from __future__ import annotations
from typing import TypeAlias, TypeVar
from typing_extensions import Protocol
Number: TypeAlias = int
Numbers: TypeAlias = list[Number]
BoundT = TypeVar("BoundT", bound=Numbers)
class Root:
    def number(self) -> int: ...
class Middle(Root): ...
class Leaf(Middle): ...
DEFAULT: int = 1
"""
_USE = "from pipelex.base import BoundT, DEFAULT, Leaf, Middle, Number, Numbers, Root\n"


def _trees(use: str, old: str, new: str) -> tuple[StubTree, StubTree]:
    """Return two trees: one module is edited, another is the same text in both and uses it."""
    edits = (("base", "", _BASE), ("use", "", _USE + use))
    return tree("old", *edits), tree("new", *edits, ("base", old, new))


_NUMBER = ("Number: TypeAlias = int", "Number: TypeAlias = str")
_PROTOCOL = "from typing_extensions import Protocol"
_METHOD = ("self) -> int", "self) -> str")
THROUGH = {
    "an alias": ("def use(x: Number) -> None: ...", *_NUMBER),
    "an alias of an alias": ("def use(x: Numbers) -> None: ...", *_NUMBER),
    "a base class": ("def use() -> Root: ...", *_METHOD),
    "the base class of a base class": ("def use() -> Leaf: ...", *_METHOD),
    "the bound of a type variable": ("def use(x: BoundT) -> BoundT: ...", "bound=Numbers", "bound=str"),
    "what a bound refers to": ("def use(x: BoundT) -> BoundT: ...", *_NUMBER),
    "a default": ("def use(x: int = DEFAULT) -> None: ...", "DEFAULT: int = 1", "DEFAULT: int = 2"),
    "a quoted type": ("def use() -> 'list[Leaf]': ...", *_METHOD),
    "a base that is gone": ("def use() -> Leaf: ...", "class Middle(Root)", "class Middle"),
    "what a name means": ("def use() -> Leaf: ...", _PROTOCOL, "from pathlib import PurePath as int"),
}
"""How an edit can reach a symbol of a module that is not edited: its text, and the edit."""


@pytest.mark.parametrize("through", THROUGH)
def test_an_edit_reaches_a_symbol_of_another_module_through(through: str) -> None:
    assert USE in read_pair(*_trees(*THROUGH[through])).reached


def test_what_is_reached_is_judged_as_if_all_were(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """The rows of the sample, and the edits above: the same findings, with what is listed under each."""
    pairs = [*(row.trees() for row in SAMPLE), *(_trees(*edit) for edit in THROUGH.values())]
    ours = compare_all(pairs, witnesses=False, cache=cache)
    broken = [USE in {one.symbol, *one.cascades} for verdict in ours for one in verdict.breaks]
    assert sum(broken) == len(THROUGH) - 1, "all but that with a changed default"
    monkeypatch.setattr(pair, "reached", everything)
    assert [one.findings for one in ours] == [one.findings for one in compare_all(pairs, witnesses=False, cache=cache)]


@pytest.mark.heavy
def test_what_is_reached_is_judged_as_if_all_were_in_every_row(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    pairs = [row.trees() for row in ROWS]
    ours = compare_all(pairs, cache=cache)
    monkeypatch.setattr(pair, "reached", everything)
    monkeypatch.setattr(witnesses, "_needed", lambda modules, _names: modules)
    assert [one.findings for one in ours] == [one.findings for one in compare_all(pairs, cache=cache)]


def test_without_the_steps_an_edit_reaches_no_other_symbol(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """The planted failure: the tests above can go red."""
    monkeypatch.setattr(pair, "_closure", lambda start, _users: frozenset(start))
    assert [] == [through for through, edit in THROUGH.items() if USE in read_pair(*_trees(*edit)).reached]
    (row,) = (row for row in ROWS if row.id == "implements: parameter renamed")
    (finding,) = compare.compare(*row.trees(), witnesses=False, cache=cache).findings
    assert () == finding.cascades


def test_a_name_that_comes_by_another_module_is_an_error() -> None:
    """It would be compared with nothing: a stub imports a name from where it is defined."""
    by_another = "from pipelex.use import Leaf\ndef use(x: Leaf) -> None: ...\n"
    edits = (("base", "", _BASE), ("use", "", "from pipelex.base import Leaf\n"), ("third", "", by_another))
    with pytest.raises(UndecidedError, match=r"a stub mentions 'Leaf' of 'pipelex\.use'"):
        compare.compare(tree("old", *edits), tree("new", *edits, ("base", *_METHOD)), witnesses=False)


@pytest.mark.parametrize("id_", ["documentation only", "API version raised"])
def test_nothing_is_asked_where_no_answer_matters(id_: str) -> None:
    (row,) = (row for row in ROWS if row.id == id_)
    assert {} == Job(*row.trees(), "spi").program


def test_documentation_and_layout_reach_nothing() -> None:
    (row,) = (row for row in ROWS if row.id == "documentation only")
    assert frozenset() == read_pair(*row.trees()).reached


def test_only_what_is_reached_is_projected_from_both_trees(cache: Path) -> None:
    old, new = _trees("def use(x: Leaf) -> None: ...", *_METHOD)
    program = Job(old, new, "spi").program
    assert "class Leaf_" in program["spi_new.pyi"]
    assert "class ModelSpec_" not in program["spi_new.pyi"] + program["spi_old.pyi"]
    assert compare.compare(old, new, witnesses=False, cache=cache).breaks


def test_modules_that_both_trees_share_are_checked_once_and_others_only_where_a_plugin_needs_them() -> None:
    (row,) = (row for row in ROWS if row.id == "implements: parameter renamed")
    job = Job(*row.trees(), "spi")
    for draft in job.drafts:
        draft.broken = set(draft.ways)
    modules = witnesses._Bench(0, (job.pair, job.trees, job.drafts)).modules()
    assert {"pipelex.model", "pipelex.errors"} <= job.pair.shared
    assert {"pipelex", "pipelex.plugins", "pipelex.plugins.registrar"}.isdisjoint(job.pair.shared)
    assert "w0old.pipelex.model.pyi" in modules
    assert "w0new.pipelex.model.pyi" not in modules
    assert "from w0old.pipelex.model import" in modules["w0new.pipelex.plugins.backends.pyi"]
    assert "w0new.pipelex.plugins.registrar.pyi" not in modules
