"""Portkey: the headers that its gateway asks for, and that its own client sends the same.

https://portkey.ai/docs/api-reference/inference-api/headers
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.generated.builtins import PortkeyPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing.llm import LLMConformance
from tests.providers import replay as scripted
from tests.providers.calls import KEY, Caller
from tests.providers.declared import declared
from tests.providers.openai import wire
from tests.providers.openai.test_openai_kit import QUICK
from tests.providers.openai.test_openai_kit import TestOpenAI as _OpenAIKit
from tests.providers.openai.vendors import ChatVendor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelex.plugins.contract import PipelexPlugin
    from tests.providers.replay import Replay

pytest_plugins = ["pipelex.testing"]

pytestmark = [
    pytest.mark.counterpart("portkey_client", "llm:portkey_completions", "llm:portkey_responses"),
    pytest.mark.counterpart("portkey_docs", "llm:portkey_completions", "llm:portkey_responses"),
]

# which client it is, and that it may be told more than OpenAI's format has words for, which the driver does not ask for
OF_THE_CLIENT = re.compile("x-portkey-(package-version|runtime|strict-open-ai-compliance)")
SDKS = ["portkey_completions", "portkey_responses"]


def headers_sent(replay: Replay, sdk: str, **extras: str) -> dict[str, str]:
    replay.on("*", scripted.answer(wire.response("Hi") if "responses" in sdk else wire.completion("Hi")))
    caller = Caller(
        plugin=PortkeyPlugin(), family=InferenceFamily.LLM, sdk=sdk, endpoint=f"{replay.url}/v1", extras=extras
    )
    assert "Hi" == caller.llm(lambda worker: worker.gen_text("Hello"))
    return dict(replay.last.headers)


@pytest.mark.parametrize("sdk", SDKS)
def test_the_key_goes_in_portkeys_own_header(replay: Replay, sdk: str) -> None:
    headers = headers_sent(replay, sdk)
    assert (KEY, "Bearer no-key") == (headers["x-portkey-api-key"], headers["authorization"])


@pytest.mark.parametrize("sdk", SDKS)
def test_the_provider_and_its_key_go_beside_it(replay: Replay, sdk: str) -> None:
    headers = headers_sent(replay, sdk, x_portkey_provider="mistral-ai", provider_key="mistral-key")
    names = ("x-portkey-api-key", "x-portkey-provider", "authorization")
    assert [KEY, "mistral-ai", "Bearer mistral-key"] == [headers[name] for name in names]


def test_a_config_and_metadata_are_headers_too(replay: Replay) -> None:
    headers = headers_sent(replay, SDKS[0], x_portkey_config="pc-1", x_portkey_metadata='{"env": "test"}')
    assert ("pc-1", '{"env": "test"}') == (headers["x-portkey-config"], headers["x-portkey-metadata"])


@pytest.mark.parametrize("sdk", SDKS)
def test_portkeys_own_client_sends_the_same(replay: Replay, sdk: str) -> None:
    from portkey_ai import Portkey

    metadata = '{"env": "test"}'
    headers_sent(
        replay,
        sdk,
        x_portkey_provider="mistral-ai",
        x_portkey_config="pc-1",
        x_portkey_metadata=metadata,
        provider_key="mistral-key",
    )
    client = Portkey(
        api_key=KEY,
        base_url=f"{replay.url}/v1",
        provider="mistral-ai",
        config="pc-1",
        metadata=json.loads(metadata),
        Authorization="Bearer mistral-key",
    )
    if "responses" in sdk:
        assert "Hi" == client.responses.create(model="gpt-x", input="Hello").output_text
    else:
        answer: Any = client.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": "Hello"}])
        assert "Hi" == answer.choices[0].message.content
    ours, theirs = replay.requests
    assert (theirs.method, theirs.target) == (ours.method, ours.target)
    assert portkeys(theirs.headers) == portkeys(ours.headers)


def portkeys(headers: Mapping[str, str]) -> dict[str, str]:
    """Leave of the headers those that Portkey's gateway reads."""
    return {
        name: value
        for name, value in headers.items()
        if (name == "authorization" or name.startswith("x-portkey-")) and not OF_THE_CLIENT.match(name)
    }


class TestPortkey(LLMConformance):
    """Chat completions through Portkey, in the conformance kit."""

    sdk = "portkey_completions"
    model_id = "@openai/gpt-x"
    capabilities = declared("portkey_completions")
    sdk_imports = ("openai",)
    extra = "portkey"
    secret_extras = ("provider_key",)
    policy = QUICK
    essential_keys = _OpenAIKit.essential_keys

    def plugin(self) -> PipelexPlugin:
        return PortkeyPlugin()

    def vendor(self) -> ChatVendor:
        return ChatVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return InferenceBackend(
            name="kit", endpoint=f"{endpoint}/v1", policy=self.policy, extras={"provider_key": "a-canary-of-the-vendor"}
        )
