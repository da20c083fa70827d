"""What Linkup's search driver sends, and what it makes of answers: the official SDK against a replay of the documented
wire format (tests/providers/linkup/wire.py names the pages)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
)
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.cogt.search.search_job import SearchAnswer, SearchJob, SearchJobParams, SearchSource
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.linkup.client import make_client
from pipelex.providers.linkup.search import LinkupSearchWorker
from tests.providers.linkup import wire
from tests.providers.replay import Replay, answer, raw, reset
from tests.providers.running import keep, run
from tests.providers.targets import ONCE, backend_at, model_of

if TYPE_CHECKING:
    from pipelex.testing.loopback import HttpReply

pytestmark = pytest.mark.counterpart("linkup_docs", "search:linkup")

SOURCES = (SearchSource(url="https://example.org/a", title="A", snippet="About it"),)
ANSWER = answer(wire.sourced_answer("It is so.", SOURCES))
SEARCH = "POST /v1/search"


@dataclass
class Finding:
    name: str


def make_worker(
    endpoint: str, *, depth: str = "standard", key: str | None = "test-key", **extras: str
) -> LinkupSearchWorker:
    backend = backend_at(f"{endpoint}/v1")
    keyless = InferenceBackend(name="test", endpoint=endpoint, policy=ONCE)
    client = keep(make_client(sdk="linkup", backend=backend if key else keyless))
    model = model_of(InferenceFamily.SEARCH, "linkup", depth, *Capability, policy=ONCE, extras=extras)
    return LinkupSearchWorker(sdk_instance=client, inference_model=model, reporting_delegate=None)


def test_a_search_is_sent_as_linkup_wants_it(replay: Replay) -> None:
    replay.on(SEARCH, ANSWER)
    params = SearchJobParams(
        max_results=3,
        include_domains=("example.org",),
        exclude_domains=("example.com",),
        from_date=date(2026, 1, 2),
        to_date=date(2026, 3, 4),
    )
    found = run(make_worker(replay.url, depth="deep").search(SearchJob(query="Is it so?", params=params)))
    assert SearchAnswer(text="It is so.", sources=SOURCES) == found
    assert {
        "q": "Is it so?",
        "depth": "deep",
        "outputType": "sourcedAnswer",
        "maxResults": 3,
        "includeDomains": ["example.org"],
        "excludeDomains": ["example.com"],
        "fromDate": "2026-01-02",
        "toDate": "2026-03-04",
    } == replay.last.json()
    assert "Bearer test-key" == replay.last.headers["authorization"]


def test_plain_results_have_no_text_over_them(replay: Replay) -> None:
    replay.on(SEARCH, answer(wire.search_results(SOURCES)))
    image = SearchSource(url="https://example.org/cat.png", title="A cat")
    found = run(make_worker(replay.url, output="results").search("Is it so?"))
    assert SearchAnswer(text="", sources=(*SOURCES, image)) == found
    assert "searchResults" == replay.last.json()["outputType"]


def test_a_structured_search_sends_its_schema(replay: Replay) -> None:
    replay.on(SEARCH, answer({"name": "Ada"}))
    assert Finding(name="Ada") == run(make_worker(replay.url).search_structured("Who?", Finding))
    assert "structured" == replay.last.json()["outputType"]
    assert '"name"' in str(replay.last.json()["structuredOutputSchema"])


def test_a_structured_answer_that_does_not_fit_is_not_asked_for_again(replay: Replay) -> None:
    replay.on(SEARCH, answer({"name": 7}))
    with pytest.raises(InferenceInvalidAnswerError, match="name"):
        run(make_worker(replay.url).search_structured("Who?", Finding))
    assert 1 == len(replay.requests)


def test_a_search_that_found_nothing_is_an_empty_answer(replay: Replay) -> None:
    replay.on(SEARCH, answer(wire.error(400, "SEARCH_QUERY_NO_RESULT"), status=400))
    assert SearchAnswer(text="") == run(make_worker(replay.url).search("Is it so?"))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(wire.error(400, "VALIDATION_ERROR"), status=400), InferenceRequestError),
        (answer(wire.error(402, "PAYMENT_REQUIRED"), status=402), InferenceCapacityError),
        (answer(wire.error(403, "FORBIDDEN"), status=403), InferenceAuthenticationError),
        (answer(wire.error(429, "INSUFFICIENT_FUNDS_CREDITS"), status=429), InferenceCapacityError),
        (answer(wire.error(429, "EXCEED_BUDGET_LIMIT"), status=429), InferenceCapacityError),
        (answer(wire.error(504, "REQUEST_DEADLINE_EXCEEDED"), status=504), InferenceTimeoutError),
        (answer({"message": "in another format"}, status=500), InferenceServerError),
        (raw(b"<html>", content_type="text/html", status=502), InferenceServerError),
        (reset(ANSWER), InferenceServerError),
        (answer({"answers": 3}), InferenceInvalidAnswerError),
    ],
)
def test_what_goes_wrong_has_its_kind(replay: Replay, reply: HttpReply, kind: type[InferenceError]) -> None:
    replay.on(SEARCH, reply)
    with pytest.raises(InferenceError) as caught:
        run(make_worker(replay.url).search("Is it so?"))
    assert kind is type(caught.value)
    assert ("test", "test/standard") == (caught.value.provider, caught.value.model)
    assert 1 == len(replay.requests)


def test_a_key_of_the_environment_is_not_sent_to_an_endpoint_without_one(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINKUP_API_KEY", "the-key-of-somebody-else")
    replay.on("*", ANSWER)
    run(make_worker(replay.url, key=None).search("Is it so?"))
    assert "Bearer none" == replay.last.headers["authorization"]
