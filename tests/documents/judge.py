"""The rules by which the corpus is red: a process that dies, and text that is lost and not known to be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from tests.documents.measure import DIED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.documents.measure import Found

SHARE = 0.9
"""How much of pdftotext's characters has to be found: the two differ in ligatures, hyphens and what is drawn twice."""
SLACK = 5


class Record(NamedTuple):
    """What was found in a document when the counts were recorded."""

    characters: int
    pages: int


class Measured(NamedTuple):
    """A document, by one model.

    Attributes:
        name: The document.
        model: The model.
        found: What was found.
        other: How many characters pdftotext finds, where it was asked.
    """

    name: str
    model: str
    found: Found
    other: int | None = None

    @property
    def key(self) -> str:
        """What it is called in the lists."""
        return f"{self.model} {self.name}"

    def is_loss(self) -> bool:
        """Return whether pdftotext finds clearly more."""
        return self.other is not None and self.found.characters < SHARE * self.other - SLACK


def judge(
    measured: Iterable[Measured], records: Mapping[str, Record], losses: Mapping[str, str], *, asked_other: bool
) -> Iterator[str]:
    """Yield what is wrong, a line each.

    Args:
        measured: What was found now.
        records: What was found when the counts were recorded, by :attr:`Measured.key`.
        losses: What is known to be lost against pdftotext, and why; it may only get shorter.
        asked_other: Whether pdftotext was asked.
    """
    seen, lost = set(), set()
    for item in measured:
        key, found, record = item.key, item.found, records.get(item.key)
        seen.add(key)
        if found.error.startswith(DIED):
            yield f"{key}: {found.error}"
        elif record is None:
            yield f"{key}: not recorded (make test-corpus RECORD=1)"
        elif found.characters < record.characters or found.pages < record.pages:
            yield (
                f"{key}: {found.characters} characters on {found.pages} pages, recorded are {record.characters} on "
                f"{record.pages}{f' ({found.error})' if found.error else ''}"
            )
        if item.is_loss():
            lost.add(key)
            if key not in losses:
                yield f"{key}: {found.characters} characters, and pdftotext finds {item.other}"
    yield from (f"{key}: recorded, and not in the corpus" for key in records if key not in seen)
    if asked_other:
        yield from (f"{key}: no loss any more, take it off losses.toml" for key in losses if key not in lost)


def summary(records: Mapping[str, Record], losses: Mapping[str, str]) -> str:
    """Return what is recorded of the corpus, as rows of the report."""
    rows = []
    for model in sorted({key.partition(" ")[0] for key in records}):
        kinds: Counter[tuple[str, str]] = Counter()
        pages = characters = unread = 0
        for key, record in records.items():
            if key.startswith(f"{model} "):
                kinds[model, key.rpartition(".")[2].lower()] += 1
                pages += record.pages
                characters += record.characters
                unread += record.pages == 0
        files = ", ".join(f"{count} {kind.upper()}" for (_, kind), count in sorted(kinds.items()))
        rows.append(f"| {model} | {files} | {pages:,} | {characters:,} | {unread} |")
    counted = Counter((key.partition(" ")[0], kind) for key, kind in losses.items())
    lost = [f"| {model} | {kind} | {count} |" for (model, kind), count in sorted(counted.items())]
    return "\n".join(
        (
            "| model | files | pages | characters | files that cannot be read |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "| model | what pdftotext finds and the model does not | files |",
            "|---|---|---|",
            *lost,
        )
    )
