"""What Bedrock's driver sends, and what it makes of answers: boto3 and aiobotocore against ministack with a real model
behind it, and against a replay of AWS's documented format (tests/providers/bedrock/wire.py names the pages)."""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64decode
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, Field

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
    InferenceTruncatedError,
)
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt, ReasoningEffort
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import CallPolicy, Capability, InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.model_lister_registry import translate_errors
from pipelex.providers.bedrock.client import list_models, make_client
from pipelex.providers.bedrock.errors import classify
from pipelex.providers.bedrock.llm import BedrockLLMWorker
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from tests.providers.bedrock import frames, wire
from tests.providers.replay import Replay, answer, raw, reset, stall, truncated
from tests.providers.running import collect, keep, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelex.cogt.model_backends.listed_model import ListedModel
    from pipelex.testing.loopback import HttpReply

pytestmark = [
    pytest.mark.counterpart("aws_docs", "llm:bedrock_aioboto", "llm:bedrock_boto3"),
    pytest.mark.counterpart("ministack", "llm:bedrock_aioboto", "llm:bedrock_boto3"),
]

KEY = "bedrock-canary-88aa10"
SECRET = "aws-secret-canary-5e1d"
ONCE = CallPolicy(max_attempts=1, timeout_s=60.0, max_validation_retries=1)
EXTRAS = {"region": "eu-west-1"}

both_sdks = pytest.mark.parametrize("sdk", ["bedrock_boto3", "bedrock_aioboto"])


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS credentials of the environment, and none of the developer's own."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def make_backend(endpoint: str, *, api_key: str | None = None, policy: CallPolicy = ONCE) -> InferenceBackend:
    return InferenceBackend(name="aws", endpoint=endpoint, api_key=api_key, policy=policy, extras=EXTRAS)


def make_worker(
    endpoint: str,
    *,
    sdk: str,
    log: UsageLog | None = None,
    api_key: str | None = None,
    policy: CallPolicy = ONCE,
    structured_by: str = "json_schema",
) -> BedrockLLMWorker:
    model = InferenceModelSpec(
        name="nova",
        family=InferenceFamily.LLM,
        backend_name="aws",
        sdk=sdk,
        model_id=wire.MODEL_ID,
        capabilities=frozenset(Capability),
        policy=policy,
        extras={"structured_by": structured_by},
    )
    client = keep(make_client(sdk=sdk, backend=make_backend(endpoint, api_key=api_key, policy=policy)))
    return BedrockLLMWorker(sdk_instance=client, inference_model=model, reporting_delegate=log)


def ask(
    replay: Replay, job: LLMJob | str = "Hello", *, sdk: str = "bedrock_aioboto", log: UsageLog | None = None
) -> str:
    return run(make_worker(replay.url, sdk=sdk, log=log).gen_text(job))


@both_sdks
def test_a_job_is_sent_as_converse_wants_it(replay: Replay, sdk: str) -> None:
    replay.on(wire.CONVERSE, answer(wire.text("Hi")))
    prompt = LLMPrompt(user_text="Hello", system_text="Be kind.")
    params = LLMJobParams(temperature=0.0, max_tokens=99, stop=("END",), reasoning_effort=ReasoningEffort.LOW)
    assert "Hi" == ask(replay, LLMJob(prompt=prompt, params=params), sdk=sdk)
    assert {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "system": [{"text": "Be kind."}],
        "inferenceConfig": {"maxTokens": 99, "temperature": 0.0, "stopSequences": ["END"]},
        "outputConfig": {"effort": "low"},
    } == replay.last.json()


@both_sdks
def test_a_request_is_signed_or_bears_the_key(replay: Replay, sdk: str) -> None:
    replay.on(wire.CONVERSE, answer(wire.text("Hi")))
    ask(replay, sdk=sdk)
    assert replay.last.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    run(make_worker(replay.url, sdk=sdk, api_key=KEY).gen_text("Hello"))
    assert f"Bearer {KEY}" == replay.last.headers["authorization"]


@both_sdks
def test_without_credentials_the_error_says_so(replay: Replay, sdk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InferenceAuthenticationError, match="locate credentials"):
        ask(replay, sdk=sdk)


