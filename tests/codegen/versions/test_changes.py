"""Entries and findings: which declares which, and what an entry says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli

import codegen.compat.model
from codegen.changes import (
    IGNORED_FINDINGS,
    declared_in,
    declares,
    entry_for,
    match,
    summary_of,
    summary_of_finding,
    with_open_enums,
)
from codegen.compat.model import CompatFinding, Direction, Verdict
from codegen.emit import spi_changes_doc
from codegen.migration import fault_of
from codegen.spec import Change, Next, Spec
from pipelex.spi.change_kinds import CHANGE_KINDS

SHAPE = "pipelex.plugins.inference_backend_registry:MakeWorkerFn"


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
    assert [seen[0]] == list(match([], seen).undeclared)
    matching = match([entry("method-removed", "m:A.x"), entry("method-removed", "m:A.z")], seen)
    assert ((), (1,)) == (matching.undeclared, matching.idle)
    assert not declared_in([])(seen[0])
    assert declared_in([])(finding("api-version-changed", "m:V"))


def test_the_group_is_declared_by_an_entry_with_its_ends() -> None:
    seen = finding("entry-point-group-changed", "m:P", from_="a", to="b")
    assert declares(entry("entry-point-group-changed", "m:P", "a", "b"), seen)
    assert not declares(entry("entry-point-group-changed", "m:P", "a", "c"), seen)


def test_a_finding_and_an_entry_of_its_kind_have_one_sentence() -> None:
    assert "`A.x` takes `seed`" == summary_of_finding(finding("parameter-added", "m:A.x", parameter="seed"))
    assert "field `A.x` is now `y`" == summary_of_finding(finding("field-renamed", "m:A.x", from_="x", to="y"))
    assert summary_of(entry("method-removed", "m:A.x")) == summary_of_finding(finding("method-removed", "m:A.x"))


def test_every_kind_that_a_comparison_finds_is_in_the_table() -> None:
    """Found are the literals with a hyphen, and the two-part ones, of the modules that draft findings."""
    folder = Path(codegen.compat.model.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*drafts.py"))
    kinds = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)) - IGNORED_FINDINGS
    assert len(kinds) > 40
    assert set() == kinds - set(CHANGE_KINDS)


def test_what_an_entry_says_names_the_symbol_shortly() -> None:
    assert "parameter `a` of `MakeWorkerFn` is now `b`" == summary_of(entry("parameter-renamed", SHAPE, "a", "b"))
    assert "`m:A` moved to `n:A`" == summary_of(entry("symbol-moved", "m:A", None, "n:A"))


def test_a_member_more_of_an_open_enum_is_an_addition() -> None:
    seen = (finding("enum-member-added", "m:Open.X"), finding("enum-member-added", "m:Closed.X"))
    opened = with_open_enums(Verdict("old", "new", seen), {"m:Open"})
    assert ["m:Closed.X"] == [item.symbol for item in opened.breaks]
    assert ["m:Open.X"] == [item.symbol for item in opened.additions]


@pytest.mark.parametrize(
    ("kind", "ends", "code", "fault"),
    [
        ("abstract-added", ("", ""), "def _quota(self) -> int\n    return Nope(", "no Python: "),
        ("abstract-added", ("", ""), "def _other(self) -> int:\n    return 0", "defines no '_quota'"),
        ("parameter-added", ("", "seed: int"), "speed=0", "gives no 'seed'"),
        ("parameter-added", ("", "seed: int"), "seed=", "no Python: "),
        ("parameters-regrouped", ("flat, any", "o: O"), "O({flat}, {all})", "mentions '{all}'"),
        ("return-wrapped", ("str", "R[str]"), "R(content=1)", "has no place for what is returned"),
        ("return-wrapped", ("str", "R[str]"), "R(content={}", "no Python: "),
    ],
)
def test_a_migration_that_no_plugin_could_use_is_refused(
    kind: str, ends: tuple[str, str], code: str, fault: str
) -> None:
    change = entry(kind, "m:A._quota", *ends).model_copy(update={"migration": code})
    assert fault_of(change).startswith(fault)


@pytest.mark.parametrize(
    ("kind", "ends", "code"),
    [
        ("abstract-added", ("", ""), "def _quota(self) -> int:\n    return 0"),
        ("protocol-member-added", ("", ""), "_quota = 1"),
        ("parameter-added", ("", "seed: int | None"), "seed=None"),
        ("parameters-regrouped", ("flat, any", "o: O"), "O(flat={flat}, any={any})"),
        ("return-wrapped", ("str", "R[str]"), "R(content={})"),
    ],
)
def test_a_migration_that_fits_its_kind_is_accepted(kind: str, ends: tuple[str, str], code: str) -> None:
    assert "" == fault_of(entry(kind, "m:A._quota", *ends).model_copy(update={"migration": code}))


def test_the_entry_that_is_printed_declares_the_finding_and_is_complete() -> None:
    for kind, rule in CHANGE_KINDS.items():
        seen = finding(kind, "m:A.x", from_="a", to="b", parameter="a", type="int")
        values = tomli.loads("\n".join(entry_for(seen)))["next"]["change"][0]
        change = Change.model_validate(values)
        assert all(values.get(key) for key in rule.needs), kind
        assert ("todo" in values or "migration" in values) == (rule.rewrite in {"code", "by hand"}), kind
        assert declares(change, seen), kind


def test_a_change_that_nothing_judges_can_be_declared() -> None:
    seen = finding("undecided", "m:A.x")
    for kind in ("undecided", "incompatible"):
        assert declares(entry(kind, "m:A.x"), seen)


def test_a_bar_in_a_type_does_not_end_the_cell_of_a_table() -> None:
    change = entry("parameter-added", "m:A.x", None, "seed: int | None").model_copy(update={"migration": "seed=None"})
    spec = Spec.model_construct(version=[], next=Next(change=[change]))
    (row,) = (line for line in spi_changes_doc.emit(spec).splitlines() if "seed" in line)
    assert r"`seed: int \| None`" in row
    assert 4 == len(re.findall(r"(?<!\\)\|", row))
