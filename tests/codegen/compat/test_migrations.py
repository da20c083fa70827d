"""The code of an entry is tried on the new contract: what does not fit is found before an author runs it."""

from __future__ import annotations

from codegen.compat.proving.migrations import faults
from codegen.spec import Change
from tests.codegen.compat.small_spi import tree

BACKENDS = "pipelex.plugins.backends"
LISTING = """
from dataclasses import dataclass

@dataclass(frozen=True, kw_only=True)
class Listing:
    rows: Sequence[ListedModel]

@dataclass(frozen=True, kw_only=True)
class Limits:
    flat: bool
"""
ENTRIES = {
    "parameter-added": ("MakeWorkerFn", {"to": "timeout: float | None"}, "timeout=None", 'timeout="none"'),
    "parameters-regrouped": (
        "ListModelsFn",
        {"from": "flat", "to": "limits: Limits"},
        "Limits(flat={flat})",
        "Limits(rows={flat})",
    ),
    "return-wrapped": (
        "ListModelsFn",
        {"from": "Sequence[ListedModel] | None", "to": "Listing | None"},
        "Listing(rows={})",
        "Listings(rows={})",
    ),
    "parameter-default-changed": ("require_sdk", {}, 'msg="needed"', "msg=0"),
}


def entry(kind: str, symbol: str, ends: dict[str, str], code: str) -> Change:
    """Make an entry of ``spi.toml``."""
    return Change.model_validate({"kind": kind, "symbol": symbol, "why": "so", "migration": code, **ends})


def test_code_that_fits_is_accepted_and_code_that_does_not_is_refused() -> None:
    old, new = tree("old"), tree("new", ("plugins/backends", "", LISTING))
    fitting = [entry(kind, f"{BACKENDS}:{name}", ends, code) for kind, (name, ends, code, _) in ENTRIES.items()]
    failing = [entry(kind, f"{BACKENDS}:{name}", ends, code) for kind, (name, ends, _, code) in ENTRIES.items()]
    members = [f"def _quota(self) -> int:\n    return {value}" for value in ("0", "Nope()", "''")]
    hooks = [entry("abstract-added", "pipelex.worker:Worker._quota", {}, code) for code in members]
    found = faults([*fitting, *failing, *hooks], old, new)
    assert set(range(len(fitting), 2 * len(fitting))) | {2 * len(fitting) + 1, 2 * len(fitting) + 2} == set(found)
    said = list(found.values())
    assert 'Argument "timeout" to "call" has incompatible type "str"' in said[0]
    assert 'Unexpected keyword argument "rows" for "Limits"' in said[1]
    assert 'Name "Listings" is not defined' in said[2]
    assert 'Name "Nope" is not defined' in said[-2]
    assert 'Incompatible return value type (got "str", expected "int")' in said[-1]


def test_an_entry_without_code_asks_nothing_of_the_type_checker() -> None:
    todo = {"kind": "method-removed", "symbol": "pipelex.worker:Worker.describe", "why": "so", "todo": "go without"}
    assert {} == faults([Change.model_validate(todo)], tree("old"), tree("new"))
