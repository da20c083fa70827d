"""Boot, check and kit agree on every plugin of the corpus, and each fault is seen by whom it has to be seen."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.checking.check import check
from pipelex.testing.checks import NotConformingError
from pipelex.testing.isolation import findings_about
from tests.corpus import boot
from tests.corpus.rows import BY_CALLS, GROUPS, Row, Seen, slug, write_row
from tests.testing.kit_runs import run_kit
from tests.testing.test_legal_plugins import SUITE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough

ROWS: list[tuple[Seen, str, Row]] = [(seen, title, row) for seen, rows in GROUPS.items() for title, row in rows.items()]
IDS = [f"{seen}: {title}" for seen, title, _ in ROWS]


class Verdict(NamedTuple):
    """What was found in one plugin.

    Attributes:
        boots: Whether boot takes part of it in; ``None`` where it was not tried.
        errors: The errors of the check; ``None`` where there was no verdict.
    """

    boots: bool | None
    errors: list[str] | None


def named(row: Row, title: str) -> dict[str, str]:
    return {key.replace("NAME", slug(title)): value.replace("NAME", slug(title)) for key, value in row.entries.items()}


def of_the_kit(folder: Path, title: str, row: Row) -> tuple[bool, list[str]]:
    """Let the kit look at each plugin of a row, in the sandbox: whether it is rejected, and what is impure."""
    rejected, impure = False, []
    for value in named(row, title).values():
        try:
            found = findings_about(value.partition(" ")[0], (), (str(folder / "src"),))
        except NotConformingError:
            rejected = True
        else:
            rejected |= bool(found.rejected)
            impure += [*found.heavy, *found.impure]
    return rejected, impure


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    folder = tmp_path_factory.mktemp("corpus")
    folders = {title: write_row(folder, title, row) for _, title, row in ROWS}
    order = {title: (str(folders[title] / "src"), named(row, title)) for _, title, row in ROWS if row.boots}
    command = [sys.executable, "-m", boot.__name__]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELEX_CACHE_DIR", str(folder / "cache"))
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False)
        checked = {one.label: one for one in check([str(path) for path in folders.values()]).checked}
    assert 0 == done.returncode, done.stderr
    statuses = json.loads(done.stdout.splitlines()[-1])
    found = {}
    for title, path in folders.items():
        one = checked.get(str(path))
        found[title] = Verdict(
            set(statuses[title]) == {"active"} if title in statuses else None,
            None if one is None else [f"{f.rule} {f.message}" for f in one.findings if f.severity == "error"],
        )
    return found


@pytest.mark.parametrize(("seen", "title", "row"), ROWS, ids=IDS)
def test_the_fault_is_seen_by_whom_it_has_to_be_seen(
    verdicts: dict[str, Verdict], seen: Seen, title: str, row: Row
) -> None:
    found = verdicts[title]
    if row.boots:
        assert (seen != "boot") is found.boots, found
    assert (seen in ("nobody", "calls")) is (found.errors == []), found


def assert_the_kit_agrees(tmp_path: Path, seen: Seen, title: str, row: Row) -> None:
    rejected, impure = of_the_kit(write_row(tmp_path, title, row), title, row)
    if row.boots and len(row.entries) == 1:  # the kit looks at one plugin at a time
        assert (seen == "boot") is rejected
    if seen == "sandbox":
        assert impure or rejected or "something else" in title
    else:
        assert [] == impure


@pytest.mark.parametrize(("seen", "title", "row"), ROWS[::8], ids=IDS[::8])
def test_the_kit_agrees_with_boot(tmp_path: Path, seen: Seen, title: str, row: Row) -> None:
    assert_the_kit_agrees(tmp_path, seen, title, row)


@pytest.mark.heavy
@pytest.mark.parametrize(("seen", "title", "row"), ROWS, ids=IDS)
def test_the_kit_agrees_with_boot_on_every_plugin(tmp_path: Path, seen: Seen, title: str, row: Row) -> None:
    assert_the_kit_agrees(tmp_path, seen, title, row)


@pytest.mark.heavy
@pytest.mark.parametrize("title", BY_CALLS)
def test_the_kit_sees_what_only_a_call_shows(tmp_path: Path, title: str) -> None:
    source = write_row(tmp_path, title, BY_CALLS[title]) / "src"
    (source / "conftest.py").write_text('pytest_plugins = ["pipelex.testing"]\n', encoding="utf-8")
    (source / "test_it.py").write_text(SUITE.format(module=slug(title), plugin="Plugin"), encoding="utf-8")
    assert "test_the_plain_call_answers" in run_kit(source, "test_it.py").failed("TestIt")


def test_the_corpus_is_large_enough_and_no_title_is_used_twice() -> None:
    faulty = [title for seen, title, _ in ROWS if seen != "nobody"]
    assert len(ROWS) - len(faulty) >= 40
    assert len(faulty) >= 60
    assert len(ROWS) == len({slug(title) for _, title, _ in ROWS})
