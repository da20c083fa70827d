"""The guard over the inherited tests: none is overridden, deleted, forgotten or skipped without a word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelex.testing import conformance
from pipelex.testing.pytest_plugin import faults_of_a_class
from tests.testing.kit_runs import run_kit
from tests.testing.toy import guarded
from tests.testing.toy.vendor import ToyLLMConformance

if TYPE_CHECKING:
    pass

CHEAP = "test_register_is_repeatable"
HEAD = "import pytest\nfrom tests.testing.toy.vendor import ToyLLMConformance\n"


@pytest.mark.parametrize(
    ("suite", "fault"),
    [
        (guarded.Overriding, "Overriding: the inherited test_register_is_pure is overridden or deleted."),
        (guarded.Deleting, "Deleting: the inherited test_no_key_is_shown is overridden or deleted."),
        (guarded.MixingIn, "MixingIn: the inherited test_a_failure_is_reported is overridden or deleted."),
        (guarded.Meddling, "Meddling: '_failure' is the kit's own."),
        (guarded.Silent, "Silent: cannot[<Fault.TIMEOUT: 'timeout'>] gives no reason."),
        (guarded.Nameless, "Nameless does not set 'sdk'."),
        (guarded.WithoutSdk, "WithoutSdk sets no 'sdk_imports' and 'extra'."),
        (conformance.Conformance, "Conformance does not define"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_fault_of_a_class_is_named(suite: type[ToyLLMConformance], fault: str) -> None:
    found = list(faults_of_a_class(suite))
    assert [True] == [message.startswith(fault) for message in found], found


@pytest.mark.parametrize("suite", [ToyLLMConformance, guarded.WithoutSdkForAReason, guarded.WithOwnTests])
def test_a_class_that_only_uses_the_hooks_has_no_fault(suite: type[ToyLLMConformance]) -> None:
    assert [] == list(faults_of_a_class(suite))


def test_a_check_taken_out_of_the_kit_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(conformance.Conformance, CHEAP)
    assert [True] == [CHEAP in message for message in faults_of_a_class(ToyLLMConformance)]


def write(folder: Path, source: str, *, switched_on: bool = True) -> Path:
    if switched_on:
        (folder / "conftest.py").write_text('pytest_plugins = ["pipelex.testing"]\n')
    path = folder / "test_it.py"
    path.write_text(HEAD + source)
    return path


def test_overriding_a_check_fails_the_run(tmp_path: Path) -> None:
    source = "class TestIt(ToyLLMConformance):\n    def test_register_is_pure(self): pass\n"
    run = run_kit(tmp_path, str(write(tmp_path, source)))
    assert 2 == run.code
    assert "the inherited test_register_is_pure is overridden or deleted" in run.output


def test_a_class_that_would_not_be_run_fails_the_run(tmp_path: Path) -> None:
    run = run_kit(tmp_path, str(write(tmp_path, "class ToyConformance(ToyLLMConformance): pass\n")))
    assert 2 == run.code
    assert "ToyConformance would not be run: the name of a test class begins with Test." in run.output


def test_a_skip_without_a_reason_fails_the_run(tmp_path: Path) -> None:
    run = run_kit(tmp_path, str(write(tmp_path, "@pytest.mark.skip\nclass TestIt(ToyLLMConformance): pass\n")))
    assert 4 == run.code
    assert "'skip' gives no reason" in run.output


def test_a_skip_from_inside_without_a_reason_fails(tmp_path: Path) -> None:
    source = "class TestIt(ToyLLMConformance):\n    def plugin(self): pytest.skip()\n"
    run = run_kit(tmp_path, "-k", CHEAP, str(write(tmp_path, source)))
    assert (1, "failed") == (run.code, run.outcomes["TestIt", CHEAP])
    assert "The check was skipped without a reason." in run.output


def test_a_skip_with_a_reason_is_printed_in_the_summary(tmp_path: Path) -> None:
    source = "@pytest.mark.skip(reason='the vendor is closed on Sundays')\nclass TestIt(ToyLLMConformance): pass\n"
    run = run_kit(tmp_path, "-k", CHEAP, str(write(tmp_path, source)))
    assert 0 == run.code
    assert "conformance: checks not run" in run.output
    assert "TestIt: the vendor is closed on Sundays\n    register_is_repeatable\n" in run.output


def test_the_kit_is_never_switched_on_by_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "class TestIt(ToyLLMConformance): pass\n", switched_on=False)
    run = run_kit(tmp_path, "-k", CHEAP, str(path))
    assert 1 == run.code
    assert 'pytest_plugins = ["pipelex.testing"]' in run.output
