"""What the benchmark says is what was measured; what could not be measured is said, and costs nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import environments
from benchmarks.__main__ import SECTIONS
from benchmarks.environments import REQUIREMENTS, WITH_PROJECT, Environments, NotMeasuredError
from benchmarks.figures import Row, Table
from benchmarks.growth_order import growth_order
from benchmarks.measure import Program, Samples, run_interleaved
from benchmarks.report import page

if TYPE_CHECKING:
    from pathlib import Path


def samples_of(**seconds: float) -> Samples:
    samples = Samples()
    for program, value in seconds.items():
        samples.add(program, "cpu", [value, 2 * value])
    return samples


@pytest.mark.parametrize(
    ("ours", "verdict"), [(1.05, "met"), (1.1, "over by 4.8%"), (3.15, "3.0 times the limit"), (0.2, "met")]
)
def test_a_limit_is_met_or_it_is_said_by_how_much_it_is_missed(ours: float, verdict: str) -> None:
    figure = Row("ours", "ours", "base", limit=1.05).figure(samples_of(base=1.0, ours=ours))
    assert verdict == figure.verdict


def test_a_number_of_modules_has_a_limit_of_its_own() -> None:
    samples = Samples()
    samples.add("seam", "modules", [47])
    figure = Row("seam", "seam", quantity="modules", limit=40, unit="modules").figure(samples)
    assert "over by 7" == figure.verdict


def test_a_row_that_could_not_be_measured_says_why_and_the_others_stand() -> None:
    samples = samples_of(base=1.0, ours=1.0)
    samples.give_up("peer", "the environment 'peer' cannot be installed")
    rows = [Row("peer", "peer", "base", limit=1), Row("ours", "ours", "base", limit=1)]
    text = page([Table("All", "", [row.figure(samples) for row in rows])], [], rounds=1)
    assert "| peer | base |  | 1 x | not measured: the environment 'peer' cannot be installed |" in text
    assert "1 of 2 are met." in text


def test_a_peer_that_cannot_be_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "peer.txt").write_text(f"{tmp_path / 'gone-1.0-py3-none-any.whl'}\n", encoding="utf-8")
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(environments, "CACHE", tmp_path / "cache")
    made = Environments()
    for _ in range(2):  # the second time it is not tried again
        with pytest.raises(NotMeasuredError, match=r"'peer' cannot be installed: ERROR: .*gone-1\.0"):
            made.get("peer")


def test_a_program_that_fails_is_given_up_and_the_others_run(tmp_path: Path) -> None:
    samples = Samples()
    programs = [
        Program("broken", (sys.executable, "-c", "raise SystemExit('no such peer')"), tmp_path),
        Program("whole", (sys.executable, "-c", "print('{\"call\": [0.25, 0.5]}')"), tmp_path),
    ]
    run_interleaved(programs, samples, passes=2)
    assert [0.25, 0.5, 0.25, 0.5] == samples.get("whole", "call")
    with pytest.raises(NotMeasuredError, match="it ended with 1: no such peer"):
        samples.get("broken", "cpu")


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ({0: 5.0, 10: 15.0, 100: 105.0, 1000: 1005.0}, "linear: n^1.00"),
        ({1: 1.0, 10: 100.0, 100: 10_000.0}, "**worse than linear**: n^2.00"),
        ({1: 1.0, 100: 10.0}, "better than linear: n^0.50"),
        ({0: 5.0, 10: 5.1, 100: 5.2}, "constant"),
    ],
)
def test_the_order_of_growth_is_named(values: dict[int, float], order: str) -> None:
    assert order == growth_order(values)


def test_every_environment_is_pinned_to_the_last_package() -> None:
    files = sorted(REQUIREMENTS.glob("*.txt"))
    unpinned = [line for file in files for line in file.read_text().splitlines() if "==" not in line]
    assert [] == unpinned
    assert set(WITH_PROJECT) <= {file.stem for file in files}


def test_every_topic_has_a_name_of_its_own() -> None:
    assert {"boot", "first", "calls-openai", "lookups", "discovery", "extract", "checks", "peers"} <= set(SECTIONS)
