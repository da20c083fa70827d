"""The comparison of two stub trees: drafts of findings from rules, answers from the type checker, a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.changes import with_open_enums
from codegen.compat.asking.folding import fold, symbol_of
from codegen.compat.asking.sheet import Sheet
from codegen.compat.asking.typecheck import check
from codegen.compat.drafting.aspects import undecided
from codegen.compat.drafting.draft import undecided_draft
from codegen.compat.drafting.drafts import Drafter
from codegen.compat.model import Verdict
from codegen.compat.proving.witnesses import find_witnesses
from codegen.compat.reading.facts import OPEN, compare_facts
from codegen.compat.reading.pair import read_pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from codegen.compat.drafting.draft import Draft
    from codegen.compat.model import CompatFinding
    from codegen.compat.reading.trees import StubTree
    from pipelex.spi.type_check import Diagnostic


def compare(old: StubTree, new: StubTree, *, witnesses: bool = True, cache: Path | None = None) -> Verdict:
    """Compare two stub trees.

    Args:
        old: The old tree.
        new: The new tree.
        witnesses: Whether to look for a witness of each break.
        cache: Where the type checker keeps what it knows between runs; nowhere by default.

    Returns:
        What changed, and what breaks.

    Raises:
        CodegenError: A tree cannot be read.
        UndecidedError: The type checker came to no verdict.
    """
    return compare_all([(old, new)], witnesses=witnesses, cache=cache)[0]


def compare_all(
    pairs: Sequence[tuple[StubTree, StubTree]], *, witnesses: bool = True, cache: Path | None = None
) -> list[Verdict]:
    """Compare many pairs of stub trees in as many runs of the type checker as one pair takes.

    Args:
        pairs: The pairs, each an old tree and a new one.
        witnesses: Whether to look for a witness of each break.
        cache: Where the type checker keeps what it knows between runs; nowhere by default.

    Returns:
        A verdict for each pair, in their order.

    Raises:
        CodegenError: A tree cannot be read.
        UndecidedError: The type checker came to no verdict.
    """
    jobs = [Job(old, new, f"spi{number}") for number, (old, new) in enumerate(pairs)]
    programs: dict[str, str] = {}
    for job in jobs:
        programs |= job.program
    errors = check(programs, cache) if programs else {}
    settled = [job.settle(errors) for job in jobs]
    found: list[list[CompatFinding]] = (
        find_witnesses([(job.pair, job.trees, drafts) for job, drafts in zip(jobs, settled, strict=True)], cache)
        if witnesses
        else [[draft.finding() for draft in drafts] for drafts in settled]
    )
    return [_verdict(old, new, findings, witnesses) for (old, new), findings in zip(pairs, found, strict=True)]


def _verdict(old: StubTree, new: StubTree, findings: Sequence[CompatFinding], witnesses: bool) -> Verdict:
    """Return the verdict, with what no stub shows. An enum is open if plugins of the old version could know it."""
    whole = [*findings, *compare_facts(old.facts, new.facts)]
    verdict = Verdict(old.label, new.label, tuple(sorted(whole, key=_rank)), witnesses)
    return with_open_enums(verdict, old.facts.get(OPEN, frozenset()))


class Job:
    """One pair on its way: what was read, drafted and asked.

    Args:
        old: The old tree.
        new: The new tree.
        prefix: What the names of the program's modules begin with.
    """

    def __init__(self, old: StubTree, new: StubTree, prefix: str) -> None:
        self.trees = (old, new)
        self.pair = read_pair(old, new)
        self.sheet = Sheet(self.pair, prefix)
        self.drafts: list[Draft] = Drafter(self.pair, self.sheet).run()
        self.drafts += undecided(self.pair, self.drafts)
        self.symbols = self.sheet.ask_symbols()
        self.program = self.sheet.program()

    def settle(self, errors: Mapping[str, Sequence[Diagnostic]]) -> list[Draft]:
        """Return the drafts that are confirmed, given what the type checker reports.

        A symbol that it cannot read is undecided if it changed. One that did not change has no finding of its own, and
        what it mentions is judged where that is.

        Args:
            errors: The errors by module.
        """
        answers = self.sheet.answers(self.program, errors)
        drafts = list(self.drafts)
        for key, message in answers.unread.items():
            kinds = {draft.kind for draft in drafts if symbol_of(draft.symbol) == key}
            if kinds and kinds.isdisjoint(_WHOLE):
                what = f"it: the type checker cannot read it ({message})"
                drafts.append(undecided_draft(self.pair, key, what))
        return fold(self.pair, drafts, self.symbols, answers.failed)


_WHOLE = {"undecided", "type-parameters-changed", "class-kind-changed", "symbol-kind-changed"}
"""The kinds that make a break of a symbol, whatever the type checker reads of it."""


def _rank(finding: CompatFinding) -> tuple[bool, str, str]:
    return (not finding.breaking, finding.symbol, finding.id)
