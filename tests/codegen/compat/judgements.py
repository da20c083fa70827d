"""What three type checkers made of each row of the table: recorded in ``judgements.json``, beside the table.

The heavy tests ask the checkers again and compare; ``UPDATE_JUDGEMENTS=1`` makes them write. What every run of the
tests holds is that each row has a judgement of each checker, made of the row as it is today.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.codegen.compat.agreement import refused_by, verdicts_by
from tests.codegen.compat.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.codegen.compat.rows import Row

    Judgements = Mapping[str, "Judgement"]

CHECKERS = ("mypy", "pyright", "ty")
RECORDED = Path(__file__).with_name("judgements.json")


class Judgement(NamedTuple):
    """What a checker made of a row.

    Attributes:
        row: The digest of the row that it was given.
        breaks: How many findings are breaks by its answers.
        plugin: What it did with the plugin of the row on the new tree: ``refused``, ``accepted``; ``not clean``: it
            refused it on the old one; ``none``: the row has no plugin.
    """

    row: str
    breaks: int
    plugin: str


def digest(row: Row) -> str:
    """Return the digest of all that a checker is given of a row: both trees and the plugin."""
    given = [[tree.files for tree in row.trees()], row.plugin]
    return sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:12]


@cache
def judged_by(checker: str) -> Judgements:
    """Return what a checker makes of each row, asked now."""
    verdicts = verdicts_by(checker)
    plugins = refused_by(checker, [row for row in ROWS if row.plugin])
    found = {}
    for row in ROWS:
        before, after = plugins.get(row.id, ([], []))
        plugin = "none" if not row.plugin else "not clean" if before else "refused" if after else "accepted"
        breaks = sum(breaking for _, breaking in verdicts[row.id])
        found[row.id] = Judgement(digest(row), breaks, plugin)
    return found


def read_recorded() -> dict[str, Judgements]:
    """Return the recorded judgements of each checker, by the row's id."""
    content = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {name: {id_: Judgement(*one) for id_, one in rows.items()} for name, rows in content.items()}


def record(checker: str, judgements: Judgements) -> None:
    """Write the judgements of a checker beside those of the others, a row on a line."""
    content: dict[str, Judgements] = {**(read_recorded() if RECORDED.exists() else {}), checker: judgements}
    blocks = []
    for name in sorted(content):
        lines = [f"    {json.dumps(id_)}: {json.dumps(one)}" for id_, one in sorted(content[name].items())]
        blocks.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n  }")
    RECORDED.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")


def unjudged(rows: Iterable[Row], recorded: Mapping[str, Judgements]) -> Iterator[str]:
    """Yield the rows that a checker has not judged as they are today, each with the checker."""
    for row in rows:
        today = digest(row)
        for checker in CHECKERS:
            found = recorded.get(checker, {}).get(row.id)
            if found is None or found.row != today:
                yield f"{row.id}: {checker}"
