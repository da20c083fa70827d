"""Anthropic's, Mistral's and Bedrock's drivers against a mock that others wrote: aimock."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pipelex.cogt.exceptions import InferenceRateLimitError
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMPrompt
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import BUILTIN_PLUGINS
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.providers.calls import Caller
from tests.providers.running import collect
from tests.servers.aimock import OBJECT, PNG, Aimock

pytestmark = pytest.mark.counterpart(
    "aimock", "llm:anthropic", "llm:bedrock_aioboto", "llm:bedrock_anthropic", "llm:bedrock_boto3", "llm:mistral"
)

PLUGINS = {plugin.name: plugin for plugin in BUILTIN_PLUGINS}
REGION = {"region": "eu-west-1"}
CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite"
ROWS = pytest.mark.parametrize(
    ("plugin", "sdk", "model_id", "target"),
    [
        pytest.param("anthropic", "anthropic", "claude-haiku-4-5", "/v1/messages", id="anthropic"),
        pytest.param("anthropic", "bedrock_anthropic", CLAUDE, f"/model/{CLAUDE}/invoke", id="bedrock_anthropic"),
        pytest.param("bedrock", "bedrock_boto3", NOVA, f"/model/{NOVA}/converse", id="bedrock_boto3"),
        pytest.param("bedrock", "bedrock_aioboto", NOVA, f"/model/{NOVA}/converse", id="bedrock_aioboto"),
        pytest.param("mistral", "mistral", "mistral-small-latest", "/v1/chat/completions", id="mistral"),
    ],
)


@dataclass
class City:
    """A structured answer."""

    name: str
    people: int


def caller_of(aimock: Aimock, plugin: str, sdk: str, model_id: str) -> Caller:
    return Caller(
        plugin=PLUGINS[plugin],
        family=InferenceFamily.LLM,
        sdk=sdk,
        model_id=model_id,
        endpoint=aimock.url,
        extras=REGION,
        policy=CallPolicy(max_attempts=1, timeout_s=60.0),
    )


@ROWS
def test_aimock_answers(aimock: Aimock, plugin: str, sdk: str, model_id: str, target: str) -> None:
    caller = caller_of(aimock, plugin, sdk, model_id)
    assert "Hello from the mock." == caller.llm(lambda worker: worker.gen_text("hello"))
    assert target == str(aimock.journal()[-1]["path"]).partition("?")[0]
    if "bedrock" not in sdk:  # aimock's AWS streams are not AWS's: its frames lack what both AWS SDKs ask for
        assert "Hello from the mock." == "".join(caller.llm(lambda worker: collect(worker.stream_text("hello"))))
    with pytest.raises(InferenceRateLimitError):
        caller.llm(lambda worker: worker.gen_text("too fast"))


@ROWS
def test_aimock_answers_with_json(aimock: Aimock, plugin: str, sdk: str, model_id: str, target: str) -> None:
    caller = caller_of(aimock, plugin, sdk, model_id)
    # aimock knows a schema by OpenAI's name alone
    question = "city" if sdk == "mistral" else "city by responses"
    assert City(**OBJECT) == caller.llm(lambda worker: worker.gen_object(question, City))  # type: ignore[arg-type]  # JSON


@ROWS
def test_aimock_takes_an_image(aimock: Aimock, plugin: str, sdk: str, model_id: str, target: str) -> None:
    caller = caller_of(aimock, plugin, sdk, model_id)
    prompt = LLMPrompt(user_text="hello", images=(MediaSource(data=PNG, mime_type="image/png"),))
    assert "Hello from the mock." == caller.llm(lambda worker: worker.gen_text(LLMJob(prompt=prompt)))


def test_aimock_takes_a_pdf_document_for_claude(aimock: Aimock) -> None:
    caller = caller_of(aimock, "anthropic", "anthropic", "claude-haiku-4-5")
    paper = MediaSource(data=samples.pdf("kit-000001"), mime_type="application/pdf")
    prompt = LLMPrompt(user_text="hello", documents=(paper,))
    assert "Hello from the mock." == caller.llm(lambda worker: worker.gen_text(LLMJob(prompt=prompt)))
