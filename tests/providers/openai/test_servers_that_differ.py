"""Servers that copied chat completions in part: what is set for them, on the wire of each sdk of the format."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.generated.builtins import AnthropicPlugin, GatewayPlugin, OpenaiPlugin, OpenrouterPlugin, PortkeyPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers import replay as scripted
from tests.providers.calls import Caller
from tests.providers.openai import wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.plugins.contract import PipelexPlugin
    from tests.providers.replay import Replay

CHAT = "POST /v1/chat/completions"
SDKS: Mapping[str, tuple[PipelexPlugin, str]] = {
    "openai": (OpenaiPlugin(), CHAT),
    "azure_openai": (OpenaiPlugin(), "POST /openai/v1/chat/completions"),
    "gateway_completions": (GatewayPlugin(), CHAT),
    "portkey_completions": (PortkeyPlugin(), CHAT),
    "openrouter": (OpenrouterPlugin(), CHAT),
}


@dataclass
class City:
    """A structured answer."""

    name: str
    people: int = 0


def caller(replay: Replay, sdk: str = "openai", **settings: Any) -> Caller:
    plugin, path = SDKS[sdk]
    endpoint = replay.url + ("" if sdk == "azure_openai" else "/v1")
    replay.on(path, scripted.answer(wire.completion('{"name": "Rome", "people": 3}')))
    return Caller(plugin=plugin, family=InferenceFamily.LLM, sdk=sdk, endpoint=endpoint, **settings)


def city_of(caller: Caller) -> City:
    return caller.llm(lambda worker: worker.gen_object("Which?", City))


def called(arguments: object, *, content: str | None = None) -> dict[str, Any]:
    """Return a completion that calls the function of the answer."""
    whole: dict[str, Any] = wire.completion(content or "")
    function = {"name": "answer", "arguments": arguments}
    message = {
        "role": "assistant",
        "content": content,
        "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }
    return {**whole, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


@pytest.mark.parametrize("sdk", SDKS)
def test_json_object_sends_the_schema_in_the_text(replay: Replay, sdk: str) -> None:
    assert City("Rome", 3) == city_of(caller(replay, sdk, model_extras={"structured_by": "json_object"}))
    sent: Any = replay.last.json()
    assert {"type": "json_object"} == sent["response_format"]
    text = sent["messages"][-1]["content"]
    assert text.startswith("Which?")
    assert "JSON" in text
    assert {"name", "people"} == set(json.loads(text[text.index("{") :])["properties"])


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("arguments", ['{"name": "Rome", "people": 3}', {"name": "Rome", "people": 3}])
def test_tool_makes_the_model_call_one_function(replay: Replay, sdk: str, arguments: object) -> None:
    made = caller(replay, sdk, model_extras={"structured_by": "tool"})
    replay.on(SDKS[sdk][1], scripted.answer(called(arguments, content="Here it is.")))
    assert City("Rome", 3) == city_of(made)
    sent: Any = replay.last.json()
    assert "response_format" not in sent
    assert "answer" == sent["tool_choice"]["function"]["name"] == sent["tools"][0]["function"]["name"]
    assert "object" == sent["tools"][0]["function"]["parameters"]["type"]
    assert [11] == [record.usage.input_tokens for record in made.log.records if record.usage is not None]


def test_an_answer_by_tool_that_is_no_object_is_wrapped(replay: Replay) -> None:
    made = caller(replay, model_extras={"structured_by": "tool"})
    replay.on(CHAT, scripted.answer(called('{"answer": [1, 2]}')))
    assert [1, 2] == made.llm(lambda worker: worker.gen_object("Which?", list[int]))


def test_a_model_that_answers_in_words_in_spite_of_its_tool_is_read(replay: Replay) -> None:
    assert City("Rome", 3) == city_of(caller(replay, model_extras={"structured_by": "tool"}))


def test_another_way_is_refused_before_anything_is_sent(replay: Replay) -> None:
    made = caller(replay, model_extras={"structured_by": "grammar"})
    with pytest.raises(InferenceRequestError, match="'structured_by' is 'grammar'; it is 'json_schema' or"):
        city_of(made)
    assert [] == replay.requests


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("wanted", [True, False])
def test_a_stream_asks_for_its_usage_unless_it_is_told_not_to(replay: Replay, sdk: str, *, wanted: bool) -> None:
    made = caller(replay, sdk, model_extras={} if wanted else {"stream_usage": False})
    replay.on(SDKS[sdk][1], scripted.sse(wire.completion_chunks(["a", "b"])))

    async def collect(worker: LLMWorkerAbstract) -> list[str]:
        return [piece async for piece in worker.stream_text("Hi")]

    assert ["a", "b"] == made.llm(collect)
    assert ("stream_options" in replay.last.json()) is wanted


@pytest.mark.parametrize("sdk", SDKS)
def test_headers_and_fields_of_backend_and_model_are_sent(replay: Replay, sdk: str) -> None:
    made = caller(
        replay,
        sdk,
        extras={"x_title": "App"},
        headers={"HTTP-Referer": "https://app.test", "X-Tier": "of the backend"},
        model_headers={"X-Tier": "of the model"},
        model_body={"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}},
    )
    city_of(made)
    headers = {name.lower(): value for name, value in replay.last.headers.items()}
    expected = {"x-title": "App", "http-referer": "https://app.test", "x-tier": "of the model"}
    assert expected == {name: headers[name] for name in expected}
    assert 5 == replay.last.json()["top_k"]
    assert {"enable_thinking": False} == replay.last.json()["chat_template_kwargs"]


def test_anthropics_beta_header_is_sent(replay: Replay) -> None:
    replay.on("POST /v1/messages", scripted.answer({"error": {"message": "no"}}, status=400))
    made = Caller(
        plugin=AnthropicPlugin(),
        family=InferenceFamily.LLM,
        sdk="anthropic",
        endpoint=replay.url,
        headers={"anthropic-beta": "context-1m"},
        model_body={"top_k": 5},
    )
    with pytest.raises(InferenceRequestError):
        made.llm(lambda worker: worker.gen_text("Hi"))
    assert "context-1m" == {name.lower(): value for name, value in replay.last.headers.items()}["anthropic-beta"]
    assert 5 == replay.last.json()["top_k"]


@pytest.mark.parametrize(
    ("said", "setting"),
    [
        ("This response_format type is unavailable now", 'structured_by = "json_object" or "tool"'),
        ("stream_options: Extra inputs are not permitted", "stream_usage = false"),
        ("Model is not allowed to use tool_choice", 'structured_by = "json_object"'),
    ],
)
def test_a_server_that_lacks_something_makes_the_error_name_the_setting(
    replay: Replay, said: str, setting: str
) -> None:
    made = caller(replay)
    replay.on(CHAT, scripted.answer(wire.error(said), status=400))
    with pytest.raises(InferenceRequestError) as caught:
        city_of(made)
    assert said in str(caught.value)
    assert setting in str(caught.value)


def test_another_refusal_names_no_setting(replay: Replay) -> None:
    made = replace(caller(replay))
    replay.on(CHAT, scripted.answer(wire.error("temperature: too high"), status=400))
    with pytest.raises(InferenceRequestError) as caught:
        city_of(made)
    assert "set " not in str(caught.value)
