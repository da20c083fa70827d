"""OpenAI's drivers and their look-alikes against servers that others wrote: aimock, and Portkey's gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceRateLimitError, InferenceRequestError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenPrompt
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import BUILTIN_PLUGINS
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers.calls import Caller
from tests.servers.aimock import OBJECT, PNG, Aimock

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from tests.providers.llama_server import LlamaServer

pytestmark = [
    pytest.mark.counterpart(
        "aimock",
        "img_gen:azure_rest_img_gen",
        "img_gen:gateway_img_gen",
        "img_gen:openai_img_gen",
        "llm:azure_openai",
        "llm:azure_openai_responses",
        "llm:gateway_completions",
        "llm:gateway_responses",
        "llm:openai",
        "llm:openai_responses",
        "llm:openrouter",
        "llm:portkey_completions",
        "llm:portkey_responses",
    ),
    pytest.mark.counterpart(
        "portkey_gateway", "llm:gateway_completions", "llm:portkey_completions", "llm:portkey_responses"
    ),
]

PLUGINS = {plugin.name: plugin for plugin in BUILTIN_PLUGINS}
VERSION = "2024-10-21"
DATED = {"api_version": VERSION}
LLM_ROWS = [
    pytest.param("openai", "openai", "/v1", {}, "/v1/chat/completions", id="openai"),
    pytest.param("openai", "openai_responses", "/v1", {}, "/v1/responses", id="openai_responses"),
    pytest.param("openai", "azure_openai", "", {}, "/openai/v1/chat/completions", id="azure_openai"),
    pytest.param("openai", "azure_openai_responses", "", {}, "/openai/v1/responses", id="azure_openai_responses"),
    pytest.param(
        "openai", "azure_openai", "", DATED, "/openai/deployments/gpt-4.1/chat/completions", id="azure_openai-dated"
    ),
    pytest.param("openai", "azure_openai_responses", "", DATED, "/openai/responses", id="azure_openai_responses-dated"),
    pytest.param("openrouter", "openrouter", "/api/v1", {}, "/api/v1/chat/completions", id="openrouter"),
    pytest.param("gateway", "gateway_completions", "/v1", {}, "/v1/chat/completions", id="gateway_completions"),
    pytest.param("gateway", "gateway_responses", "/v1", {}, "/v1/responses", id="gateway_responses"),
    pytest.param("portkey", "portkey_completions", "/v1", {}, "/v1/chat/completions", id="portkey_completions"),
    pytest.param("portkey", "portkey_responses", "/v1", {}, "/v1/responses", id="portkey_responses"),
]


@dataclass
class City:
    """A structured answer."""

    name: str
    people: int


def llm(plugin: str, sdk: str, **more: object) -> Caller:
    base = {
        "plugin": PLUGINS[plugin],
        "family": InferenceFamily.LLM,
        "sdk": sdk,
        "model_id": "gpt-4.1",
        "policy": CallPolicy(max_attempts=1, timeout_s=60.0),
    }
    return Caller(**{**base, **more})  # type: ignore[arg-type]  # by name


async def collect(worker: LLMWorkerAbstract) -> list[str]:
    return [piece async for piece in worker.stream_text("hello")]


@pytest.mark.parametrize(("plugin", "sdk", "path", "extras", "target"), LLM_ROWS)
def test_aimock_answers(aimock: Aimock, plugin: str, sdk: str, path: str, extras: dict[str, str], target: str) -> None:
    caller = llm(plugin, sdk, endpoint=aimock.url + path, extras=extras)
    assert "Hello from the mock." == caller.llm(lambda worker: worker.gen_text("hello"))
    arrived = aimock.journal()[-1]
    path, _, query = str(arrived["path"]).partition("?")
    assert (target, f"api-version={VERSION}" if extras else "") == (path, query)
    headers = arrived["headers"]
    assert isinstance(headers, dict)
    assert {"api-key" if extras else "authorization"} == {"api-key", "authorization"}.intersection(headers)
    question = "city by responses" if "responses" in sdk else "city"
    assert City(**OBJECT) == caller.llm(lambda worker: worker.gen_object(question, City))  # type: ignore[arg-type]  # JSON
    assert "Hello from the mock." == "".join(caller.llm(collect))
    with pytest.raises(InferenceRateLimitError):
        caller.llm(lambda worker: worker.gen_text("too fast"))


@pytest.mark.parametrize(
    ("plugin", "sdk", "path", "extras"),
    [
        ("openai", "openai_img_gen", "/v1", {}),
        ("gateway", "gateway_img_gen", "/v1", {}),
        ("azure_rest", "azure_rest_img_gen", "", {"api_version": "2025-04-01-preview"}),
    ],
)
def test_aimock_makes_and_edits_images(
    aimock: Aimock, plugin: str, sdk: str, path: str, extras: dict[str, str]
) -> None:
    caller = llm(
        plugin, sdk, endpoint=aimock.url + path, extras=extras, family=InferenceFamily.IMG_GEN, model_id="gpt-image-1"
    )
    image = caller.img_gen(lambda worker: worker.gen_image("a cat"))
    assert (PNG, "image/png") == (image.data, image.mime_type)
    edit = ImgGenJob(prompt=ImgGenPrompt(text="a cat", images=(MediaSource(data=PNG),)))
    edited = caller.img_gen(lambda worker: worker.gen_image(edit))
    assert isinstance(edited, GeneratedImage)


def test_aimock_lists_models(aimock: Aimock) -> None:
    assert llm("openai", "openai", endpoint=f"{aimock.url}/v1").list_models()


# Portkey's gateway, in front of a real model.


@pytest.fixture
def behind(portkey_gateway: str, llama_server: LlamaServer) -> dict[str, object]:
    """Reach the model behind the gateway."""
    extras = {
        "x_portkey_provider": "openai",
        "x_portkey_custom_host": f"{llama_server.url}/v1",
        "provider_key": llama_server.api_key,
    }
    return {"endpoint": f"{portkey_gateway}/v1", "extras": extras, "model_id": llama_server.model_id, "api_key": None}


def short(text: str) -> LLMJob:
    return LLMJob(prompt=LLMPrompt(user_text=text), params=LLMJobParams(temperature=0.0, max_tokens=60))


def test_portkeys_gateway_answers_for_a_real_model(behind: dict[str, object]) -> None:
    caller = llm("portkey", "portkey_completions", **behind)
    asked = short("Repeat: Paris is the capital of France.")

    async def both(worker: LLMWorkerAbstract) -> tuple[str, list[str]]:
        return await worker.gen_text(asked), [piece async for piece in worker.stream_text(asked)]

    text, pieces = caller.llm(both)
    assert "Paris" in text
    assert text == "".join(pieces)
    assert len(pieces) > 1
    assert [None] == [record.error for record in caller.log.records[:1]]
    assert caller.log.records[1].usage is not None


def test_portkeys_gateway_hands_the_schema_on(behind: dict[str, object]) -> None:
    caller = llm("portkey", "portkey_completions", **behind)
    city = caller.llm(lambda worker: worker.gen_object(short("Rome has 3 million people."), City))
    assert isinstance(city.people, int)


def test_portkeys_gateway_serves_the_responses_api(behind: dict[str, object]) -> None:
    caller = llm("portkey", "portkey_responses", **behind)
    assert "Paris" in caller.llm(lambda worker: worker.gen_text(short("Repeat: Paris is the capital of France.")))


def test_portkeys_gateway_lists_the_models_behind_it(behind: dict[str, object]) -> None:
    rows = llm("portkey", "portkey_completions", **behind).list_models()
    assert [behind["model_id"]] == [row.id for row in rows]


def test_portkeys_gateway_refuses_a_call_without_a_provider(portkey_gateway: str) -> None:
    caller = llm("portkey", "portkey_completions", endpoint=f"{portkey_gateway}/v1", api_key=None)
    with pytest.raises(InferenceRequestError, match="provider"):
        caller.llm(lambda worker: worker.gen_text("hello"))


def test_the_gateway_driver_reaches_a_model_through_portkeys_gateway(behind: dict[str, object]) -> None:
    extras = {name: value for name, value in dict(behind["extras"]).items() if name != "provider_key"}  # type: ignore[call-overload]  # a table
    key = dict(behind["extras"])["provider_key"]  # type: ignore[call-overload]  # a table
    caller = llm("gateway", "gateway_completions", **{**behind, "extras": extras, "api_key": key})
    assert "Paris" in caller.llm(lambda worker: worker.gen_text(short("Repeat: Paris is the capital of France.")))
