"""Each check of the kit is failed by a plugin that does that one thing wrong, and by no other check."""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path

import pytest

from pipelex.testing.checks import CHECKS, NotConformingError
from pipelex.testing.llm_conversation import ConversationConformance
from tests.testing.kit_runs import Run, run_kit
from tests.testing.toy import faulty_suites
from tests.testing.toy.faulty_suites import FAULTS, Fault

CONVERSATION_FAULTS = [fault for fault in FAULTS if fault.check in vars(ConversationConformance)]
SUITES = Path(__file__).parent / "toy" / "faulty_suites.py"


@pytest.fixture(scope="module")
def faulty_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_kit(tmp_path_factory.mktemp("faulty"), "-p", "pipelex.testing", "-n", "2", str(SUITES), timeout_s=900)


def test_a_fault_fails_its_check(tmp_path: Path) -> None:
    """One of all, in every run: the others are heavy."""
    fault = FAULTS[0]
    run = run_kit(
        tmp_path, "-p", "pipelex.testing", "-k", "importing or register or boot", f"{SUITES}::Test{fault.plugin}"
    )
    assert [fault.check] == run.failed(f"Test{fault.plugin}"), run.output


@pytest.mark.parametrize("fault", CONVERSATION_FAULTS, ids=lambda fault: fault.plugin)
def test_a_faulty_conversation_fails_its_check(fault: Fault) -> None:
    """In this process: the heavy sibling runs all checks on each plugin."""
    run = getattr(getattr(faulty_suites, f"Test{fault.plugin}")(), fault.check)
    cases = [(False,), (True,)] if "is_streamed" in inspect.signature(run).parameters else [()]
    messages = []
    for arguments in cases:
        with suppress(pytest.skip.Exception):
            try:
                run(*arguments)
            except NotConformingError as error:
                messages.append(str(error))
    assert messages


@pytest.mark.heavy
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plugin)
def test_a_fault_fails_its_check_and_no_other(faulty_run: Run, fault: Fault) -> None:
    suite = f"Test{fault.plugin}"
    assert any(owner == suite for owner, _ in faulty_run.outcomes), faulty_run.output
    assert sorted([fault.check, *fault.too]) == sorted(faulty_run.failed(suite)), {
        test: message for (owner, test), message in faulty_run.messages.items() if owner == suite
    }


def test_every_check_has_its_faulty_plugin() -> None:
    assert {check.name for check in CHECKS.values()} == {fault.check for fault in FAULTS}


@pytest.mark.heavy
def test_a_failure_shows_the_message_and_not_the_kit(faulty_run: Run) -> None:
    shown = faulty_run.messages["TestWithDropping", "test_a_declared_capability_is_honoured[seed]"]
    assert "A job with 'seed' sends the same request as one without: it is dropped." in shown
    assert "Traceback" not in shown
