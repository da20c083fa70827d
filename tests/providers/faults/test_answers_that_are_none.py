"""What LLM drivers make of an answer that is not what was asked for, of a redirect, of a fault on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import AnthropicPlugin, GooglePlugin, MistralPlugin, OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers.calls import KEY, Caller
from tests.providers.openai import wire
from tests.providers.replay import Replay, answer, named_sse, raw

if TYPE_CHECKING:
    from pathlib import Path

    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.testing.loopback import HttpReply

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("pauses")]

SDKS: dict[str, PipelexPlugin] = {
    "openai": OpenaiPlugin(),
    "openai_responses": OpenaiPlugin(),
    "anthropic": AnthropicPlugin(),
    "mistral": MistralPlugin(),
    "google": GooglePlugin(),
}
TWICE = CallPolicy(timeout_s=20.0, max_attempts=2)


class Row(NamedTuple):
    """A reply, and what has to come of it."""

    reply: HttpReply
    kind: type[InferenceError]
    message: str
    operations: tuple[str, ...] = ("gen_text", "stream_text")


ANSWERS = {
    "an error with status 200": Row(
        answer({"error": {"message": "context too long", "code": 400}}), InferenceCapacityError, "context too long"
    ),
    "a key that is not known": Row(
        answer({"error": {"message": "no such key", "code": "invalid_api_key"}}),
        InferenceAuthenticationError,
        "no such key",
    ),
    "HTML for a stream": Row(
        raw(b"<html><title>Sign in</title></html>", content_type="text/html"),
        InferenceInvalidAnswerError,
        ": Sign in",
        ("stream_text",),
    ),
    "JSON for a stream": Row(
        answer({"id": "1", "text": "whole"}),
        InferenceInvalidAnswerError,
        '{"id": "1", "text": "whole"}',
        ("stream_text",),
    ),
    "text for a stream": Row(
        raw(b"upstream is gone", content_type="text/plain"),
        InferenceInvalidAnswerError,
        ": upstream is gone",
        ("stream_text",),
    ),
    "a status of the server for a stream": Row(
        raw(b"<html>Bad gateway</html>", content_type="text/html", status=502), InferenceServerError, "Bad gateway"
    ),
    "a list of problems": Row(
        answer({"detail": [{"loc": ["body", "x"], "msg": "field required"}]}, status=422),
        InferenceRequestError,
        "body.x: field required",
    ),
    "a text for an error": Row(
        answer({"error": 'model "x" not found, try pulling it first'}, status=404),
        InferenceModelNotFoundError,
        'model "x" not found',
    ),
    "an address that does not exist": Row(
        answer({"detail": "Not Found"}, status=404), InferenceRequestError, "There is nothing at http://127.0.0.1:"
    ),
}


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_none_is_named(sdk: str, name: str) -> None:
    row = ANSWERS[name]
    for operation in row.operations:
        with Replay().on("*", row.reply) as vendor:
            error = failure(sdk, vendor.url, operation)
            assert (row.kind, True) == (type(error), row.message in str(error)), f"{operation}: {error!r}"
            assert ("answered" in str(error)) == (row.operations == ("stream_text",))
            assert (2 if row.kind is InferenceServerError else 1) == len(vendor.requests)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_redirect_to_another_origin_is_not_followed(sdk: str) -> None:
    with Replay().on("*", answer({})) as other:
        to_other = raw(b"", content_type="text/plain", status=307, headers={"Location": f"{other.url}/v1?key=1"})
        with Replay().on("*", to_other) as vendor:
            for operation in ("gen_text", "stream_text"):
                error = failure(sdk, vendor.url, operation)
                assert InferenceRequestError is type(error), repr(error)
                assert f"redirects to {other.url}/v1:" in str(error)
        assert [] == list(other.requests)


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:9"),
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTP_PROXY", "garbage://127.0.0.1:9"),
        ("SSL_CERT_FILE", "nowhere.pem"),
        ("SSL_CERT_FILE", "empty.pem"),
    ],
)
def test_a_wrong_variable_is_named(
    sdk: str, variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("empty.pem").write_text("no certificate", encoding="utf-8")
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("NO_PROXY", "")
    error = failure(sdk, "http://example.invalid", "gen_text")
    assert InferenceRequestError is type(error), repr(error)
    assert variable in str(error)
    assert 1 == error.attempts


@pytest.mark.parametrize("sdk", SDKS)
def test_a_scheme_that_cannot_be_called_is_named(sdk: str) -> None:
    error = failure(sdk, "htp://127.0.0.1:9", "gen_text")
    assert InferenceRequestError is type(error), repr(error)
    assert ("endpoint" in str(error), 1) == (True, error.attempts)


@pytest.mark.parametrize(
    ("sdk", "path", "target"),
    [
        ("openai", "/v1/chat/completions", "/v1/chat/completions"),
        ("anthropic", "/v1", "/v1/messages"),
        ("mistral", "/v1/", "/v1/chat/completions"),
        ("google", "/v1beta", "/v1beta/models/gpt-x:generateContent"),
        ("google", "/v1", "/v1/models/gpt-x:generateContent"),
    ],
)
def test_a_path_that_the_sdk_adds_is_not_doubled(sdk: str, path: str, target: str) -> None:
    with Replay().on("*", answer({"error": "no"}, status=400)) as vendor:
        failure(sdk, vendor.url + path, "gen_text")
        assert target == vendor.last.target


def failure(sdk: str, url: str, operation: str) -> InferenceError:
    """Call a driver at an address; return the error, in which no key is seen."""
    caller = Caller(plugin=SDKS[sdk], family=InferenceFamily.LLM, sdk=sdk, endpoint=url, policy=TWICE)

    async def call(worker: LLMWorkerAbstract) -> None:
        if operation == "gen_text":
            await worker.gen_text("Hello")
        else:
            async for _ in worker.stream_text("Hello"):
                pass

    with pytest.raises(InferenceError) as caught:
        caller.llm(call)
    assert KEY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("body", [b"%s\n\ndata: [DONE]\n\n", b"data: %s\n\ndata: [DONE]\n\n", b"%s"])
def test_a_whole_completion_of_another_content_type_is_read(body: bytes) -> None:
    whole = json.dumps(wire.completion("Hello")).encode()
    with Replay().on("*", raw(body % whole, content_type="text/event-stream")) as vendor:
        caller = Caller(plugin=OpenaiPlugin(), family=InferenceFamily.LLM, sdk="openai", endpoint=vendor.url)
        assert "Hello" == caller.llm(lambda worker: worker.gen_text("Hi"))


def test_an_error_event_without_an_envelope_is_named() -> None:
    with Replay().on("*", named_sse([("error", {"message": "boom"})])) as vendor:
        assert "boom" in str(failure("openai", vendor.url, "stream_text"))


@pytest.mark.parametrize("sdk", ["openai", "openai_responses", "mistral", "google"])
@pytest.mark.parametrize("event", [b'"boom"', b'{"detail":"boom"}', b"boom"])
def test_an_event_that_is_a_sentence_is_the_error(sdk: str, event: bytes) -> None:
    with Replay().on("*", raw(b"data: %s\n\n" % event, content_type="text/event-stream")) as vendor:
        assert "boom" in str(failure(sdk, vendor.url, "stream_text"))


@pytest.mark.parametrize("sdk", ["openai", "mistral"])
@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
def test_a_whole_completion_as_one_event_of_a_stream_is_its_text(sdk: str, end: bytes) -> None:
    whole = json.dumps(wire.completion("Hello")).encode()
    with Replay().on("*", raw(b"data: %s\n\n" % whole + end, content_type="text/event-stream")) as vendor:
        caller = Caller(plugin=SDKS[sdk], family=InferenceFamily.LLM, sdk=sdk, endpoint=vendor.url)

        async def call(worker: LLMWorkerAbstract) -> list[str]:
            return [piece async for piece in worker.stream_text("Hi")]

        assert ["Hello"] == caller.llm(call)


@pytest.mark.parametrize("sdk", ["openai", "mistral"])
def test_a_text_that_is_nested_in_its_block_is_read(sdk: str) -> None:
    nested = [{"type": "text", "text": {"value": "Hello", "annotations": []}}]
    whole = json.dumps(wire.completion("HERE")).replace('"HERE"', json.dumps(nested))
    with Replay().on("*", raw(whole.encode(), content_type="application/json")) as vendor:
        caller = Caller(plugin=SDKS[sdk], family=InferenceFamily.LLM, sdk=sdk, endpoint=vendor.url)
        assert "Hello" == caller.llm(lambda worker: worker.gen_text("Hi"))
