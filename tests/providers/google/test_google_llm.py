"""What Google's driver sends, and what it makes of answers: the official SDK against a replay of the documented wire
format (tests/providers/google/wire.py names the pages)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import BaseModel

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTruncatedError,
)
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt, ReasoningEffort
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.model_lister_registry import translate_errors
from pipelex.providers.google.client import RequestConfig, list_models, make_client
from pipelex.providers.google.errors import classify
from pipelex.providers.google.llm import GoogleLLMWorker
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.providers.google import wire
from tests.providers.replay import (
    Replay,
    answer,
    rate_limited,
    raw,
    reset,
    sse,
    truncated,
)
from tests.providers.running import collect, keep, run
from tests.providers.targets import backend_at, model_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.testing.loopback import HttpReply

pytestmark = pytest.mark.counterpart("google_docs", "llm:google")

KEY = "test-key"
PNG = b"\x89PNG\r\n\x1a\nimage"


@dataclass
class City:
    name: str
    people: int


def make_worker(endpoint: str, *, log: UsageLog | None = None, **extras: str) -> GoogleLLMWorker:
    client = keep(make_client(sdk="google", backend=backend_at(endpoint)))
    model = model_of(InferenceFamily.LLM, "google", wire.MODEL_ID, *Capability, extras=extras)
    return GoogleLLMWorker(sdk_instance=client, inference_model=model, reporting_delegate=log)


def ask(replay: Replay, job: LLMJob | str = "Hello", *, log: UsageLog | None = None, **extras: str) -> str:
    return run(make_worker(replay.url, log=log, **extras).gen_text(job))


def effort(level: ReasoningEffort) -> LLMJob:
    return LLMJob(prompt=LLMPrompt(user_text="Hello"), params=LLMJobParams(reasoning_effort=level))


def config_sent(replay: Replay) -> dict[str, object]:
    return cast("dict[str, object]", replay.last.json()["generationConfig"])


def test_the_sdk_reads_a_request_without_listing_its_fields(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[type] = []

    def noting(record: BaseModel) -> Iterator[tuple[str, object]]:
        listed.append(type(record))
        return listing(record)

    listing = BaseModel.__iter__
    monkeypatch.setattr(BaseModel, "__iter__", noting)
    replay.on("*", answer(wire.text("Hi")))
    assert ask(replay) == "Hi"
    assert listed, "the SDK lists no fields at all any more: RequestConfig has no use left"
    assert RequestConfig not in listed


def test_a_job_is_sent_as_generate_content_wants_it(replay: Replay) -> None:
    replay.on("*", answer(wire.text("Hi")))
    prompt = LLMPrompt(user_text="Hello", system_text="Be kind.", images=(MediaSource(data=PNG),))
    params = LLMJobParams(
        temperature=0.0, max_tokens=99, seed=7, stop=("END",), reasoning_effort=ReasoningEffort.MEDIUM
    )
    assert "Hi" == ask(replay, LLMJob(prompt=prompt, params=params))
    assert replay.last.target.endswith(f"/models/{wire.MODEL_ID}:generateContent")
    assert KEY == replay.last.headers["x-goog-api-key"]
    image = {
        "inlineData": {"data": "iVBORw0KGgppbWFnZQ==", "mime_type": "image/png"}
    }  # proto JSON takes both spellings
    sent = replay.last.json()
    assert [{"role": "user", "parts": [image, {"text": "Hello"}]}] == sent["contents"]
    assert [{"text": "Be kind."}] == cast("dict[str, object]", sent["systemInstruction"])["parts"]
    assert {
        "temperature": 0.0,
        "maxOutputTokens": 99,
        "seed": 7,
        "stopSequences": ["END"],
        "thinkingConfig": {"thinking_level": "MEDIUM"},
    } == sent["generationConfig"]


def test_a_file_behind_an_address_is_sent_as_bytes(replay: Replay) -> None:
    replay.on("GET /paper.pdf", raw(b"%PDF-1.4 paper", content_type="application/pdf")).on("*", answer(wire.text("Hi")))
    document = MediaSource.of(f"{replay.url}/paper.pdf")
    ask(replay, LLMJob(prompt=LLMPrompt(user_text="Sum up", documents=(document,))))
    parts = cast("list[dict[str, list[object]]]", replay.last.json()["contents"])[0]["parts"]
    assert {"inlineData": {"data": "JVBERi0xLjQgcGFwZXI=", "mime_type": "application/pdf"}} == parts[0]


def test_effort_is_said_in_tokens_to_models_that_know_no_levels(replay: Replay) -> None:
    replay.on("*", answer(wire.text("Hi")))
    ask(replay, effort(ReasoningEffort.NONE), thinking="budget")
    assert {"thinkingConfig": {"thinking_budget": 0}} == config_sent(replay)


def test_no_effort_at_all_is_refused_by_models_that_always_think(replay: Replay) -> None:
    with pytest.raises(InferenceRequestError, match="'none' is none of low, medium, high"):
        ask(replay, effort(ReasoningEffort.NONE))
    assert [] == replay.requests


def test_the_schema_of_an_object_is_sent_natively(replay: Replay) -> None:
    replay.on("*", answer(wire.text('{"name": "Lyon", "people": 520000}')))
    assert City(name="Lyon", people=520000) == run(make_worker(replay.url).gen_object("Which city?", City))
    config = config_sent(replay)
    assert "application/json" == config["responseMimeType"]
    assert ["name", "people"] == cast("dict[str, object]", config["responseJsonSchema"])["required"]


def test_an_object_that_does_not_fit_is_asked_for_again(replay: Replay) -> None:
    replay.on("*", answer(wire.text('{"name": "Lyon"}')), answer(wire.text('{"name": "Lyon", "people": 520000}')))
    assert City(name="Lyon", people=520000) == run(make_worker(replay.url).gen_object("Which city?", City))
    assert b"people: Field required" in replay.last.body


def test_thoughts_count_as_output_and_cached_tokens_are_told(replay: Replay) -> None:
    log = UsageLog()
    replay.on("*", answer(wire.text("Hi", cachedContentTokenCount=8)))
    ask(replay, log=log)
    used = InferenceUsage(input_tokens=11, output_tokens=7, cached_input_tokens=8, reasoning_tokens=2)
    assert used == log.records[0].usage
    assert f"{wire.MODEL_ID}-001" == log.records[0].model_served


def test_a_stream_reports_the_counts_of_its_end(replay: Replay) -> None:
    log = UsageLog()
    replay.on("*", sse(wire.pieces("Hello there"), last=None))
    assert ["Hel", "lo th", "ere"] == run(collect(make_worker(replay.url, log=log).stream_text("Hi")))
    assert InferenceUsage(input_tokens=11, output_tokens=7, reasoning_tokens=2) == log.records[0].usage


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(wire.blocked()), InferenceRefusedError),
        (answer(wire.text("", reason="RECITATION")), InferenceRefusedError),
        (answer(wire.text("Half an ans", reason="MAX_TOKENS")), InferenceTruncatedError),
        (answer({"candidates": []}), InferenceInvalidAnswerError),
        (answer({"candidates": "none"}), InferenceInvalidAnswerError),
        (reset(answer(wire.text("Hello"))), InferenceServerError),
        (answer(wire.error(400), status=400), InferenceRequestError),
        (answer(wire.error(403), status=403), InferenceAuthenticationError),
        (answer(wire.error(503), status=503), InferenceServerError),
    ],
)
def test_what_goes_wrong_has_its_kind(replay: Replay, reply: HttpReply, kind: type[InferenceError]) -> None:
    replay.on("*", reply)
    with pytest.raises(InferenceError) as caught:
        ask(replay)
    assert kind is type(caught.value)
    assert ("test", f"test/{wire.MODEL_ID}") == (caught.value.provider, caught.value.model)
    assert 1 == len(replay.requests)


@pytest.mark.parametrize(
    "broken",
    [
        truncated(sse(wire.pieces("Hello there"), last=None)),
        reset(sse(wire.pieces("Hello there"), last=None)),
        sse(wire.pieces("Hello there")[:-1], last=None),
    ],
    ids=["cut", "reset", "no-end"],
)
def test_a_broken_stream_is_no_whole_answer(replay: Replay, broken: HttpReply) -> None:
    replay.on("*", broken)
    with pytest.raises(InferenceServerError):
        run(collect(make_worker(replay.url).stream_text("Hi")))


def test_an_error_inside_a_stream_is_an_error(replay: Replay) -> None:
    replay.on("*", sse([*wire.pieces("Hello there")[:-1], wire.error(503)], last=None))
    with pytest.raises(InferenceServerError, match="The replay refuses this model"):
        run(collect(make_worker(replay.url).stream_text("Hi")))


def test_a_key_that_is_not_valid_comes_as_a_bad_request_and_is_known_all_the_same(replay: Replay) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    replay.on("*", answer(wire.error(400, info, said="API key not valid."), status=400))
    with pytest.raises(InferenceAuthenticationError, match="API key not valid"):
        ask(replay)


def test_how_long_to_wait_is_read_from_the_body_or_the_header(replay: Replay) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    replay.on("*", answer(wire.error(429, info), status=429), rate_limited(wire.error(429), retry_after=3))
    waits = []
    for _ in range(2):
        with pytest.raises(InferenceRateLimitError) as caught:
            ask(replay)
        waits.append(caught.value.retry_after)
    assert [34.5, 3.0] == waits


def test_the_listing_follows_its_pages(replay: Replay) -> None:
    first = {"models": [{"name": "models/gemini-a", "inputTokenLimit": 1000}], "nextPageToken": "more"}
    replay.on("*", answer(first), answer({"models": [{"name": "models/gemini-b"}]}))
    listing = list_models(sdk="google", backend=backend_at(replay.url))
    assert [
        ListedModel(id="gemini-a", owner="google", context_window=1000),
        ListedModel(id="gemini-b", owner="google"),
    ] == asyncio.run(listing)
    assert "pageToken=more" in replay.last.target


def test_a_listing_that_fails_is_a_named_error(replay: Replay) -> None:
    replay.on("*", answer(wire.error(401), status=401))
    listing = list_models(sdk="google", backend=backend_at(replay.url))
    with pytest.raises(InferenceAuthenticationError), translate_errors(classify, provider="test"):
        asyncio.run(listing)


def test_a_key_of_the_environment_is_not_sent_to_an_endpoint_without_one(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "the-key-of-somebody-else")
    replay.on("*", answer(wire.text("Hi")))
    client = keep(make_client(sdk="google", backend=InferenceBackend(name="test", endpoint=replay.url)))
    model = model_of(InferenceFamily.LLM, "google", wire.MODEL_ID)
    worker = GoogleLLMWorker(sdk_instance=client, inference_model=model, reporting_delegate=None)
    assert "Hi" == run(worker.gen_text("Hello"))
    assert "none" == replay.last.headers["x-goog-api-key"]