@both_sdks
def test_without_a_region_the_error_says_where_to_write_it(sdk: str) -> None:
    model = make_worker("http://127.0.0.1:9", sdk="bedrock_aioboto").inference_model

    async def call() -> str:
        client = keep(make_client(sdk=sdk, backend=InferenceBackend(name="aws", policy=ONCE)))
        worker = BedrockLLMWorker(sdk_instance=client, inference_model=model, reporting_delegate=None)
        return await worker.gen_text("Hello")

    with pytest.raises(InferenceRequestError, match=r"\[backends.aws\] the keys are region and profile"):
        run(call())


def test_files_go_before_the_text_and_addresses_are_fetched(replay: Replay) -> None:
    replay.on("GET /cat.png", raw(b"\x89PNG\r\n\x1a\ncat", content_type="image/png"))
    replay.on(wire.CONVERSE, answer(wire.text("Hi")))
    images = (MediaSource(data=b"\xff\xd8\xff dog"), MediaSource.of(f"{replay.url}/cat.png"))
    prompt = LLMPrompt(user_text="Hello", images=images, documents=(MediaSource(data=b"%PDF-1.4"),))
    ask(replay, LLMJob(prompt=prompt))
    sent: Any = replay.last.json()["messages"]
    dog, cat, paper, text = sent[0]["content"]
    assert ("jpeg", b"\xff\xd8\xff dog") == (dog["image"]["format"], b64decode(dog["image"]["source"]["bytes"]))
    assert ("png", b"\x89PNG\r\n\x1a\ncat") == (cat["image"]["format"], b64decode(cat["image"]["source"]["bytes"]))
    assert ("pdf", "document 1") == (paper["document"]["format"], paper["document"]["name"])
    assert {"text": "Hello"} == text


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (LLMJob(prompt=LLMPrompt(user_text="Hi"), params=LLMJobParams(seed=1)), "knows no seed"),
        (
            LLMJob(prompt=LLMPrompt(user_text="Hi"), params=LLMJobParams(reasoning_effort=ReasoningEffort.NONE)),
            "no reasoning_effort 'none'",
        ),
        (
            LLMJob(prompt=LLMPrompt(user_text="Hi", images=(MediaSource(data=b"BM", mime_type="image/bmp"),))),
            "image/bmp; taken are image/png",
        ),
    ],
)
def test_what_converse_does_not_take_is_refused_by_name(replay: Replay, job: LLMJob, said: str) -> None:
    with pytest.raises(InferenceRequestError, match=said):
        ask(replay, job)
    assert [] == replay.requests


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


ADA = Person(name="Ada", age=36)


@both_sdks
def test_the_schema_is_sent_as_bedrock_takes_it(replay: Replay, sdk: str) -> None:
    replay.on(wire.CONVERSE, answer(wire.text(ADA.model_dump_json())))
    assert ADA == run(make_worker(replay.url, sdk=sdk).gen_object("Who?", Person))
    sent: Any = replay.last.json()["outputConfig"]
    schema = json.loads(sent["textFormat"]["structure"]["jsonSchema"]["schema"])
    assert (False, ["name", "age"]) == (schema["additionalProperties"], schema["required"])
    assert {"title": "Age", "type": "integer", "description": "(minimum: 0)"} == schema["properties"]["age"]


def test_a_model_without_structured_output_is_made_to_call_a_tool(replay: Replay) -> None:
    call: dict[str, object] = {"toolUse": {"toolUseId": "1", "name": "answer", "input": ADA.model_dump()}}
    replay.on(wire.CONVERSE, answer(wire.message(call, stop_reason="tool_use")))
    worker = make_worker(replay.url, sdk="bedrock_boto3", structured_by="tool")
    assert ADA == run(worker.gen_object("Who?", Person))
    sent: Any = replay.last.json()["toolConfig"]
    assert {"tool": {"name": "answer"}} == sent["toolChoice"]
    assert ["name", "age"] == sent["tools"][0]["toolSpec"]["inputSchema"]["json"]["required"]


