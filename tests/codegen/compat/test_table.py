"""Every change of the table gets the findings that it should, each break with a witness where one can exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import tomli

from codegen.changes import declares, entry_for
from codegen.compat import compare
from codegen.compat.compare import Job
from codegen.compat.proving.witnesses import find_witnesses
from codegen.spec import Change
from tests.codegen.compat.rows import Row, summary
from tests.codegen.compat.table import ROWS, SAMPLE

if TYPE_CHECKING:
    from pathlib import Path

    from codegen.compat.model import Verdict

pytestmark = pytest.mark.thorough

NEEDED = (
    "symbol added",
    "symbol removed",
    "symbol moved",
    "function renamed",
    "class renamed",
    *(
        f"{side}: {change}"
        for side in ("implements", "calls")
        for change in (
            "parameter added without default",
            "parameter added with default",
            "parameter removed",
            "parameter renamed",
            "parameters reordered",
            "parameter made keyword-only",
            "parameter retyped wider",
            "parameter retyped narrower",
            "return retyped wider",
            "return retyped narrower",
        )
    ),
    "abstract hook added",
    "abstract hook removed",
    "hook added",
    "hook removed",
    "hook made async",
    "base changed",
    "enum that plugins receive: member added",
    "enum that plugins supply: member added",
    "enum member removed",
    "enum member revalued",
    "record that plugins make: field added with default",
    "record that plugins make: field added without default",
    "field removed",
    "record that plugins make: field retyped narrower",
    "record made frozen",
    "bound of a type variable made narrower",
    "protocol that plugins implement: member added",
    "exception: attribute removed",
    "exception: attribute retyped",
    "constant changed",
    "documentation only",
    "pure reordering",
)


@pytest.mark.parametrize("row", SAMPLE, ids=lambda row: row.id)
def test_a_change_gets_its_findings(row: Row, verdicts: dict[str, Verdict]) -> None:
    assert sorted(row.expected) == sorted(summary(finding) for finding in verdicts[row.id].findings)


@pytest.mark.heavy
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_change_gets_its_findings(row: Row, all_verdicts: dict[str, Verdict]) -> None:
    assert sorted(row.expected) == sorted(summary(finding) for finding in all_verdicts[row.id].findings)


def _does_not_declare(verdict: Verdict) -> list[str]:
    """Return the breaks that the entry which ``bump`` prints does not declare."""
    found = []
    for finding in verdict.breaks:
        (values,) = tomli.loads("\n".join(entry_for(finding)))["next"]["change"]
        if not declares(Change.model_validate(values), finding):
            found.append(finding.id)
    return found


def test_the_entry_that_is_printed_declares_its_break(verdicts: dict[str, Verdict]) -> None:
    assert [] == [id_ for verdict in verdicts.values() for id_ in _does_not_declare(verdict)]


@pytest.mark.heavy
def test_every_entry_that_is_printed_declares_its_break(all_verdicts: dict[str, Verdict]) -> None:
    assert [] == [id_ for verdict in all_verdicts.values() for id_ in _does_not_declare(verdict)]


@pytest.mark.heavy
def test_what_a_checker_refuses_is_a_break_or_has_a_note(all_verdicts: dict[str, Verdict]) -> None:
    silent = [
        row.id
        for row in ROWS
        if row.refused_by
        and all_verdicts[row.id].compatible
        and not any(one.note for one in all_verdicts[row.id].findings)
    ]
    assert [] == silent


def test_the_table_has_two_hundred_rows_or_more_with_a_plugin() -> None:
    assert len([row for row in ROWS if row.plugin]) >= 200


def test_the_table_fails_when_the_type_checker_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the rows rest on its answers, so a checker that is not asked, or not heard, turns the table red."""
    monkeypatch.setattr(compare, "check", lambda *_arguments: {})
    rows = ROWS[::5]
    blind = compare.compare_all([row.trees() for row in rows], witnesses=False)
    broken = [sum(not one.startswith("fine") for one in row.expected) for row in rows]
    missed = [row.id for row, count, verdict in zip(rows, broken, blind, strict=True) if count != len(verdict.breaks)]
    assert len(missed) > 15


def test_the_table_has_every_change_that_it_must_have() -> None:
    assert set() == set(NEEDED) - {row.id for row in ROWS}


def test_row_ids_are_unique() -> None:
    assert len(ROWS) == len({row.id for row in ROWS})


