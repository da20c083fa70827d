"""The table of changes, asked of other type checkers: ``python -m tests.codegen.compat.agreement``.

Each checker is given the same program, the projections and questions that mypy is given, and its answers are folded
into verdicts by the same rules.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.compat.asking.typecheck import check
from codegen.compat.compare import Job
from codegen.compat.proving.witnesses import world
from pipelex.spi.type_check import Diagnostic
from tests.codegen.compat.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.codegen.compat.rows import Row

    Errors = Mapping[str, list[Diagnostic]]

_TY_LINE = re.compile(r"^(.*?):(\d+):\d+: error\[([\w-]+)\] (.*)$")
_SAME = {"reportAssignmentType": "assignment", "invalid-assignment": "assignment"}
_HARMLESS = {"invalid-protocol"}
"""Of a variance that a projection does not have; mypy has it switched off by its header."""


def tool(name: str) -> str | None:
    """Return the command of a type checker, or ``None`` where it is not installed."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.is_file() else shutil.which(name)


def by_mypy(programs: Mapping[str, str]) -> Errors:
    """Return what mypy refuses."""
    return check(programs)


def by_pyright(programs: Mapping[str, str]) -> Errors:
    """Return what pyright refuses."""
    with _written(programs) as folder:
        done = _run([tool("pyright") or "", "--outputjson", "-p", folder])
    found = defaultdict(list)
    for item in json.loads(done)["generalDiagnostics"]:
        if item["severity"] == "error":
            code = _SAME.get(item.get("rule", ""), item.get("rule", "syntax"))
            name, line = Path(item["file"]).stem, item["range"]["start"]["line"] + 1
            found[name].append(Diagnostic(name, line, code, item["message"]))
    return found


def by_ty(programs: Mapping[str, str]) -> Errors:
    """Return what ty refuses."""
    with _written(programs) as folder:
        done = _run([tool("ty") or "", "check", "--output-format", "concise", "--project", folder, folder])
    found = defaultdict(list)
    for match in filter(None, map(_TY_LINE.match, done.splitlines())):
        if match[3] in _HARMLESS:
            continue
        name = Path(match[1]).stem
        found[name].append(Diagnostic(name, int(match[2]), _SAME.get(match[3], match[3]), match[4]))
    return found


CHECKERS: dict[str, Callable[[Mapping[str, str]], Errors]] = {"mypy": by_mypy, "pyright": by_pyright, "ty": by_ty}


def _written(programs: Mapping[str, str]) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="spi-agreement-")
    names = {key.removesuffix(".pyi") for key in programs}
    packages = {name[:place] for name in names for place, sign in enumerate(name) if sign == "."}
    for key, text in programs.items():
        name, suffix = key.removesuffix(".pyi"), ".pyi" if key.endswith(".pyi") else ".py"
        path = Path(folder.name) / f"{name.replace('.', '/')}{'/__init__' if name in packages else ''}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def refused_by(checker: str, rows: Sequence[Row]) -> dict[str, tuple[list[str], list[str]]]:
    """Return for each row what a checker says of its plugin on the old tree and on the new one, asked in one run."""
    programs: dict[str, str] = {}
    for number, row in enumerate(rows):
        for side, tree in zip(("old", "new"), row.trees(), strict=True):
            programs |= world(f"w{number}{side}", tree, {f"w{number}{side}_plugin": row.plugin})
    errors = CHECKERS[checker](programs)

    def said(number: int, side: str) -> list[str]:
        return [one.message for one in errors.get(f"w{number}{side}_plugin", [])]

    return {row.id: (said(number, "old"), said(number, "new")) for number, row in enumerate(rows)}


@cache
def verdicts_by(checker: str) -> dict[str, frozenset[tuple[str, bool]]]:
    """Return for each row of the table what a checker makes of it: the findings, and whether they are breaks."""
    jobs = [Job(*row.trees(), f"spi{number}") for number, row in enumerate(ROWS)]
    programs = {name: text for job in jobs for name, text in job.program.items()}
    errors = CHECKERS[checker](programs)
    found = {}
    for row, job in zip(ROWS, jobs, strict=True):
        drafts = (draft.finding() for draft in job.settle(errors))
        found[row.id] = frozenset((finding.id, finding.breaking) for finding in drafts)
    return found


def main() -> None:
    """Print on how many rows the installed checkers agree, and where they differ."""
    wanted = verdicts_by("mypy")
    for checker in CHECKERS:
        if checker != "mypy" and tool(checker) is None:
            print(f"{checker}: not installed")
            continue
        start = time.perf_counter()
        found = verdicts_by(checker)
        same = [row for row in wanted if found[row] == wanted[row]]
        print(f"{checker}: {len(same)} of {len(wanted)} rows as mypy, {time.perf_counter() - start:.1f} s")
        for row in wanted:
            for finding, breaking in sorted(found[row] ^ wanted[row]):
                whose = checker if (finding, breaking) in found[row] else "mypy"
                print(f"  {row}: {whose} says {'break' if breaking else 'fine'}: {finding}")


if __name__ == "__main__":
    main()