def test_the_answer_of_a_tool_that_is_no_object_is_wrapped(replay: Replay) -> None:
    call: dict[str, object] = {"toolUse": {"toolUseId": "1", "name": "answer", "input": {"answer": [1, 2]}}}
    replay.on(wire.CONVERSE, answer(wire.message(call, stop_reason="tool_use")))
    worker = make_worker(replay.url, sdk="bedrock_boto3", structured_by="tool")
    assert [1, 2] == run(worker.gen_object("Who?", list[int]))
    sent: Any = replay.last.json()["toolConfig"]
    assert "object" == sent["tools"][0]["toolSpec"]["inputSchema"]["json"]["type"]


def test_an_unknown_way_to_structure_is_named(replay: Replay) -> None:
    with pytest.raises(InferenceRequestError, match="'structured_by' is 'grammar'"):
        run(make_worker(replay.url, sdk="bedrock_aioboto", structured_by="grammar").gen_object("Who?", Person))


def test_an_object_with_free_keys_is_refused(replay: Replay) -> None:
    with pytest.raises(InferenceRequestError, match="free keys"):
        run(make_worker(replay.url, sdk="bedrock_aioboto").gen_object("Who?", dict[str, int]))


@pytest.mark.parametrize(
    ("stop_reason", "kind"),
    [
        ("max_tokens", InferenceTruncatedError),
        ("model_context_window_exceeded", InferenceTruncatedError),
        ("content_filtered", InferenceRefusedError),
        ("guardrail_intervened", InferenceRefusedError),
        ("malformed_model_output", InferenceInvalidAnswerError),
    ],
)
def test_half_an_answer_is_an_error(replay: Replay, stop_reason: str, kind: type[InferenceError]) -> None:
    replay.on(wire.CONVERSE, answer(wire.text("Hi", stop_reason=stop_reason)))
    with pytest.raises(kind):
        ask(replay)


def test_cached_tokens_are_counted(replay: Replay) -> None:
    log = UsageLog()
    replay.on(wire.CONVERSE, answer(wire.text("Hi", cacheReadInputTokens=2000, cacheWriteInputTokens=100)))
    ask(replay, log=log)
    used = InferenceUsage(input_tokens=2111, output_tokens=7, cached_input_tokens=2000, cache_write_tokens=100)
    assert used == log.records[0].usage


@both_sdks
def test_a_stream_brings_the_text_and_at_its_end_the_usage(replay: Replay, sdk: str) -> None:
    log = UsageLog()
    replay.on(wire.CONVERSE_STREAM, frames.stream(*wire.events("Hello, world")))
    assert ["Hello,", " world"] == run(collect(make_worker(replay.url, sdk=sdk, log=log).stream_text("Hello")))
    assert InferenceUsage(input_tokens=11, output_tokens=7) == log.records[0].usage


@both_sdks
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("throttlingException", InferenceRateLimitError),
        ("internalServerException", InferenceServerError),
        ("modelStreamErrorException", InferenceServerError),
        ("serviceUnavailableException", InferenceServerError),
        ("validationException", InferenceRequestError),
    ],
)
def test_an_exception_inside_a_stream_is_named_by_its_code(
    replay: Replay, sdk: str, code: str, kind: type[InferenceError]
) -> None:
    begun = wire.events("Hello, world")[:3]
    replay.on(wire.CONVERSE_STREAM, frames.stream(*begun, frames.exception(code, "Sorry")))
    with pytest.raises(kind, match="Sorry"):
        run(collect(make_worker(replay.url, sdk=sdk).stream_text("Hello")))


_WHOLE = frames.stream(*wire.events("Hello, world"))
_DAMAGED = wire.events("Hello, world")[2][:-2] + b"??"


@both_sdks
@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (frames.stream(*wire.events("Hello, world")[:5]), InferenceServerError),
        (truncated(_WHOLE), InferenceServerError),
        (reset(_WHOLE), InferenceServerError),
        (frames.stream(wire.events("Hello, world")[0], _DAMAGED), InferenceInvalidAnswerError),
    ],
    ids=["no end", "cut", "reset", "damaged"],
)
def test_a_stream_that_breaks_is_an_error_not_half_a_text(
    replay: Replay, sdk: str, broken: HttpReply, kind: type[InferenceError]
) -> None:
    replay.on(wire.CONVERSE_STREAM, broken)
    with pytest.raises(kind):
        run(collect(make_worker(replay.url, sdk=sdk).stream_text("Hello")))


