"""``make test-corpus``: documents that others made, by the models that need no key."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.documents.archives import ArchiveError, documents
from tests.documents.judge import Measured, Record, judge, summary
from tests.documents.measure import DIED, Measurer, by_pdftotext

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
COUNTS, LOSSES = HERE / "counts.json", HERE / "losses.toml"
PAGE = HERE.parents[1] / "docs/providers/corpus.md"
MARK = "<!-- what is recorded: written by make test-corpus RECORD=1 -->"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipelex-test-corpus"
_MODELS = {".pdf": ("pypdfium2", "docling"), ".docx": ("docling",), ".pptx": ("docling",), ".xlsx": ("docling",)}


def read_records() -> dict[str, Record]:
    """Return the recorded counts."""
    return {key: Record(*row) for key, row in json.loads(COUNTS.read_text(encoding="utf-8")).items()}


def read_losses() -> dict[str, str]:
    """Return the known losses: the kind of each."""
    kinds: dict[str, list[str]] = tomllib.loads(LOSSES.read_text(encoding="utf-8"))
    return {key: kind for kind, keys in kinds.items() for key in keys}


def measured() -> Iterator[Measured]:
    """Measure all documents of the corpus."""
    measurers = {model: Measurer(model) for models in _MODELS.values() for model in models}
    for name, path in documents(_CACHE).items():
        ending = path.suffix.lower()
        other = by_pdftotext(path) if ending == ".pdf" else None
        for model in _MODELS[ending]:
            yield Measured(name, model, measurers[model].measure(path), other)
    for measurer in measurers.values():
        measurer.close()


def _record(found: list[Measured]) -> None:
    """Write the counts and the report; what died is no count."""
    rows = {item.key: [item.found.characters, item.found.pages] for item in found if DIED not in item.found.error}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in sorted(rows.items()))
    COUNTS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(f"{head}{MARK}\n\n{summary(read_records(), read_losses())}\n", encoding="utf-8")


def main() -> int:
    """Measure all documents; return 1 where something is wrong."""
    try:
        found = list(measured())
    except ArchiveError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    asked_other = any(item.other is not None for item in found)
    if "--record" in sys.argv[1:]:
        _record(found)
    problems = list(judge(found, read_records(), read_losses(), asked_other=asked_other))
    for problem in problems:
        print(problem)
    pages = sum(item.found.pages for item in found)
    compared = "compared with pdftotext" if asked_other else "pdftotext is not installed: not compared with it"
    print(f"{len(found)} extractions, {pages:,} pages, {compared}: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
