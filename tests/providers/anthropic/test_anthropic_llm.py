"""What Anthropic's driver sends, and what it makes of answers: the official SDK against a replay of the documented
wire format (tests/providers/anthropic/wire.py names the pages), and against llama.cpp's server for real text."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import BaseModel, Field

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTruncatedError,
    ModelListingUnsupportedError,
)
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt, ReasoningEffort
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability, InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.model_lister_registry import translate_errors
from pipelex.providers.anthropic.client import list_models, make_client
from pipelex.providers.anthropic.errors import classify
from pipelex.providers.anthropic.llm import AnthropicLLMWorker
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.providers.anthropic import wire
from tests.providers.bedrock import frames
from tests.providers.replay import (
    Replay,
    answer,
    named_sse,
    raw,
    reset,
    stall,
    truncated,
)
from tests.providers.running import collect, keep, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.testing.loopback import HttpReply
    from tests.providers.llama_server import LlamaServer

pytestmark = [
    pytest.mark.counterpart("anthropic_docs", "llm:anthropic", "llm:bedrock_anthropic"),
    pytest.mark.counterpart("llama_server", "llm:anthropic"),
    pytest.mark.counterpart("ministack", "llm:bedrock_anthropic"),
]

KEY = "sk-ant-canary-7d2f41"
PATH = "POST /v1/messages"
PNG = MediaSource(data=b"\x89PNG\r\n\x1a\nimage")
PDF = MediaSource(data=b"%PDF-1.4 paper")
ONCE = CallPolicy(max_attempts=1, timeout_s=20.0, max_validation_retries=1)


def make_worker(
    endpoint: str,
    *,
    sdk: str = "anthropic",
    log: UsageLog | None = None,
    api_key: str | None = KEY,
    region: str = "eu-west-1",
    model_id: str = wire.MODEL_ID,
    policy: CallPolicy = ONCE,
) -> AnthropicLLMWorker:
    model = InferenceModelSpec(
        name="haiku",
        family=InferenceFamily.LLM,
        backend_name="claude",
        sdk=sdk,
        model_id=model_id,
        capabilities=frozenset(Capability),
        policy=policy,
    )
    backend = InferenceBackend(
        name="claude", endpoint=endpoint, api_key=api_key, policy=policy, extras={"region": region}
    )
    return AnthropicLLMWorker(
        sdk_instance=keep(make_client(sdk=sdk, backend=backend)), inference_model=model, reporting_delegate=log
    )


def ask(replay: Replay, job: LLMJob | str = "Hello", *, sdk: str = "anthropic", log: UsageLog | None = None) -> str:
    return run(make_worker(replay.url, sdk=sdk, log=log).gen_text(job))


def job_of(
    *,
    system_text: str | None = None,
    images: tuple[MediaSource, ...] = (),
    documents: tuple[MediaSource, ...] = (),
    params: LLMJobParams | None = None,
) -> LLMJob:
    prompt = LLMPrompt(user_text="Hello", system_text=system_text, images=images, documents=documents)
    return LLMJob(prompt=prompt, params=params or LLMJobParams())


def blocks_sent(replay: Replay) -> list[dict[str, object]]:
    messages = cast("list[dict[str, list[dict[str, object]]]]", replay.last.json()["messages"])
    return messages[-1]["content"]


def test_a_job_is_sent_as_the_messages_api_wants_it(replay: Replay) -> None:
    replay.on(PATH, answer(wire.message("Hi")))
    params = LLMJobParams(temperature=0.0, max_tokens=99, stop=("END",), reasoning_effort=ReasoningEffort.LOW)
    assert "Hi" == ask(replay, job_of(system_text="Be kind.", params=params))
    assert {
        "model": wire.MODEL_ID,
        "max_tokens": 99,
        "system": "Be kind.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "stop_sequences": ["END"],
        "temperature": 0.0,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"},
    } == replay.last.json()
    assert f"Bearer {KEY}" == replay.last.headers["authorization"]


def test_no_reasoning_is_thinking_switched_off(replay: Replay) -> None:
    replay.on(PATH, answer(wire.message("Hi")))
    ask(replay, job_of(params=LLMJobParams(reasoning_effort=ReasoningEffort.NONE)))
    assert {"type": "disabled"} == replay.last.json()["thinking"]
    assert "output_config" not in replay.last.json()


def test_a_seed_is_refused_by_name(replay: Replay) -> None:
    with pytest.raises(InferenceRequestError, match="knows no seed"):
        ask(replay, job_of(params=LLMJobParams(seed=1)))
    assert [] == replay.requests


def test_files_go_before_the_text_as_bytes_or_as_addresses(replay: Replay, tmp_path: Path) -> None:
    replay.on(PATH, answer(wire.message("Hi")))
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.4 scan")
    images = (PNG, MediaSource.of("https://example.com/cat.png"))
    documents = (PDF, MediaSource(path=tmp_path / "scan.pdf"), MediaSource.of("https://example.com/paper.pdf"))
    ask(replay, job_of(images=images, documents=documents))
    assert [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgppbWFnZQ=="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQgcGFwZXI="},
        },
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQgc2Nhbg=="},
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.com/paper.pdf"}},
        {"type": "text", "text": "Hello"},
    ] == blocks_sent(replay)


def test_bedrock_is_sent_the_bytes_behind_an_address(replay: Replay) -> None:
    replay.on("GET /cat.png", raw(PNG.read(), content_type="image/png")).on("*", answer(wire.message("Hi")))
    ask(replay, job_of(images=(MediaSource.of(f"{replay.url}/cat.png"),)), sdk="bedrock_anthropic")
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgppbWFnZQ=="}
    assert {"type": "image", "source": source} == blocks_sent(replay)[0]
    assert f"/model/{wire.MODEL_ID}/invoke" == replay.last.target


@pytest.mark.parametrize(
    ("images", "documents", "said"),
    [
        ((MediaSource(data=b"BM bitmap", mime_type="image/bmp"),), (), "image/bmp; taken are image/jpeg"),
        ((), (MediaSource(data=b"text", mime_type="text/plain"),), "text/plain; taken is application/pdf"),
        ((MediaSource.of("/nowhere/cat.png"),), (), "The file /nowhere/cat.png cannot be read"),
    ],
)
def test_a_file_that_cannot_be_taken_is_a_wrong_request(
    replay: Replay, images: tuple[MediaSource, ...], documents: tuple[MediaSource, ...], said: str
) -> None:
    with pytest.raises(InferenceRequestError, match=said):
        ask(replay, job_of(images=images, documents=documents))
    assert [] == replay.requests


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


def test_the_schema_is_sent_in_the_part_that_the_api_knows(replay: Replay) -> None:
    replay.on(PATH, answer(wire.message('{"name": "Ada", "age": 36}')))
    assert Person(name="Ada", age=36) == run(make_worker(replay.url).gen_object("Who?", Person))
    sent = cast("dict[str, dict[str, object]]", replay.last.json()["output_config"])["format"]
    schema = cast("dict[str, object]", sent["schema"])
    assert "json_schema" == sent["type"]
    assert False is schema["additionalProperties"]
    assert ["name", "age"] == schema["required"]
    age = cast("dict[str, dict[str, str]]", schema["properties"])["age"]
    assert "minimum" not in age
    assert "minimum: 0" in age["description"]


def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_is_wrong(replay: Replay) -> None:
    replay.on(PATH, answer(wire.message('{"name": "Ada", "age": -1}')), answer(wire.message('{"name": "A", "age": 1}')))
    assert Person(name="A", age=1) == run(make_worker(replay.url).gen_object("Who?", Person))
    assert "greater than or equal to 0" in str(blocks_sent(replay)[-1]["text"])


def test_an_object_with_free_keys_is_refused_rather_than_returned_empty(replay: Replay) -> None:
    with pytest.raises(InferenceRequestError, match="free keys"):
        run(make_worker(replay.url).gen_object("Who?", dict[str, int]))
    assert [] == replay.requests


@pytest.mark.parametrize(
    ("stop_reason", "kind"),
    [
        ("max_tokens", InferenceTruncatedError),
        ("model_context_window_exceeded", InferenceTruncatedError),
        ("refusal", InferenceRefusedError),
    ],
)
def test_half_an_answer_is_an_error(replay: Replay, stop_reason: str, kind: type[InferenceError]) -> None:
    replay.on(PATH, answer(wire.message("Hi", stop_reason=stop_reason)))
    with pytest.raises(kind):
        ask(replay)


def test_cached_and_thought_tokens_are_counted(replay: Replay) -> None:
    log = UsageLog()
    details = {"thinking_tokens": 4}
    counted = wire.message(
        "Hi", cache_creation_input_tokens=100, cache_read_input_tokens=2000, output_tokens_details=details
    )
    replay.on(PATH, answer(counted))
    ask(replay, log=log)
    assert (
        InferenceUsage(
            input_tokens=2111,
            output_tokens=7,
            cached_input_tokens=2000,
            cache_write_tokens=100,
            reasoning_tokens=4,
        )
        == log.records[0].usage
    )
    assert f"{wire.MODEL_ID}-20251001" == log.records[0].model_served


@pytest.mark.parametrize("sdk", ["anthropic", "bedrock_anthropic"])
def test_a_stream_brings_the_text_and_at_its_end_the_usage(replay: Replay, sdk: str) -> None:
    log = UsageLog()
    events = wire.events("Hello, world", thought=True)
    frames_or_events = (
        named_sse(events) if sdk == "anthropic" else frames.stream(*(frames.chunk(event) for _, event in events))
    )
    replay.on("*", frames_or_events)
    assert ["Hello,", " world"] == run(collect(make_worker(replay.url, sdk=sdk, log=log).stream_text("Hello")))
    assert InferenceUsage(input_tokens=11, output_tokens=7) == log.records[0].usage
    assert f"{wire.MODEL_ID}-20251001" == log.records[0].model_served


@pytest.mark.parametrize(
    ("error_type", "kind", "retryable"),
    [
        ("overloaded_error", InferenceServerError, True),
        ("rate_limit_error", InferenceRateLimitError, True),
        ("api_error", InferenceServerError, True),
        ("invalid_request_error", InferenceRequestError, False),
        ("billing_error", InferenceCapacityError, False),
    ],
)
def test_an_error_inside_a_stream_is_named_by_its_type(
    replay: Replay, error_type: str, kind: type[InferenceError], retryable: bool
) -> None:
    error = {"type": "error", "error": {"type": error_type, "message": "Overloaded"}}
    replay.on(PATH, named_sse([*wire.events("Hello, world")[:4], ("error", error)]))
    with pytest.raises(kind, match="Overloaded") as caught:
        run(collect(make_worker(replay.url).stream_text("Hello")))
    assert retryable is caught.value.retryable


def test_an_exception_inside_a_bedrock_stream_is_named_by_its_type(replay: Replay) -> None:
    begun = [frames.chunk(event) for _, event in wire.events("Hello, world")[:4]]
    replay.on("*", frames.stream(*begun, frames.exception("throttlingException", "Too many tokens")))
    with pytest.raises(InferenceRateLimitError, match="Too many tokens"):
        run(collect(make_worker(replay.url, sdk="bedrock_anthropic").stream_text("Hello")))


@pytest.mark.parametrize(
    "broken",
    [
        named_sse(wire.events("Hello, world")[:-2]),
        truncated(named_sse(wire.events("Hello, world"))),
        reset(named_sse(wire.events("Hello, world"))),
    ],
    ids=["no end", "cut", "reset"],
)
def test_a_stream_that_breaks_is_an_error_not_half_a_text(replay: Replay, broken: HttpReply) -> None:
    replay.on(PATH, broken)
    with pytest.raises(InferenceServerError):
        run(collect(make_worker(replay.url).stream_text("Hello")))


def test_a_stream_left_early_closes_its_connection(replay: Replay) -> None:
    replay.on(PATH, stall(named_sse(wire.events("Hello, world"))))

    async def leave() -> str:
        async with aclosing(make_worker(replay.url).stream_text("Hello")) as stream:
            piece = await anext(stream)
        assert await asyncio.to_thread(replay.wait_until_let_go, 5.0)
        return piece

    assert "Hello," == run(leave())


@pytest.mark.parametrize(
    ("reply", "kind", "status"),
    [
        (answer(wire.error(400), status=400), InferenceRequestError, 400),
        (answer(wire.error(402), status=402), InferenceCapacityError, 402),
        (answer(wire.error(403), status=403), InferenceAuthenticationError, 403),
        (answer(wire.error(413), status=413), InferenceCapacityError, 413),
        (answer(wire.error(529), status=529), InferenceServerError, 529),
        (answer({"choices": []}), InferenceInvalidAnswerError, None),
        (raw(b"<html>", content_type="text/html"), InferenceInvalidAnswerError, None),
        (reset(answer(wire.message("Hello"))), InferenceServerError, None),
    ],
)
def test_a_fault_becomes_its_kind(
    replay: Replay, reply: HttpReply, kind: type[InferenceError], status: int | None
) -> None:
    replay.on(PATH, reply)
    with pytest.raises(InferenceError) as caught:
        ask(replay)
    error = caught.value
    assert (kind, status, "claude", "haiku") == (type(error), error.status_code, error.provider, error.model)


def test_the_listing_follows_the_pages(replay: Replay) -> None:
    first = {"type": "model", "id": "claude-a", "display_name": "A", "created_at": "2026-02-04T00:00:00Z"}
    second = {**first, "id": "claude-b", "max_input_tokens": 200_000}
    replay.on(
        "GET /v1/models",
        answer({"data": [first], "has_more": True, "first_id": "claude-a", "last_id": "claude-a"}),
        answer({"data": [second], "has_more": False, "first_id": "claude-b", "last_id": "claude-b"}),
    )
    rows = run(listed(replay.url))
    assert [("claude-a", "2026-02-04", None), ("claude-b", "2026-02-04", 200_000)] == [
        (row.id, row.created.date().isoformat() if row.created else None, row.context_window) for row in rows or ()
    ]
    assert "after_id=claude-a" in replay.last.target


def test_a_listing_that_is_refused_is_named(replay: Replay) -> None:
    replay.on("GET /v1/models", answer(wire.error(401), status=401))
    with pytest.raises(InferenceAuthenticationError):
        run(listed(replay.url))


def test_the_listing_of_bedrock_is_unsupported() -> None:
    with pytest.raises(ModelListingUnsupportedError):
        run(listed("http://127.0.0.1:9", sdk="bedrock_anthropic"))


async def listed(endpoint: str, sdk: str = "anthropic") -> Sequence[ListedModel]:
    backend = InferenceBackend(name="claude", endpoint=endpoint, api_key=KEY, policy=ONCE)
    with translate_errors(classify, provider="claude"):
        return await list_models(sdk=sdk, backend=backend)


def test_bedrock_without_a_region_says_where_to_write_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InferenceRequestError, match=r"\[backends.claude\] the keys are region and profile"):
        make_client(sdk="bedrock_anthropic", backend=InferenceBackend(name="claude"))


def test_bedrock_is_sent_the_key_or_else_a_signature(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary-51ce")
    replay.on("*", answer(wire.message("Hi")))
    assert "Hi" == ask(replay, sdk="bedrock_anthropic")
    assert f"Bearer {KEY}" == replay.last.headers["authorization"]
    assert "Hi" == run(make_worker(replay.url, sdk="bedrock_anthropic", api_key=None).gen_text("Hello"))
    assert replay.last.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


def test_bedrock_without_credentials_says_so(replay: Replay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InferenceAuthenticationError, match="AWS credentials"):
        # The SDK keeps the credentials that it found for a region.
        run(make_worker(replay.url, sdk="bedrock_anthropic", api_key=None, region="eu-west-3").gen_text("Hello"))
    assert [] == replay.requests


def test_no_policy_makes_the_sdk_guess_how_long_an_answer_takes() -> None:
    like_the_sdk = CallPolicy(
        max_attempts=1, timeout_s=600.0, connect_timeout_s=5.0
    )  # it refuses long answers by these
    job = LLMJob(prompt=LLMPrompt(user_text="Hello"), params=LLMJobParams(max_tokens=32_000))
    with Replay().on(PATH, answer(wire.message("Hi"))) as replay:
        assert "Hi" == run(make_worker(replay.url, policy=like_the_sdk).gen_text(job))


class TestLlamaServer:
    """Real text: llama.cpp's server speaks Anthropic's wire format."""

    @staticmethod
    def worker(server: LlamaServer, log: UsageLog | None = None, *, key: str | None = None) -> AnthropicLLMWorker:
        policy = CallPolicy(max_attempts=1, timeout_s=60.0)
        model = InferenceModelSpec(
            name="smollm2",
            family=InferenceFamily.LLM,
            backend_name="llama",
            sdk="anthropic",
            model_id=server.model_id,
            capabilities=frozenset(Capability),
            policy=policy,
        )
        backend = InferenceBackend(name="llama", endpoint=server.url, api_key=key or server.api_key, policy=policy)
        client = keep(make_client(sdk="anthropic", backend=backend))
        return AnthropicLLMWorker(sdk_instance=client, inference_model=model, reporting_delegate=log)

    QUESTION = LLMJob(
        prompt=LLMPrompt(user_text="What is the capital of France?", system_text="Answer in one short sentence."),
        params=LLMJobParams(temperature=0.0, max_tokens=60),
    )

    def test_it_answers(self, llama_server: LlamaServer) -> None:
        log = UsageLog()
        assert "Paris" in run(self.worker(llama_server, log).gen_text(self.QUESTION))
        usage = log.records[0].usage
        assert usage is not None
        assert (usage.input_tokens or 0) > 10
        assert (usage.output_tokens or 0) > 3

    def test_it_streams(self, llama_server: LlamaServer) -> None:
        log = UsageLog()
        pieces = run(collect(self.worker(llama_server, log).stream_text(self.QUESTION)))
        assert len(pieces) > 3
        assert "Paris" in "".join(pieces)
        usage = log.records[0].usage
        assert usage is not None
        assert (usage.output_tokens or 0) > 3

    def test_a_wrong_key_is_an_authentication_error(self, llama_server: LlamaServer) -> None:
        with pytest.raises(InferenceAuthenticationError) as caught:
            run(self.worker(llama_server, key="wrong-canary-99").gen_text(self.QUESTION))
        assert "wrong-canary-99" not in str(caught.value)

    def test_a_limit_reached_is_a_truncated_answer(self, llama_server: LlamaServer) -> None:
        job = LLMJob(prompt=self.QUESTION.prompt, params=LLMJobParams(max_tokens=2))
        with pytest.raises(InferenceTruncatedError):
            run(self.worker(llama_server).gen_text(job))


class TestMinistack:
    """Real text for the other sdk: ministack is another project's Bedrock, and asks llama.cpp's server."""

    @pytest.mark.parametrize("streamed", [False, True])
    def test_it_answers(self, ministack: str, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")  # ministack knows the service by the signature
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary-51ce")
        model_id = "anthropic.claude-haiku-4-5-20251001-v1:0"  # ministack answers in the format of the name's vendor
        patient = CallPolicy(max_attempts=1, timeout_s=60.0)
        worker = make_worker(ministack, sdk="bedrock_anthropic", api_key=None, model_id=model_id, policy=patient)
        question = "What is the capital of France? Answer in one short sentence."  # it passes on no system text
        pieces = run(collect(worker.stream_text(question))) if streamed else [run(worker.gen_text(question))]
        assert streamed == (len(pieces) > 1)
        assert "Paris" in "".join(pieces)
