from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acme.environment import Environment

SCRIPT = Path(__file__).parent / "library_calls.py"


@pytest.fixture(scope="module")
def calls(full: Environment) -> dict[str, Any]:
    """Run the script once; what it found is what the tests look at. No warning and no traceback may appear."""
    done = full.python("-W", "error", str(SCRIPT))
    assert (0, "") == (done.returncode, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_text_is_answered(calls: dict[str, Any]) -> None:
    assert "You said: hello" == calls["sync"]["text"] == calls["async"]["text"]


def test_the_plugins_own_worker_answered(calls: dict[str, Any]) -> None:
    assert "my_pkg.acme_llm_worker" == calls["sync"]["worker_module"]


def test_the_system_text_arrives(calls: dict[str, Any]) -> None:
    assert "[be brief] You said: hello" == calls["sync"]["with_system_text"]


def test_an_object_is_an_instance_of_exactly_the_type_that_was_asked_for(calls: dict[str, Any]) -> None:
    assert ["Greeting", "hello there", 2, ["hello there"]] == calls["sync"]["object"]
    assert {"text": "hello", "length": 1, "tags": ["hello"]} == calls["async"]["object"]


def test_a_stream_comes_in_pieces(calls: dict[str, Any]) -> None:
    assert ["You ", "said: ", "one ", "two"] == calls["sync"]["pieces"] == calls["async"]["pieces"]


def test_a_stream_can_be_left_after_its_first_piece(calls: dict[str, Any]) -> None:
    assert "You " == calls["sync"]["first_piece_alone"]


def test_workers_made_again_and_again_share_one_client(calls: dict[str, Any]) -> None:
    assert 1 == calls["sync"]["clients_built"]


def test_usage_and_the_model_that_served_are_reported(calls: dict[str, Any]) -> None:
    operation, model, model_served, usage = calls["records"][-1]
    assert ("stream_text", "acme/acme-small", "acme-small") == (operation, model, model_served)
    assert (2, 4) == (usage["input_tokens"], usage["output_tokens"])


def test_what_the_server_does_not_say_is_reported_as_unknown(calls: dict[str, Any]) -> None:
    assert calls["records"][-1][3]["cached_input_tokens"] is None


@pytest.mark.parametrize(
    ("case", "error", "status_code"),
    [
        ("status 400", "InferenceRequestError", 400),
        ("status 403", "InferenceAuthenticationError", 403),
        ("status 413", "InferenceCapacityError", 413),
        ("status 418", "InferenceRequestError", 418),
        ("status 429", "InferenceRateLimitError", 429),
        ("status 500", "InferenceServerError", 500),
        ("status 503", "InferenceServerError", 503),
        ("unknown model", "InferenceModelNotFoundError", 404),
        ("wrong key", "InferenceAuthenticationError", 401),
    ],
)
def test_a_status_becomes_the_kind_of_error_that_it_means(
    calls: dict[str, Any], case: str, error: str, status_code: int
) -> None:
    found = calls["errors"][case]
    assert (error, status_code, "AcmeStatusError") == (found["error"], found["status_code"], found["cause"])


@pytest.mark.parametrize(
    ("case", "error", "cause"),
    [
        ("no server", "InferenceConnectionError", "AcmeUnreachableError"),
        ("broken off", "InferenceAmbiguousError", "AcmeBrokenAnswerError"),
        ("cut off", "InferenceTruncatedError", "NoneType"),
        ("refused", "InferenceRefusedError", "NoneType"),
        ("undeclared", "UnsupportedCapabilityError", "NoneType"),
    ],
)
def test_a_failure_without_a_status_is_named(calls: dict[str, Any], case: str, error: str, cause: str) -> None:
    found = calls["errors"][case]
    assert (error, cause) == (found["error"], found["cause"])


def test_what_the_server_says_about_a_retry_reaches_the_caller(calls: dict[str, Any]) -> None:
    found = calls["errors"]["status 429"]
    assert (True, 2.0) == (found["retryable"], found["retry_after"])
    assert found["request_id"].startswith("acme-")


def test_a_stream_fails_with_the_same_kinds(calls: dict[str, Any]) -> None:
    assert {"error": "InferenceAmbiguousError"} == calls["errors"]["stream broken off"]
    assert {"error": "InferenceRateLimitError"} == calls["errors"]["stream with status 429"]
