"""What goes over the wire of chat completions and of the Responses API, and what becomes of what comes back."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

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
    InferenceTruncatedError,
)
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt, ReasoningEffort
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.redaction import keep_secret
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing import samples
from pipelex.testing.loopback import HttpReply, HttpRequest
from tests.providers import replay as scripted
from tests.providers.calls import KEY, Caller
from tests.providers.openai import wire
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract

pytestmark = pytest.mark.counterpart("openai_docs", "llm:openai", "llm:openai_responses")

CHAT = "POST /v1/chat/completions"
RESPONSES = "POST /v1/responses"
QUICK = CallPolicy(max_attempts=1, timeout_s=0.3)
USAGE = InferenceUsage(input_tokens=11, output_tokens=7, cached_input_tokens=4, reasoning_tokens=3)
CHAT_USAGE = replace(USAGE, input_audio_tokens=0, output_audio_tokens=0)
PNG, PDF = samples.png("kit-000001"), samples.pdf("kit-000001")


@dataclass
class City:
    """A structured answer."""

    name: str
    people: int = 0


def caller(replay: Replay, sdk: str = "openai", *, policy: CallPolicy | None = None) -> Caller:
    made = Caller(plugin=OpenaiPlugin(), family=InferenceFamily.LLM, sdk=sdk, endpoint=f"{replay.url}/v1")
    return made if policy is None else Caller(**{**vars(made), "policy": policy})


def text_of(caller: Caller, job: LLMJob | str = "Hi") -> str:
    return caller.llm(lambda worker: worker.gen_text(job))


def stream_of(caller: Caller, job: LLMJob | str = "Hi") -> list[str]:
    async def collect(worker: LLMWorkerAbstract) -> list[str]:
        return [piece async for piece in worker.stream_text(job)]

    return caller.llm(collect)


def job_with(**params: object) -> LLMJob:
    return LLMJob(prompt=LLMPrompt(user_text="Hi"), params=LLMJobParams(**params))  # type: ignore[arg-type]  # by name


# Chat completions.


def test_a_plain_job_sends_the_model_and_the_text_alone(replay: Replay) -> None:
    replay.on(CHAT, scripted.answer(wire.completion("Hello")))
    chat = caller(replay)
    assert "Hello" == text_of(chat)
    assert {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}]} == replay.last.json()
    assert f"Bearer {KEY}" == replay.last.headers["authorization"]
    assert CHAT_USAGE == chat.log.records[0].usage
    assert "gpt-x" == chat.log.records[0].model_served


def test_every_parameter_is_sent_under_openais_names(replay: Replay) -> None:
    replay.on(CHAT, scripted.answer(wire.completion("Hello")))
    text_of(
        caller(replay),
        job_with(temperature=0.0, max_tokens=5, seed=0, stop=("A", "B"), reasoning_effort=ReasoningEffort.NONE),
    )
    sent = replay.last.json()
    expected = {
        "temperature": 0.0,
        "max_completion_tokens": 5,
        "seed": 0,
        "stop": ["A", "B"],
        "reasoning_effort": "none",
    }
    assert expected == {name: value for name, value in sent.items() if name not in {"model", "messages"}}


def test_the_catalogue_says_the_limit_where_the_job_does_not(replay: Replay) -> None:
    replay.on(CHAT, scripted.answer(wire.completion("Hello")))
    text_of(Caller(**{**vars(caller(replay)), "max_output_tokens": 99, "model_extras": {"limit_name": "max_tokens"}}))
    assert 99 == replay.last.json()["max_tokens"]


def test_images_and_documents_go_as_parts(replay: Replay, tmp_path: Path) -> None:
    replay.on(CHAT, scripted.answer(wire.completion("Hello")))
    (tmp_path / "report.pdf").write_bytes(PDF)
    prompt = LLMPrompt(
        user_text="Look",
        system_text="Be brief",
        images=(MediaSource(data=PNG), MediaSource(url="https://example.org/a.png")),
        documents=(MediaSource(path=tmp_path / "report.pdf"),),
    )
    text_of(caller(replay), LLMJob(prompt=prompt))
    png, pdf = base64.b64encode(PNG).decode(), base64.b64encode(PDF).decode()
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "file", "file": {"filename": "report.pdf", "file_data": f"data:application/pdf;base64,{pdf}"}},
        {"type": "text", "text": "Look"},
    ]
    expected = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": parts}]
    assert expected == replay.last.json()["messages"]


def test_a_document_by_address_is_fetched_for_chat_completions(replay: Replay) -> None:
    replay.on(CHAT, scripted.answer(wire.completion("Hello")))
    replay.on("GET /doc.pdf", scripted.raw(PDF, content_type="application/pdf"))
    prompt = LLMPrompt(user_text="Look", documents=(MediaSource(url=f"{replay.url}/doc.pdf"),))
    text_of(caller(replay), LLMJob(prompt=prompt))
    assert base64.b64encode(PDF) in replay.last.body


def test_an_object_is_asked_for_by_a_strict_schema(replay: Replay) -> None:
    replay.on(CHAT, scripted.answer(wire.completion('{"name": "Rome", "people": 3}')))
    city = caller(replay).llm(lambda worker: worker.gen_object("Which?", City))
    assert City(name="Rome", people=3) == city
    asked = replay.last.json()["response_format"]
    schema = {
        "type": "object",
        "description": "A structured answer.",
        "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
        "required": ["name", "people"],
        "additionalProperties": False,
    }
    assert isinstance(asked, dict)
    asked["json_schema"]["schema"].pop("description", None)
    schema.pop("description")
    assert {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}} == asked


def test_a_type_that_is_no_object_is_wrapped_and_unwrapped(replay: Replay) -> None:
    replay.on(CHAT, scripted.answer(wire.completion('{"answer": [1, 2]}')))
    assert [1, 2] == caller(replay).llm(lambda worker: worker.gen_object("Which?", list[int]))


LIST = ('{"ans', 'wer":[{"name": "Ro', 'me", "people": 3}', "]}")
GROWING = [[{"name": "Ro"}], [{"name": "Rome", "people": 3}]]


@pytest.mark.parametrize("sdk", ["openai", "openai_responses"])
def test_a_list_is_streamed_as_it_grows_although_it_is_wrapped(replay: Replay, sdk: str) -> None:
    replay.on(CHAT, scripted.sse(wire.completion_chunks(LIST)))
    replay.on(RESPONSES, wire.response_events(LIST, wire.response("".join(LIST))))

    async def both(worker: LLMWorkerAbstract) -> tuple[list[object], list[City]]:
        async with worker.stream_object("Which?", list[City]) as stream:
            return [partial async for partial in stream.partials()], await stream.output()

    partials, cities = caller(replay, sdk).llm(both)
    assert [City(name="Rome", people=3)] == cities
    assert GROWING == partials


def test_a_wrong_object_is_asked_for_again_with_what_is_wrong(replay: Replay) -> None:
    replay.on(
        CHAT,
        scripted.answer(wire.completion('{"name": "Rome", "people": "many"}')),
        scripted.answer(wire.completion('{"name": "Rome", "people": 3}')),
    )
    city = caller(replay).llm(lambda worker: worker.gen_object("Which?", City))
    assert City(name="Rome", people=3) == city
    assert [2, True, True] == [len(replay.requests), b"people" in replay.last.body, b"many" in replay.last.body]


def test_a_stream_asks_for_its_usage_and_ends_with_it(replay: Replay) -> None:
    replay.on(CHAT, scripted.sse(wire.completion_chunks(["Hel", "lo"])))
    chat = caller(replay)
    assert ["Hel", "lo"] == stream_of(chat)
    assert {"stream": True, "stream_options": {"include_usage": True}}.items() <= replay.last.json().items()
    assert CHAT_USAGE == chat.log.records[0].usage


def test_a_stream_left_early_closes_its_connection(replay: Replay) -> None:
    replay.on(CHAT, scripted.stall(scripted.sse(wire.completion_chunks(["Hel", "lo", "you"]))))

    async def leave(worker: LLMWorkerAbstract) -> bool:
        async with aclosing(worker.stream_text("Hi")) as stream:
            assert "Hel" == await anext(stream)
        return await asyncio.to_thread(replay.wait_until_let_go)

    assert caller(replay).llm(leave)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (wire.completion("Half an", finish_reason="length"), InferenceTruncatedError),
        (wire.completion("", finish_reason="content_filter"), InferenceRefusedError),
        (wire.completion(None, refusal="I cannot"), InferenceRefusedError),
        (wire.completion(None), InferenceInvalidAnswerError),
        ({**wire.completion("x"), "choices": []}, InferenceInvalidAnswerError),
        ({"object": "chat.completion"}, InferenceInvalidAnswerError),
        ({"error": {"code": 502, "message": "The provider is down"}}, InferenceServerError),
        ({"error": {"code": 429, "message": "Slow down"}}, InferenceRateLimitError),
    ],
    ids=["length", "filter", "refusal", "no text", "no choice", "no choices", "error 502 in 200", "error 429 in 200"],
)
def test_what_is_no_whole_answer_is_its_own_error(replay: Replay, body: object, kind: type[InferenceError]) -> None:
    replay.on(CHAT, scripted.answer(body))
    with pytest.raises(kind):
        text_of(caller(replay))


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        (wire.completion_chunks(["Half"], finish_reason="length"), InferenceTruncatedError),
        (wire.completion_chunks(["Half"], finish_reason="content_filter"), InferenceRefusedError),
        (wire.completion_chunks(["Half"], finish_reason=None), InferenceServerError),
        ([wire.error("The model crashed", code="server_error")], InferenceServerError),
        ([wire.error("Slow down", code="rate_limit_exceeded")], InferenceRateLimitError),
    ],
    ids=["length", "filter", "no end", "error event", "rate limit event"],
)
def test_a_stream_that_is_not_whole_is_its_own_error(
    replay: Replay, chunks: list[dict[str, object]], kind: type[InferenceError]
) -> None:
    replay.on(CHAT, scripted.sse(chunks))
    with pytest.raises(kind):
        stream_of(caller(replay))


# The Responses API.


def test_a_response_says_everything_under_its_own_names(replay: Replay) -> None:
    replay.on(RESPONSES, scripted.answer(wire.response("Hello")))
    api = caller(replay, "openai_responses")
    prompt = LLMPrompt(
        user_text="Hi",
        system_text="Be brief",
        images=(MediaSource(data=PNG),),
        documents=(MediaSource(data=PDF), MediaSource(url="https://example.org/a.pdf")),
    )
    params = LLMJobParams(temperature=0.5, max_tokens=9, reasoning_effort=ReasoningEffort.HIGH)
    assert "Hello" == text_of(api, LLMJob(prompt=prompt, params=params))
    png, pdf = base64.b64encode(PNG).decode(), base64.b64encode(PDF).decode()
    content = [
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{png}"},
        {"type": "input_file", "filename": "document.pdf", "file_data": f"data:application/pdf;base64,{pdf}"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_text", "text": "Hi"},
    ]
    expected = {
        "model": "gpt-x",
        "input": [{"type": "message", "role": "user", "content": content}],
        "instructions": "Be brief",
        "temperature": 0.5,
        "max_output_tokens": 9,
        "reasoning": {"effort": "high"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    assert expected == replay.last.json()
    assert USAGE == api.log.records[0].usage


def test_a_response_is_asked_for_an_object_by_its_text_format(replay: Replay) -> None:
    replay.on(RESPONSES, scripted.answer(wire.response('{"name": "Rome", "people": 3}')))
    city = caller(replay, "openai_responses").llm(lambda worker: worker.gen_object("Which?", City))
    assert City(name="Rome", people=3) == city
    text = replay.last.json()["text"]
    assert isinstance(text, dict)
    assert ("json_schema", "answer", True) == tuple(text["format"][name] for name in ("type", "name", "strict"))


def test_a_streamed_response_ends_with_its_usage(replay: Replay) -> None:
    replay.on(RESPONSES, wire.response_events(["Hel", "lo"], wire.response("Hello")))
    api = caller(replay, "openai_responses")
    assert ["Hel", "lo"] == stream_of(api)
    assert USAGE == api.log.records[0].usage


@pytest.mark.parametrize("param", [{"seed": 0}, {"stop": ("A",)}], ids=["seed", "stop"])
def test_what_the_responses_api_has_no_word_for_is_refused_by_name(replay: Replay, param: dict[str, object]) -> None:
    with pytest.raises(InferenceRequestError, match=f"takes no '{next(iter(param))}'"):
        text_of(caller(replay, "openai_responses"), job_with(**param))
    assert [] == replay.requests


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (wire.response("Half an", incomplete="max_output_tokens"), InferenceTruncatedError),
        (wire.response("", incomplete="content_filter"), InferenceRefusedError),
        (wire.response("", refusal="I cannot"), InferenceRefusedError),
        ({"object": "response"}, InferenceInvalidAnswerError),
        (
            {**wire.response(""), "status": "failed", "error": {"code": "server_error", "message": "crashed"}},
            InferenceServerError,
        ),
    ],
    ids=["length", "filter", "refusal", "no output", "failed"],
)
def test_what_is_no_whole_response_is_its_own_error(replay: Replay, body: object, kind: type[InferenceError]) -> None:
    replay.on(RESPONSES, scripted.answer(body))
    with pytest.raises(kind):
        text_of(caller(replay, "openai_responses"))


def test_a_streamed_response_that_fails_says_why(replay: Replay) -> None:
    failed = {**wire.response(""), "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow"}}
    replay.on(RESPONSES, wire.response_events(["Hel"], failed))
    with pytest.raises(InferenceRateLimitError, match="Slow"):
        stream_of(caller(replay, "openai_responses"))


def test_a_streamed_response_without_its_end_is_an_error(replay: Replay) -> None:
    whole = wire.response_events(["Hel"], wire.response("Hel"))
    assert whole.pieces is not None
    replay.on(RESPONSES, HttpReply(headers=whole.headers, pieces=whole.pieces[:-1]))
    with pytest.raises(InferenceServerError, match="ended before"):
        stream_of(caller(replay, "openai_responses"))


# Faults.


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, None, InferenceRequestError),
        (400, "context_length_exceeded", InferenceCapacityError),
        (400, "content_policy_violation", InferenceRefusedError),
        (401, "invalid_api_key", InferenceAuthenticationError),
        (403, None, InferenceAuthenticationError),
        (403, "model_not_found", InferenceModelNotFoundError),
        (404, "model_not_found", InferenceModelNotFoundError),
        (404, "DeploymentNotFound", InferenceModelNotFoundError),
        (429, "insufficient_quota", InferenceCapacityError),
    ],
)
@pytest.mark.parametrize(("sdk", "route"), [("openai", CHAT), ("openai_responses", RESPONSES)])
def test_a_status_and_its_code_make_the_kind(
    replay: Replay, sdk: str, route: str, status: int, code: str | None, kind: type[InferenceError]
) -> None:
    body = wire.error("That is what OpenAI says", code=code)
    replay.on(route, scripted.answer(body, status=status, headers={"x-request-id": "req-7"}))
    with pytest.raises(kind, match="That is what OpenAI says") as caught:
        text_of(caller(replay, sdk))
    error = caught.value
    assert (kind, status, "req-7", "vendor", "the-model") == (
        type(error),
        error.status_code,
        error.request_id,
        error.provider,
        error.model,
    )


@pytest.mark.parametrize(("sdk", "whole"), [("openai", wire.completion("x")), ("openai_responses", wire.response("x"))])
@pytest.mark.parametrize("fault", [scripted.truncated, scripted.reset], ids=["truncated", "reset"])
def test_an_answer_that_breaks_off_is_a_server_error(replay: Replay, sdk: str, whole: object, fault: object) -> None:
    assert callable(fault)
    replay.on("*", fault(scripted.answer(whole)))
    with pytest.raises(InferenceServerError):
        text_of(caller(replay, sdk))


@pytest.mark.parametrize("fault", [scripted.truncated, scripted.reset], ids=["truncated", "reset"])
@pytest.mark.parametrize("sdk", ["openai", "openai_responses"])
def test_a_stream_that_breaks_off_is_a_server_error(replay: Replay, sdk: str, fault: object) -> None:
    assert callable(fault)
    pieces = ["Hel", "lo", "you", "there"]
    events = wire.response_events(pieces, wire.response("x"))
    replay.on(CHAT, fault(scripted.sse(wire.completion_chunks(pieces)))).on(RESPONSES, fault(events))
    with pytest.raises(InferenceServerError):
        stream_of(caller(replay, sdk))


@pytest.mark.parametrize(
    "reply",
    [scripted.malformed(), scripted.raw(b"<html>Bad gateway</html>", content_type="text/html")],
    ids=["malformed JSON", "another type"],
)
@pytest.mark.parametrize("sdk", ["openai", "openai_responses"])
def test_an_answer_that_is_no_json_is_invalid(replay: Replay, sdk: str, reply: HttpReply) -> None:
    replay.on("*", reply)
    with pytest.raises(InferenceInvalidAnswerError):
        text_of(caller(replay, sdk))


def test_the_key_is_in_no_error_even_where_the_vendor_repeats_it(replay: Replay) -> None:
    keep_secret(KEY)
    replay.on(CHAT, scripted.answer(wire.error(f"Incorrect API key provided: {KEY}"), status=401))
    chat = caller(replay)
    with pytest.raises(InferenceAuthenticationError) as caught:
        text_of(chat)
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in f"{error} {error!r} {error.args}"
        error = error.__cause__
    assert KEY not in repr(chat.backend)


def test_256_calls_at_once_each_get_their_own_answer(replay: Replay) -> None:
    def echo(request: HttpRequest) -> HttpReply:
        messages = request.json()["messages"]
        assert isinstance(messages, list)
        return scripted.answer(wire.completion(f"you said {messages[0]['content']}"))

    replay.on(CHAT, echo)

    async def ask_all(worker: LLMWorkerAbstract) -> list[str]:
        return await asyncio.gather(*(worker.gen_text(f"word {number}") for number in range(256)))

    answers = caller(replay).llm(ask_all)
    assert [f"you said word {number}" for number in range(256)] == answers
