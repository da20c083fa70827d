"""A secret that was read appears in no message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipelex import exceptions
from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.inference.attempts import scrub
from pipelex.exceptions import keep_secret, redact
from tests.cogt.workers import ScriptedLLM

if TYPE_CHECKING:
    pass

CANARY = "sk-canary-0123456789"


@pytest.fixture(autouse=True)
def canary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exceptions, "_secrets", set())
    keep_secret(CANARY)


def test_an_sdks_message_that_quotes_the_key_is_masked_in_error_cause_and_json() -> None:
    worker = ScriptedLLM()
    cause = RuntimeError(f"Incorrect API key provided: {CANARY}")
    cause.__cause__ = ValueError(f"header Authorization: Bearer {CANARY}")
    worker.error = cause
    with pytest.raises(InferenceError) as caught:
        worker.gen_text_sync("x")
    shown = [str(caught.value), repr(caught.value), json.dumps(caught.value.to_dict())]
    shown += [repr(caught.value.__cause__), repr(cause.__cause__), caught.value.message]
    assert all(CANARY not in text for text in shown)
    assert "[redacted]" in str(caught.value)


def test_the_longest_secret_is_masked_first() -> None:
    keep_secret(f"{CANARY}-and-more")
    assert "[redacted]" == redact(f"{CANARY}-and-more")


def test_a_short_word_is_no_secret() -> None:
    keep_secret("eu")
    assert "neutral" == redact("neutral")


def test_scrubbing_ends_where_exceptions_point_at_each_other() -> None:
    one, two = ValueError(CANARY), ValueError(CANARY)
    one.__cause__, two.__cause__ = two, one
    scrub(one)
    assert [("[redacted]",), ("[redacted]",)] == [one.args, two.args]
