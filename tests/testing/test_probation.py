"""The kit's versions: a check that was added inside an API version warns until the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.testing.checks import CHECKS, Check, check
from tests.testing.kit_runs import run_kit

SOURCE = """
import warnings
from pipelex.testing.checks import check, fail
from pipelex.testing.llm import LLMConformance
from tests.testing.toy.vendor import ToyLLMConformance

def later(self):
    fail("it takes too long")

# as a later release of the kit would define it
later.__module__, later.__name__ = LLMConformance.__module__, "test_register_is_quick"
later.__qualname__ = "LLMConformance.test_register_is_quick"
LLMConformance.test_register_is_quick = check(since="{since}")(later)

class TestIt(ToyLLMConformance):
    pass
"""


def run_with_check(folder: Path, since: str) -> tuple[int, str]:
    (folder / "conftest.py").write_text('pytest_plugins = ["pipelex.testing"]\n')
    (folder / "test_it.py").write_text(SOURCE.format(since=since))
    run = run_kit(folder, "-W", "error", "-k", "test_register_is_quick", str(folder / "test_it.py"))
    return run.code, run.output


def test_a_new_check_warns_even_where_warnings_are_errors(tmp_path: Path) -> None:
    code, output = run_with_check(tmp_path, f"{PLUGIN_API_VERSION}.1")
    assert 0 == code, output
    assert "1 passed" in output
    assert "ConformanceWarning: test_register_is_quick fails and will be enforced from API version" in output


def test_a_check_of_the_version_itself_fails(tmp_path: Path) -> None:
    code, output = run_with_check(tmp_path, f"{PLUGIN_API_VERSION}.0")
    assert 1 == code
    assert "it takes too long" in output


@pytest.mark.parametrize(
    ("since", "api_version", "on_probation"),
    [("1.0", 1, False), ("1.3", 1, True), ("1.3", 2, False), ("2.0", 2, False), ("2.1", 2, True)],
)
def test_a_check_is_on_probation_within_the_version_that_it_was_added_in(
    since: str, api_version: int, on_probation: bool
) -> None:
    version, revision = (int(part) for part in since.split("."))
    entry = Check("kit.Class", "test_it", version, revision, lambda: None)
    assert on_probation is entry.is_on_probation(api_version=api_version)


def test_every_check_says_since_when_and_what_it_asserts() -> None:
    for entry in CHECKS.values():
        assert 1 <= entry.version <= PLUGIN_API_VERSION
        assert (entry.function.__doc__ or "").strip().endswith("."), entry.name


def test_the_decorator_enters_a_check_in_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    book: dict[tuple[str, str], Check] = {}
    monkeypatch.setattr("pipelex.testing.checks.CHECKS", book)

    @check(since="7.2")
    def test_something(self: object) -> None:
        """Assert something."""

    [entry] = book.values()
    assert ("test_something", 7, 2) == (entry.name, entry.version, entry.revision)
    assert test_something is entry.function
