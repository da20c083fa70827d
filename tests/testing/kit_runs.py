"""Runs the kit in a process of its own and says what became of each check."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Run(NamedTuple):
    """What a run came to.

    Attributes:
        code: The exit code.
        output: What it printed.
        outcomes: ``passed``, ``failed`` or ``skipped``, by class and test.
        messages: Why a check failed, by class and test.
    """

    code: int
    output: str
    outcomes: dict[tuple[str, str], str]
    messages: dict[tuple[str, str], str]

    def failed(self, suite: str) -> list[str]:
        """Return the checks of one suite that failed, their cases aside."""
        names = [test for (owner, test), outcome in self.outcomes.items() if owner == suite and outcome == "failed"]
        return sorted({name.partition("[")[0] for name in names})


def run_kit(folder: Path, *arguments: str, search_path: tuple[Path, ...] = (), timeout_s: float = 120) -> Run:
    """Run pytest with arguments, from and with its files in a folder."""
    report = folder / "report.xml"
    (folder / "pytest.ini").touch()  # so that no configuration above it counts
    paths = [str(path) for path in (ROOT / "src", ROOT, *search_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    options = ["-c", "pytest.ini", "-p", "no:cacheprovider", f"--rootdir={folder}", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *options, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    outcomes, messages = {}, {}
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        key = (case.attrib.get("classname", "").rpartition(".")[2], case.attrib["name"])
        inner = next((part for part in case if part.tag in {"failure", "error", "skipped"}), None)
        outcomes[key] = {"": "passed", "skipped": "skipped"}.get(inner.tag if inner is not None else "", "failed")
        if inner is not None:
            messages[key] = f"{inner.attrib.get('message', '')}\n{inner.text or ''}"
    return Run(done.returncode, done.stdout + done.stderr, outcomes, messages)
