"""What Mistral's driver sends, and what it makes of answers: the official SDK against a replay of the documented wire
format (tests/providers/mistral/wire.py names the pages)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import pytest
from mistralai.client.utils import serializers
from pydantic import BaseModel

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTruncatedError,
)
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt, ReasoningEffort
from pipelex.plugins.model_lister_registry import translate_errors
from pipelex.providers.mistral.client import list_models
from pipelex.providers.mistral.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.providers.mistral import wire
from tests.providers.mistral.mistral_workers import KEY, backend, llm_worker
from tests.providers.replay import (
    Replay,
    answer,
    raw,
    reset,
    sse,
    stall,
    truncated,
)
from tests.providers.running import collect, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.testing.loopback import HttpReply

pytestmark = pytest.mark.counterpart("mistral_docs", "llm:mistral")

PATH = "POST /v1/chat/completions"


def ask(replay: Replay, job: LLMJob | str = "Hello", log: UsageLog | None = None) -> str:
    return run(llm_worker(replay.url, log).gen_text(job))


def test_the_sdk_builds_no_validator_of_messages_with_each_request(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []

    def noting(value: object, typ: object, coerce_iterables: bool = True) -> object:
        built.append(value)
        return unmarshal(value, typ, coerce_iterables)

    unmarshal = serializers.unmarshal
    monkeypatch.setattr(serializers, "unmarshal", noting)
    replay.on(PATH, answer(wire.completion("Hi")))
    assert ask(replay) == "Hi"
    assert built, "the SDK builds no validators at all any more: the driver's own has no use left"
    assert not any(isinstance(value, list) for value in built)


def test_a_job_is_sent_as_chat_completions_want_it(replay: Replay) -> None:
    replay.on(PATH, answer(wire.completion("Hi")))
    prompt = LLMPrompt(user_text="Hello", system_text="Be kind.")
    params = LLMJobParams(temperature=0.0, max_tokens=99, seed=0, stop=("END",), reasoning_effort=ReasoningEffort.HIGH)
    assert "Hi" == ask(replay, LLMJob(prompt=prompt, params=params))
    sent = replay.last.json()
    assert {
        "model": wire.MODEL_ID,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}],
        "temperature": 0.0,
        "max_tokens": 99,
        "random_seed": 0,
        "stop": ["END"],
        "reasoning_effort": "high",
    }.items() <= sent.items()
    assert f"Bearer {KEY}" == replay.last.headers["authorization"]


def test_files_go_before_the_text_as_bytes_or_as_addresses(replay: Replay) -> None:
    replay.on(PATH, answer(wire.completion("Hi")))
    prompt = LLMPrompt(
        user_text="Hello",
        images=(MediaSource(data=b"\x89PNG\r\n\x1a\n"), MediaSource.of("https://example.com/cat.png")),
        documents=(MediaSource(data=b"%PDF-1.4"), MediaSource.of("https://example.com/paper.pdf")),
    )
    ask(replay, LLMJob(prompt=prompt))
    messages = cast("list[dict[str, object]]", replay.last.json()["messages"])
    assert [
        {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo="},
        {"type": "image_url", "image_url": "https://example.com/cat.png"},
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERi0xLjQ="},
        {"type": "document_url", "document_url": "https://example.com/paper.pdf"},
        {"type": "text", "text": "Hello"},
    ] == messages[0]["content"]


def test_thoughts_are_left_out_of_the_text(replay: Replay) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me think."}]}
    replay.on(PATH, answer(wire.completion([thought, {"type": "text", "text": "Hi"}])))
    assert "Hi" == ask(replay)


class Pet(BaseModel):
    name: str


class Person(BaseModel):
    name: str
    pets: list[Pet]


def test_the_schema_is_sent_closed_and_strict(replay: Replay) -> None:
    replay.on(PATH, answer(wire.completion('{"name": "Ada", "pets": [{"name": "Puff"}]}')))
    ada = Person(name="Ada", pets=[Pet(name="Puff")])
    assert ada == run(llm_worker(replay.url).gen_object("Who?", Person))
    sent: Any = replay.last.json()["response_format"]
    schema = sent["json_schema"]["schema"]
    assert ("json_schema", True) == (sent["type"], sent["json_schema"]["strict"])
    assert (False, False) == (schema["additionalProperties"], schema["$defs"]["Pet"]["additionalProperties"])


def test_a_schema_with_free_keys_is_sent_as_it_is(replay: Replay) -> None:
    replay.on(PATH, answer(wire.completion('{"a": 1}')))
    assert {"a": 1} == run(llm_worker(replay.url).gen_object("Who?", dict[str, int]))
    sent = cast("dict[str, dict[str, object]]", replay.last.json()["response_format"])["json_schema"]
    assert (False, {"type": "object", "additionalProperties": {"type": "integer"}}) == (sent["strict"], sent["schema"])


def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_is_wrong(replay: Replay) -> None:
    replay.on(PATH, answer(wire.completion('{"nom": "Ada"}')), answer(wire.completion('{"name": "Ada"}')))
    assert Pet(name="Ada") == run(llm_worker(replay.url).gen_object("Who?", Pet))
    assert "name: Field required" in str(replay.last.json()["messages"])


@pytest.mark.parametrize("reason", ["length", "model_length"])
def test_a_limit_reached_is_a_truncated_answer(replay: Replay, reason: str) -> None:
    replay.on(PATH, answer(wire.completion("Hi", finish_reason=reason)))
    with pytest.raises(InferenceTruncatedError):
        ask(replay)


def test_a_model_that_stops_with_an_error_is_a_server_error(replay: Replay) -> None:
    replay.on(PATH, answer(wire.completion("Hi", finish_reason="error")))
    with pytest.raises(InferenceServerError):
        ask(replay)


def test_usage_is_what_the_vendor_says_and_unknown_is_not_zero(replay: Replay) -> None:
    log = UsageLog()
    told = wire.completion("Hi", prompt_tokens_details={"cached_tokens": 8})
    untold = wire.completion("Hi") | {"usage": {"completion_tokens": 7}}
    replay.on(PATH, answer(told), answer(untold))
    ask(replay, log=log)
    ask(replay, log=log)
    assert [
        InferenceUsage(input_tokens=11, output_tokens=7, cached_input_tokens=8),
        InferenceUsage(output_tokens=7),
    ] == [record.usage for record in log.records]


def test_a_stream_brings_the_text_and_at_its_end_the_usage(replay: Replay) -> None:
    log = UsageLog()
    replay.on(PATH, sse(wire.chunks("Hello, world")))
    assert ["Hello,", " world"] == run(collect(llm_worker(replay.url, log).stream_text("Hello")))
    assert (InferenceUsage(input_tokens=11, output_tokens=7), wire.MODEL_ID) == (
        log.records[0].usage,
        log.records[0].model_served,
    )


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (sse(wire.chunks("Hello, world")[:-1]), InferenceServerError),
        (sse(wire.chunks("Hello, world")[:-1], last=None), InferenceServerError),
        (truncated(sse(wire.chunks("Hello, world"))), InferenceServerError),
        (reset(sse(wire.chunks("Hello, world"))), InferenceServerError),
        (sse([*wire.chunks("Hello, world")[:2], {"choices": 1}]), InferenceServerError),
    ],
    ids=["no end", "no end, no mark", "cut", "reset", "malformed"],
)
def test_a_stream_that_breaks_is_an_error_not_half_a_text(
    replay: Replay, broken: HttpReply, kind: type[InferenceError]
) -> None:
    replay.on(PATH, broken)
    with pytest.raises(kind):
        run(collect(llm_worker(replay.url).stream_text("Hello")))


def test_a_stream_left_early_closes_its_connection(replay: Replay) -> None:
    replay.on(PATH, stall(sse([*wire.chunks("Hello, world"), *wire.chunks("Hello, world")])))

    async def leave() -> str:
        async with aclosing(llm_worker(replay.url).stream_text("Hello")) as stream:
            piece = await anext(stream)
        assert await asyncio.to_thread(replay.wait_until_let_go, 5.0)
        return piece

    assert "Hello," == run(leave())


@pytest.mark.parametrize(
    ("reply", "kind", "status"),
    [
        (answer(wire.error(), status=400), InferenceRequestError, 400),
        (answer(wire.error("Invalid model: x", kind="invalid_model"), status=400), InferenceModelNotFoundError, 400),
        (answer(wire.error(), status=403), InferenceAuthenticationError, 403),
        (answer(wire.error(), status=413), InferenceCapacityError, 413),
        (answer({"detail": [{"loc": ["body"], "msg": "x", "type": "y"}]}, status=422), InferenceRequestError, 422),
        (raw(b"<html>Bad gateway", content_type="text/html", status=502), InferenceServerError, 502),
        (answer({"id": "x"}), InferenceInvalidAnswerError, 200),
        (answer(wire.completion("") | {"choices": []}), InferenceInvalidAnswerError, None),
        (raw(b"<html>", content_type="text/html"), InferenceInvalidAnswerError, 200),
        (reset(answer(wire.completion("Hello"))), InferenceServerError, None),
    ],
)
def test_a_fault_becomes_its_kind(
    replay: Replay, reply: HttpReply, kind: type[InferenceError], status: int | None
) -> None:
    replay.on(PATH, reply)
    with pytest.raises(InferenceError) as caught:
        ask(replay)
    error = caught.value
    assert (kind, status, "mistral-eu", "small") == (type(error), error.status_code, error.provider, error.model)


def test_the_vendors_words_and_request_id_are_told(replay: Replay) -> None:
    headers = {"mistral-correlation-id": "0193-77aa"}
    replay.on(PATH, answer(wire.error("Service unavailable"), status=503, headers=headers))
    with pytest.raises(InferenceServerError, match=r"\] Service unavailable \(.*request 0193-77aa\)"):
        ask(replay)


async def listed(endpoint: str) -> Sequence[ListedModel]:
    with translate_errors(classify, provider="mistral-eu"):
        return await list_models(sdk="mistral", backend=backend(endpoint))


def test_the_listing_tells_what_the_vendor_said(replay: Replay) -> None:
    can = dict.fromkeys(("completion_chat", "completion_fim", "function_calling", "fine_tuning", "vision"), False)
    card = {"id": "mistral-a", "object": "model", "type": "base", "capabilities": can}
    told = {**card, "id": "mistral-b", "created": 1_770_163_200, "owned_by": "mistralai", "max_context_length": 131_072}
    replay.on("GET /v1/models", answer({"object": "list", "data": [card, told, {"type": "new", "id": "x"}]}))
    assert [("mistral-a", None, None, None), ("mistral-b", "2026-02-04", "mistralai", 131_072)] == [
        (row.id, row.created.date().isoformat() if row.created else None, row.owner, row.context_window)
        for row in run(listed(replay.url)) or ()
    ]


def test_a_listing_that_is_refused_is_named(replay: Replay) -> None:
    replay.on("GET /v1/models", answer({"detail": "Unauthorized"}, status=401))
    with pytest.raises(InferenceAuthenticationError):
        run(listed(replay.url))