def test_finding_ids_are_unique_in_a_verdict(verdicts: dict[str, Verdict]) -> None:
    for verdict in verdicts.values():
        ids = [finding.id for finding in verdict.findings]
        assert len(ids) == len(set(ids))


@pytest.mark.heavy
def test_only_what_a_type_checker_cannot_see_is_unconfirmed(all_verdicts: dict[str, Verdict]) -> None:
    invisible = {
        "parameter-default-changed",
        "field-default-changed",
        "field-reordered",
        "attribute-value-changed",
        "constant-changed",
        "parameter-renamed",
        "equality-changed",
        "field-default-added",  # a key of a dictionary that may be missing
        "hash-removed",  # mypy looks at it for some classes only
        "type-parameters-changed",  # no witness is written for swapped variables
        "method-added",  # a second constructor, which mypy passes over; another way to do what objects do
        "async-changed",  # no witness asks for a coroutine where any awaitable does
        *("typevar-changed", "constant-retyped"),  # no witness is written with a bare class, or a generic alias
        *("attribute-retyped", "parameter-retyped", "return-retyped"),  # a type made Any, or behind a ParamSpec
        *("attribute-not-deletable", "attribute-added", "method-removed"),  # mypy looks at no ``del``, at no ``in``
        *(
            "attribute-writable",
            "abstract-added",
        ),  # no witness overrides a property, or narrows the key of a dictionary
        *("member-final", "symbol-kind-changed"),  # no witness overrides overloads, or imports what is another class
        "method-kind-changed",  # what is static for one checker is a class method for another
        *("base-changed", "base-added", "incompatible"),  # no witness hashes, or tests for truth, what has a new base
    }
    unconfirmed = {
        one.kind
        for verdict in all_verdicts.values()
        for one in verdict.breaks
        if not one.confirmed and not one.undecided
    }
    assert invisible == unconfirmed


def test_breaks_come_before_the_rest(verdicts: dict[str, Verdict]) -> None:
    for verdict in verdicts.values():
        order = [finding.breaking for finding in verdict.findings]
        assert sorted(order, reverse=True) == order


def test_what_is_broken_by_something_else_is_folded_under_it(verdicts: dict[str, Verdict]) -> None:
    (finding,) = verdicts["implements: parameter renamed"].findings
    expected = ("pipelex.plugins.contract:PipelexPlugin", "pipelex.plugins.registrar:PluginRegistrar")
    assert expected == finding.cascades


def test_a_rename_says_from_and_to_for_a_codemod(verdicts: dict[str, Verdict]) -> None:
    (finding,) = verdicts["implements: parameter renamed"].findings
    assert {"from": "reporter", "to": "delegate", "parameter": "reporter"} == finding.detail
    assert "pipelex.plugins.backends:MakeWorkerFn.__call__" == finding.symbol


def test_the_witness_of_a_call_shape_is_an_implementation_of_it(verdicts: dict[str, Verdict]) -> None:
    (finding,) = verdicts["implements: parameter renamed"].findings
    assert finding.witness is not None
    assert finding.witness.source.endswith("accepted: MakeWorkerFn = supplied\n")
    assert "assignment" == finding.witness.code


def test_the_path_leads_from_the_plugin_to_the_symbol(verdicts: dict[str, Verdict]) -> None:
    (finding,) = verdicts["implements: parameter renamed"].findings
    assert ("PipelexPlugin", "whose register the plugin writes") == finding.path[:2]
    assert ("MakeWorkerFn", "whose __call__ the plugin writes") == finding.path[-2:]


@pytest.mark.heavy
def test_no_plugin_fails_on_a_change_that_is_judged_fine(all_verdicts: dict[str, Verdict], cache: Path) -> None:
    """The witnesses are a second opinion: none may hold where the verdict says that nothing breaks, without a note."""
    jobs, ids = [], []
    for row in ROWS:
        if all_verdicts[row.id].compatible and all_verdicts[row.id].findings and row.id != "API version raised":
            job = Job(*row.trees(), "spi")
            for draft in job.drafts:
                draft.broken = set(draft.ways)
            jobs.append((job.pair, job.trees, [draft for draft in job.drafts if not draft.only_breaking]))
            ids.append(row.id)
    found = zip(ids, find_witnesses(jobs, cache), strict=True)
    held = [(id_, one) for id_, findings in found for one in findings if one.witness and not one.note]
    assert [] == [(id_, one.id, one.witness) for id_, one in held]
    assert len(ids) > 30
