"""Edits form a tree: one inside another is made where the outer one keeps the text."""

from __future__ import annotations

import libcst as cst
import pytest

from pipelex.upgrading.edits import ConflictError, Edit, Kept, Replacement, Undecided, apply, marks
from pipelex.upgrading.rewrites.items import arguments_of, parameters_of
from pipelex.upgrading.source_text import SourceText
from tests.upgrading.conftest import change

CHANGE = change("parameter-renamed", "m:f")


def put(start: int, end: int, *parts: str | Kept, rank: int = 0) -> Replacement:
    """A replacement."""
    return Replacement(start=start, end=end, parts=parts, rank=rank)


@pytest.mark.parametrize(
    ("replacements", "expected"),
    [
        ([put(2, 5, "X(", Kept(2, 5), ")"), put(3, 4, "b")], "f(X(0b2))"),
        ([put(3, 4, "b"), put(2, 5, "gone")], "f(gone)"),
        ([put(2, 5, "in ", Kept(2, 5), rank=1), put(2, 5, "out ", Kept(2, 5), rank=2)], "f(out in 012)"),
        ([put(2, 2, "a"), put(2, 2, "b"), put(2, 3, "c")], "f(abc12)"),
        ([put(5, 5, "a"), put(2, 5, "X")], "f(Xa)"),
        ([put(2, 3, "X"), put(2, 3, "X")], "f(X12)"),
        ([put(2, 5, Kept(4, 5), Kept(2, 3)), put(2, 3, "a"), put(4, 5, "b")], "f(ba)"),
        ([put(2, 3, Kept(4, 5)), put(3, 5), put(4, 5, "b")], "f(b)"),
    ],
    ids=[
        "kept",
        "dropped",
        "ranked",
        "insertions in order",
        "behind",
        "twice the same",
        "turned round",
        "from elsewhere",
    ],
)
def test_an_inner_edit_is_made_where_the_outer_one_keeps_the_text(
    replacements: list[Replacement], expected: str
) -> None:
    assert expected == apply("f(012)", replacements)


@pytest.mark.parametrize(
    "replacements",
    [[put(2, 4, "X"), put(3, 5, "Y")], [put(2, 5, "X"), put(2, 5, "Y")]],
    ids=["overlapping", "two texts for one place"],
)
def test_two_texts_for_one_place_are_a_conflict(replacements: list[Replacement]) -> None:
    with pytest.raises(ConflictError):
        apply("f(012)", replacements)


def test_a_mark_is_put_above_its_statement_below_what_is_inserted_there() -> None:
    text = "if a:\n    b\n"
    undecided = [Undecided(line=2, start=10, reason="why"), Undecided(line=2, start=10, reason="why")]
    found = apply(text, [put(6, 6, "    new\n"), put(10, 11, "c"), *marks(text, undecided)])
    assert found == "if a:\n    new\n    # TODO(pipelex): why\n    c\n"


PARAMETERS = {
    "the last two": ("def f(a, b, c): ...", "bc", "", "def f(a): ..."),
    "the first": ("def f(a, b, c): ...", "a", "", "def f(b, c): ..."),
    "two in the middle": ("def f(a, b, c, d): ...", "bc", "", "def f(a, d): ..."),
    "all": ("def f(a, b): ...", "ab", "", "def f(): ..."),
    "the only keyword": ("def f(self, *, a): ...", "a", "", "def f(self): ..."),
    "the only keyword, before others": ("def f(self, *, a, **k): ...", "a", "", "def f(self, **k): ..."),
    "all keywords": ("def f(*, a, b): ...", "ab", "", "def f(): ..."),
    "one for the last two": ("def f(*, a, b, c): ...", "bc", "n", "def f(*, a, n): ..."),
    "one for all": ("def f(*, a, b): ...", "ab", "n", "def f(*, n): ..."),
    "one more": ("def f(a, *, b, **k): ...", "", "n", "def f(a, *, b, n, **k): ..."),
    "two more": ("def f(a): ...", "", "nm", "def f(a, n, m): ..."),
    "two more, one less": ("lambda a, b: a", "b", "nm", "lambda a, n, m: a"),
    "on lines": ("def f(\n    a,\n    b,  # b\n): ...", "", "n", "def f(\n    a,\n    b,  # b\n    n,\n): ..."),
    "on lines without a comma": (
        "def f(\n    a,\n    b  # b\n): ...",
        "",
        "n",
        "def f(\n    a,\n    b,  # b\n    n\n): ...",
    ),
    "two on a line": ("def f(\n    a, b\n): ...", "", "n", "def f(\n    a, b, n\n): ..."),
    "the last on lines": ("def f(\n    a,\n    b,\n): ...", "b", "", "def f(\n    a,\n): ..."),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_parameters_are_removed_and_appended_together(case: str) -> None:
    before, gone, new, after = PARAMETERS[case]
    source = SourceText("m", "m.py", before)
    [function] = source.nodes(cst.FunctionDef, cst.Lambda)
    assert isinstance(function, cst.FunctionDef | cst.Lambda)
    items = parameters_of(source, function)
    for item in items.items:
        if isinstance(item, cst.Param) and item.name.value in gone:
            items.remove(item, CHANGE, "gone")
    for name in new:
        items.append((name,), CHANGE, "new")
    assert after == apply(before, items.edits())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f()", "f(n=1)"),
        ("f(a)", "f(a, n=1)"),
        ("f(\n    a=1,\n)", "f(\n    a=1,\n    n=1,\n)"),
        ("f(**k)", "f(**k, n=1)"),
    ],
)
def test_an_argument_is_appended(before: str, after: str) -> None:
    source = SourceText("m", "m.py", before)
    [call] = source.nodes(cst.Call)
    assert isinstance(call, cst.Call)
    items = arguments_of(source, call)
    items.append(("n=1",), CHANGE, "new")
    edits: list[Edit] = list(items.edits())
    assert after == apply(before, edits)
