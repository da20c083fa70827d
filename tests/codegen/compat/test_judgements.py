"""Three type checkers judge each row of the table: its plugin before and after, and the questions of the comparison."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.codegen.compat.agreement import refused_by, tool, verdicts_by
from tests.codegen.compat.judgements import CHECKERS, judged_by, read_recorded, record, unjudged
from tests.codegen.compat.table import ROWS

_BOTH = {
    "constraint of a type variable lost",
    "overloads that overlap in another order",
    "equality returns no bool",
    "generic function no longer generic",
    "further keywords became those of a dictionary",
    "keywords of a dictionary became any of its type",
    "further keywords of a hook became those of a dictionary",
    "new first base has another method",
}
DIFFERENT = {
    "mypy": set[str](),
    "pyright": {*_BOTH, "type variable made covariant"},
    "ty": {
        *_BOTH,
        "bound of a type variable made narrower",
        "class no longer generic",
        "decorator keeps parameters now",
    },
}
"""The rows on which another checker answers the questions otherwise than mypy.

Where one callable is assigned to another, pyright and ty do not compare the order of overloads, nor the types that a
variable is constrained to, and they solve type variables otherwise; ty does not compare bounds, nor what was generic.
Both refuse in a projection what mypy lets pass there: an override that does not fit, ``Unpack`` of a protocol.
"""
_AGAIN = "run UPDATE_JUDGEMENTS=1 python -m pytest -m heavy tests/codegen/compat/test_judgements.py"


def test_each_row_has_a_judgement_by_each_of_three_checkers() -> None:
    assert [] == list(unjudged(ROWS, read_recorded())), _AGAIN


def test_no_judgement_is_kept_of_a_row_that_is_gone() -> None:
    ids = {row.id for row in ROWS}
    assert [] == [id_ for recorded in read_recorded().values() for id_ in recorded if id_ not in ids], _AGAIN


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_judged_each_row_as_the_row_expects(checker: str) -> None:
    recorded = read_recorded()[checker]
    differ = {}
    for row in ROWS:
        found = recorded[row.id]
        plugin = "none" if not row.plugin else "refused" if checker[0] in row.refused_by else "accepted"
        breaks = sum(not one.startswith("fine") for one in row.expected)
        if found.plugin != plugin or (found.breaks != breaks and row.id not in DIFFERENT[checker]):
            differ[row.id] = (found.breaks, found.plugin)
    assert {} == differ


def test_a_row_that_is_edited_or_that_a_checker_has_not_judged_is_named() -> None:
    """The planted failure: the test above can go red."""
    (row, other), recorded = ROWS[-2:], read_recorded()
    edited = replace(row, plugin=f"{row.plugin}\n")
    assert [f"{row.id}: {checker}" for checker in CHECKERS] == list(unjudged([edited, other], recorded))
    recorded["ty"] = {id_: one for id_, one in recorded["ty"].items() if id_ != other.id}
    assert [f"{other.id}: ty"] == list(unjudged([row, other], recorded))


def test_mypy_accepts_a_plugin_before_and_refuses_it_after() -> None:
    """The cheap sibling of the heavy tests: a few plugins, one checker."""
    rows = [row for row in ROWS if row.plugin][::24]
    found = refused_by("mypy", rows)
    assert [("m" in row.refused_by, []) for row in rows] == [(bool(found[row.id][1]), found[row.id][0]) for row in rows]


@pytest.mark.heavy
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_judges_each_row_as_it_is_recorded(checker: str) -> None:
    if tool(checker) is None:
        pytest.skip(f"{checker} is not installed")
    judgements = judged_by(checker)
    if os.environ.get("UPDATE_JUDGEMENTS"):
        record(checker, judgements)
    recorded = read_recorded()[checker]
    assert {} == {id_: one for id_, one in judgements.items() if one != recorded.get(id_)}, _AGAIN


@pytest.mark.heavy
@pytest.mark.parametrize("checker", ["pyright", "ty"])
def test_another_checker_comes_to_the_same_verdicts(checker: str) -> None:
    if tool(checker) is None:
        pytest.skip(f"{checker} is not installed")
    ours, theirs = verdicts_by("mypy"), verdicts_by(checker)
    assert DIFFERENT[checker] == {id_ for id_ in ours if ours[id_] != theirs[id_]}
