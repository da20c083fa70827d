"""Entries and findings: which declares which, and what an entry says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import codegen.compat.model
from codegen.changes import IGNORED_FINDINGS, declared_in, declares, match, says, says_finding, with_open_enums
from codegen.compat.model import CompatFinding, Direction, Verdict
from codegen.spec import Change
from pipelex.spi.change_kinds import CHANGE_KINDS

SHAPE = "pipelex.plugins.inference_backend_registry:MakeWorkerFn"
GROUP = ("pipelex.plugins", "pipelex.plugins")


def entry(kind: str, symbol: str, old: str | None = None, new: str | None = None) -> Change:
    """An entry."""
    return Change.model_validate({"kind": kind, "symbol": symbol, "from": old, "to": new, "why": "so"})


def finding(kind: str, symbol: str, *, breaking: bool = True, **detail: str) -> CompatFinding:
    """A finding; ``from_`` stands for ``from``."""
    said = {key.rstrip("_"): value for key, value in detail.items()}
    return CompatFinding(f"{kind}:{symbol}", kind, symbol, Direction.BOTH, (), "old", "new", breaking, detail=said)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (
            entry("parameter-renamed", SHAPE, "a", "b"),
            finding("parameter-renamed", f"{SHAPE}.__call__", from_="a", to="b"),
        ),
        (entry("parameter-renamed", SHAPE, "a", "b"), finding("parameter-removed", f"{SHAPE}.__call__", parameter="a")),
        (entry("parameter-added", SHAPE, None, "seed: int"), finding("parameter-added", SHAPE, parameter="seed")),
        (entry("parameters-regrouped", SHAPE, "a, b", "c: C"), finding("parameter-removed", SHAPE, parameter="a")),
        (entry("symbol-moved", "m:A", None, "n:A"), finding("symbol-removed", "m:A")),
        (entry("symbol-moved", "m:A", None, "n:A"), finding("symbol-added", "n:A", breaking=False)),
        (entry("symbol-renamed", "m:A", None, "B"), finding("symbol-added", "m:B", breaking=False)),
        (entry("module-moved", "m:*", None, "n"), finding("symbol-moved", "m:A")),
        (entry("hook-renamed", "m:A._x", None, "_y"), finding("abstract-added", "m:A._y")),
        (entry("return-wrapped", "m:A._x", "str", "R[str]"), finding("return-retyped", "m:A._x")),
    ],
)
def test_an_entry_declares_a_finding(change: Change, seen: CompatFinding) -> None:
    assert declares(change, seen)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (entry("parameter-renamed", SHAPE, "a", "b"), finding("parameter-renamed", SHAPE, from_="a", to="c")),
        (entry("parameter-renamed", SHAPE, "a", "b"), finding("parameter-renamed", "m:Other", from_="a", to="b")),
        (entry("parameter-added", SHAPE, None, "seed: int"), finding("parameter-added", SHAPE, parameter="other")),
        (entry("symbol-moved", "m:A", None, "n:A"), finding("symbol-removed", "m:B")),
        (entry("return-wrapped", "m:A._x", "str", "R[str]"), finding("parameter-removed", "m:A._x")),
    ],
)
def test_an_entry_declares_nothing_but_its_own(change: Change, seen: CompatFinding) -> None:
    assert not declares(change, seen)


def test_breaks_without_an_entry_and_entries_without_a_change_are_told() -> None:
    seen = [finding("method-removed", "m:A.x"), finding("method-added", "m:A.y", breaking=False)]
    assert [seen[0]] == list(match([], seen, group=GROUP).undeclared)
    matching = match([entry("method-removed", "m:A.x"), entry("method-removed", "m:A.z")], seen, group=GROUP)
    assert ((), (1,)) == (matching.undeclared, matching.idle)
    assert not declared_in([])(seen[0])
    assert declared_in([])(finding("api-version-changed", "m:V"))


def test_the_group_is_declared_by_an_entry_of_its_own() -> None:
    change = entry("entry-point-group-changed", "m:P", "a", "b")
    assert (0,) == match([change], [], group=GROUP).idle
    assert () == match([change], [], group=("a", "b")).idle


def test_a_finding_and_an_entry_of_its_kind_have_one_sentence() -> None:
    assert "`A.x` takes `seed`" == says_finding(finding("parameter-added", "m:A.x", parameter="seed"))
    assert "field `A.x` is now `y`" == says_finding(finding("field-renamed", "m:A.x", from_="x", to="y"))
    assert says(entry("method-removed", "m:A.x")) == says_finding(finding("method-removed", "m:A.x"))


def test_every_kind_that_a_comparison_finds_is_in_the_table() -> None:
    """Found are the literals with a hyphen, and the two-part ones, of the modules that draft findings."""
    folder = Path(codegen.compat.model.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*drafts.py"))
    kinds = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)) - IGNORED_FINDINGS
    assert len(kinds) > 40
    assert set() == kinds - set(CHANGE_KINDS)


def test_what_an_entry_says_names_the_symbol_shortly() -> None:
    assert "parameter `a` of `MakeWorkerFn` is now `b`" == says(entry("parameter-renamed", SHAPE, "a", "b"))
    assert "`m:A` moved to `n:A`" == says(entry("symbol-moved", "m:A", None, "n:A"))


def test_a_member_more_of_an_open_enum_is_an_addition() -> None:
    seen = (finding("enum-member-added", "m:Open.X"), finding("enum-member-added", "m:Closed.X"))
    opened = with_open_enums(Verdict("old", "new", seen), {"m:Open"})
    assert ["m:Closed.X"] == [item.symbol for item in opened.breaks]
    assert ["m:Open.X"] == [item.symbol for item in opened.additions]