@both_sdks
def test_a_stream_left_early_closes_its_connection(replay: Replay, sdk: str) -> None:
    replay.on(wire.CONVERSE_STREAM, stall(frames.stream(*wire.events("Hello, world"), *wire.events("Hello, world"))))
    worker = make_worker(replay.url, sdk=sdk, policy=CallPolicy(max_attempts=1, timeout_s=60.0))

    async def leave() -> str:
        async with aclosing(worker.stream_text("Hello")) as stream:
            piece = await anext(stream)
        assert await asyncio.to_thread(replay.wait_until_let_go, 5.0)
        return piece

    assert "Hello," == run(leave())
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("pipelex-bedrock-stream")]
    for thread in threads:
        thread.join(5.0)  # it has let go of the connection, and may be about to end
    assert [] == [thread.name for thread in threads if thread.is_alive()]


@both_sdks
@pytest.mark.parametrize(
    ("reply", "kind", "status"),
    [
        (wire.error(400), InferenceRequestError, 400),
        (wire.error(400, "The provided model identifier is invalid."), InferenceModelNotFoundError, 400),
        (wire.error(400, "Input is too long for requested model."), InferenceCapacityError, 400),
        (wire.error(400, code="ServiceQuotaExceededException"), InferenceCapacityError, 400),
        (wire.error(403), InferenceAuthenticationError, 403),
        (wire.error(408), InferenceTimeoutError, 408),
        (wire.error(424), InferenceServerError, 424),
        (wire.error(503), InferenceServerError, 503),
        (answer({"id": "x"}), InferenceInvalidAnswerError, None),
        (raw(b"<html>", content_type="text/html"), InferenceInvalidAnswerError, None),
        (reset(answer(wire.text("Hello"))), InferenceServerError, None),
    ],
)
def test_a_fault_becomes_its_kind(
    replay: Replay, sdk: str, reply: HttpReply, kind: type[InferenceError], status: int | None
) -> None:
    replay.on(wire.CONVERSE, reply)
    with pytest.raises(InferenceError) as caught:
        ask(replay, sdk=sdk)
    error = caught.value
    assert (kind, status, "aws", "nova") == (type(error), error.status_code, error.provider, error.model)


async def listed(endpoint: str, sdk: str) -> Sequence[ListedModel]:
    with translate_errors(classify, provider="aws"):
        return await list_models(sdk=sdk, backend=make_backend(endpoint))


@both_sdks
def test_a_listing_that_is_refused_is_named(replay: Replay, sdk: str) -> None:
    replay.on("GET /foundation-models", wire.error(403, "not authorized to perform bedrock:ListFoundationModels"))
    with pytest.raises(InferenceAuthenticationError, match="ListFoundationModels"):
        run(listed(replay.url, sdk))


class TestMinistack:
    """Real text: ministack is another project's Bedrock, and asks llama.cpp's server."""

    PATIENT = CallPolicy(max_attempts=1, timeout_s=60.0)
    QUESTION = LLMJob(
        prompt=LLMPrompt(user_text="What is the capital of France?", system_text="Answer in one short sentence."),
        params=LLMJobParams(temperature=0.0, max_tokens=40),
    )

    @both_sdks
    def test_it_answers(self, ministack: str, sdk: str) -> None:
        log = UsageLog()
        worker = make_worker(ministack, sdk=sdk, log=log, policy=self.PATIENT)
        assert "Paris" in run(worker.gen_text(self.QUESTION))
        usage = log.records[0].usage
        assert usage is not None
        assert (usage.input_tokens or 0) > 10
        assert (usage.output_tokens or 0) > 3

    @both_sdks
    def test_it_streams(self, ministack: str, sdk: str) -> None:
        log = UsageLog()
        worker = make_worker(ministack, sdk=sdk, log=log, policy=self.PATIENT)
        assert "Paris" in "".join(run(collect(worker.stream_text(self.QUESTION))))
        usage = log.records[0].usage
        assert usage is not None
        assert (usage.output_tokens or 0) > 3

    @both_sdks
    def test_it_lists_the_foundation_models(self, ministack: str, sdk: str) -> None:
        rows = run(listed(ministack, sdk)) or ()
        assert ("amazon.nova-lite-v1:0", "Amazon") in {(row.id, row.owner) for row in rows}
