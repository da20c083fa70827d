"""The clients of all who speak OpenAI's format: where they send, with which key, and how they list models."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from openai import AsyncAzureOpenAI, Timeout

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceConnectionError,
    InferenceInvalidAnswerError,
    InferenceRequestError,
)
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.config.plugins_config import PluginsConfig
from pipelex.generated.builtins import BUILTIN_PLUGINS, CORE_UNCONDITIONAL, OpenaiPlugin
from pipelex.plugins.discovery import build_registrar
from pipelex.plugins.exceptions import CoreUnconditionalPluginDisabledError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.providers.openai.client import make_client, open_client
from tests.providers import replay as scripted
from tests.providers.calls import KEY, Caller
from tests.providers.openai import wire
from tests.providers.replay import NobodyThere, Replay

pytestmark = pytest.mark.counterpart(
    "openai_docs",
    "llm:azure_openai",
    "llm:azure_openai_responses",
    "llm:gateway_completions",
    "llm:gateway_responses",
    "llm:openai",
    "llm:openai_responses",
    "llm:openrouter",
    "llm:portkey_completions",
    "llm:portkey_responses",
)

PLUGINS = {plugin.name: plugin for plugin in BUILTIN_PLUGINS}
CHAT, RESPONSES = "/chat/completions", "/responses"


@pytest.mark.parametrize(
    ("plugin", "sdk", "path", "target", "limit"),
    [
        ("openai", "openai", "/v1", f"/v1{CHAT}", "max_completion_tokens"),
        ("openai", "openai_responses", "/v1", f"/v1{RESPONSES}", "max_output_tokens"),
        ("openai", "azure_openai", "", f"/openai/v1{CHAT}", "max_completion_tokens"),
        ("openai", "azure_openai_responses", "", f"/openai/v1{RESPONSES}", "max_output_tokens"),
        ("openrouter", "openrouter", "/api/v1", f"/api/v1{CHAT}", "max_tokens"),
        ("portkey", "portkey_completions", "/v1", f"/v1{CHAT}", "max_tokens"),
        ("portkey", "portkey_responses", "/v1", f"/v1{RESPONSES}", "max_output_tokens"),
        ("gateway", "gateway_completions", "/v1", f"/v1{CHAT}", "max_tokens"),
        ("gateway", "gateway_responses", "/v1", f"/v1{RESPONSES}", "max_output_tokens"),
    ],
)
def test_each_sdk_answers_at_its_own_path(
    replay: Replay, plugin: str, sdk: str, path: str, target: str, limit: str
) -> None:
    body = wire.response("Hello") if "responses" in sdk else wire.completion("Hello")
    replay.on("*", scripted.answer(body))
    caller = Caller(
        plugin=PLUGINS[plugin],
        family=InferenceFamily.LLM,
        sdk=sdk,
        endpoint=replay.url + path,
        max_output_tokens=40,
    )
    assert "Hello" == caller.llm(lambda worker: worker.gen_text("Hi"))
    assert (target, 40) == (replay.last.target, replay.last.json()[limit])


@pytest.mark.parametrize(
    ("sdk", "target"),
    [
        ("azure_openai", f"/openai/deployments/gpt-x{CHAT}?api-version=2024-10-21"),
        ("azure_openai_responses", f"/openai{RESPONSES}?api-version=2024-10-21"),
    ],
)
def test_azure_with_a_dated_version_has_paths_of_its_own(replay: Replay, sdk: str, target: str) -> None:
    body = wire.response("Hello") if "responses" in sdk else wire.completion("Hello")
    replay.on("*", scripted.answer(body))
    caller = Caller(
        plugin=OpenaiPlugin(),
        family=InferenceFamily.LLM,
        sdk=sdk,
        endpoint=replay.url,
        extras={"api_version": "2024-10-21"},
    )
    assert "Hello" == caller.llm(lambda worker: worker.gen_text("Hi"))
    assert (target, KEY) == (replay.last.target, replay.last.headers["api-key"])


def test_extras_that_begin_with_x_are_sent_as_headers(replay: Replay) -> None:
    replay.on("*", scripted.answer(wire.completion("Hello")))
    extras = {"x_title": "My app", "organization": "org-1", "project": "proj-1", "other": "kept back"}
    caller = Caller(plugin=OpenaiPlugin(), family=InferenceFamily.LLM, sdk="openai", endpoint=replay.url, extras=extras)
    caller.llm(lambda worker: worker.gen_text("Hi"))
    headers = replay.last.headers
    names = ("x-title", "openai-organization", "openai-project", "authorization")
    assert ["My app", "org-1", "proj-1", f"Bearer {KEY}"] == [headers[name] for name in names]
    assert "kept back" not in str(headers)


def test_a_server_without_a_key_is_called_without_one(replay: Replay) -> None:
    replay.on("*", scripted.answer(wire.completion("Hello")))
    caller = Caller(plugin=OpenaiPlugin(), family=InferenceFamily.LLM, sdk="openai", endpoint=replay.url, api_key=None)
    caller.llm(lambda worker: worker.gen_text("Hi"))
    assert "Bearer no-key" == replay.last.headers["authorization"]


@pytest.mark.parametrize("sdk", ["azure_openai", "azure_openai_responses", "gateway_completions", "gateway_img_gen"])
def test_who_has_no_address_of_their_own_needs_an_endpoint(sdk: str) -> None:
    with pytest.raises(InferenceRequestError, match=r"Set endpoint in \[backends\.mine\]"):
        make_client(sdk=sdk, backend=InferenceBackend(name="mine", api_key=KEY))


@pytest.mark.parametrize(
    ("sdk", "address"),
    [
        ("openai", "https://api.openai.com/v1/"),
        ("openai_img_gen", "https://api.openai.com/v1/"),
        ("openrouter", "https://openrouter.ai/api/v1/"),
        ("openrouter_img_gen", "https://openrouter.ai/api/v1/"),
        ("portkey_responses", "https://api.portkey.ai/v1/"),
    ],
)
def test_a_vendor_is_called_at_its_own_address(sdk: str, address: str) -> None:
    policy = CallPolicy(timeout_s=9, connect_timeout_s=2)
    client = open_client(sdk=sdk, backend=InferenceBackend(name="mine", policy=policy))
    assert (address, 0, Timeout(9, connect=2)) == (str(client.base_url), client.max_retries, client.timeout)


def test_the_environment_does_not_move_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    client = open_client(sdk="openai", backend=InferenceBackend(name="mine", api_key=KEY))
    assert "https://api.openai.com/v1/" == str(client.base_url)


def test_azure_with_a_dated_version_has_the_sdks_azure_client() -> None:
    backend = InferenceBackend(name="mine", endpoint="https://x.example", extras={"api_version": "2024-10-21"})
    assert isinstance(open_client(sdk="azure_openai", backend=backend), AsyncAzureOpenAI)


def test_one_worker_serves_one_event_loop_after_another(replay: Replay) -> None:
    replay.on("*", scripted.answer(wire.completion("Hello")))
    clients = SdkClientRegistry()
    caller = Caller(plugin=OpenaiPlugin(), family=InferenceFamily.LLM, sdk="openai", endpoint=replay.url)
    worker = caller.worker(clients)
    assert isinstance(worker, LLMWorkerAbstract)
    assert ["Hello"] * 3 == [
        asyncio.run(worker.gen_text("Hi")),
        asyncio.run(worker.gen_text("Hi")),
        worker.gen_text_sync("Hi"),
    ]
    clients.close()


# Listers.


LISTERS = [
    ("openai", "openai", "/v1", "/v1/models"),
    ("openai", "openai_responses", "/v1", "/v1/models"),
    ("openai", "azure_openai", "", "/openai/v1/models"),
    ("openai", "azure_openai_responses", "", "/openai/v1/models"),
    ("openrouter", "openrouter", "/api/v1", "/api/v1/models"),
    ("portkey", "portkey_completions", "/v1", "/v1/models"),
    ("gateway", "gateway_completions", "/v1", "/v1/models"),
]


def lister(url: str, plugin: str = "openai", sdk: str = "openai") -> Caller:
    return Caller(plugin=PLUGINS[plugin], family=InferenceFamily.LLM, sdk=sdk, endpoint=url)


@pytest.mark.parametrize(("plugin", "sdk", "path", "target"), LISTERS)
def test_each_lister_returns_rows(replay: Replay, plugin: str, sdk: str, path: str, target: str) -> None:
    rows = [{"id": "gpt-x", "object": "model", "created": 1_700_000_000, "owned_by": "openai"}, {"id": "bare"}]
    replay.on(f"GET {target}", scripted.answer({"object": "list", "data": rows}))
    listed = ListedModel(id="gpt-x", created=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), owner="openai")
    assert [listed, ListedModel(id="bare")] == lister(replay.url + path, plugin, sdk).list_models()


@pytest.mark.parametrize("name", ["context_length", "context_window", "max_model_len"])
def test_a_lister_finds_the_context_window_by_the_names_of_look_alikes(replay: Replay, name: str) -> None:
    replay.on("GET /models", scripted.answer({"data": [{"id": "m", name: 8192}]}))
    assert [ListedModel(id="m", context_window=8192)] == lister(replay.url).list_models()


def test_a_lister_names_what_went_wrong(replay: Replay) -> None:
    replay.on("GET /models", scripted.answer(wire.error("Bad key"), status=401))
    with pytest.raises(InferenceAuthenticationError, match="Bad key"):
        lister(replay.url).list_models()
    replay.on("GET /models", scripted.malformed())
    with pytest.raises(InferenceInvalidAnswerError):
        lister(replay.url).list_models()
    with NobodyThere() as nobody, pytest.raises(InferenceConnectionError):
        lister(nobody.url).list_models()


# The plugin that every installation has.


def test_openai_cannot_be_disabled() -> None:
    assert {"openai"} == CORE_UNCONDITIONAL
    with pytest.raises(CoreUnconditionalPluginDisabledError) as caught:
        build_registrar(PluginsConfig(disabled=("openai",)))
    assert "openai" == caught.value.plugin_name
