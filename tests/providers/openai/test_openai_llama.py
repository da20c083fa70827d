"""A real model behind a server that others wrote: llama.cpp's, which speaks chat completions."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pytest

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceTruncatedError,
)
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import GatewayPlugin, OpenaiPlugin, OpenrouterPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers.calls import Caller

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.plugins.contract import PipelexPlugin
    from tests.providers.llama_server import LlamaServer

pytestmark = pytest.mark.counterpart("llama_server", "llm:gateway_completions", "llm:openai", "llm:openrouter")

PATIENT = CallPolicy(max_attempts=1, timeout_s=120.0)
SURE = LLMJobParams(temperature=0.0, max_tokens=24, seed=1)


@dataclass
class Verdict:
    """A structured answer."""

    verdict: Literal["good", "bad"]
    stars: int


def caller(
    server: LlamaServer, plugin: PipelexPlugin | None = None, sdk: str = "openai", *, key: str | None = None
) -> Caller:
    return Caller(
        plugin=plugin or OpenaiPlugin(),
        family=InferenceFamily.LLM,
        sdk=sdk,
        endpoint=f"{server.url}/v1",
        api_key=key or server.api_key,
        model_id=server.model_id,
        policy=PATIENT,
    )


def job(text: str, params: LLMJobParams = SURE) -> LLMJob:
    return LLMJob(prompt=LLMPrompt(user_text=text), params=params)


@pytest.mark.parametrize(
    ("plugin", "sdk"),
    [(OpenaiPlugin(), "openai"), (OpenrouterPlugin(), "openrouter"), (GatewayPlugin(), "gateway_completions")],
    ids=["openai", "openrouter", "gateway"],
)
def test_a_real_model_answers_and_is_counted(llama_server: LlamaServer, plugin: PipelexPlugin, sdk: str) -> None:
    chat = caller(llama_server, plugin, sdk)
    answer = chat.llm(lambda worker: worker.gen_text(job("Repeat: Paris is the capital of France.")))
    assert "Paris" in answer
    usage = chat.log.records[0].usage
    assert usage is not None
    assert usage.input_tokens
    assert usage.output_tokens
    assert llama_server.model_id == chat.log.records[0].model_served


def test_a_real_model_is_held_to_the_schema(llama_server: LlamaServer) -> None:
    asked = job("The food was wonderful. Rate it.", LLMJobParams(temperature=0.0, max_tokens=60))
    verdict = caller(llama_server).llm(lambda worker: worker.gen_object(asked, Verdict))
    assert verdict.verdict in {"good", "bad"}


def test_a_stream_of_a_real_model_is_the_same_text_in_pieces(llama_server: LlamaServer) -> None:
    chat = caller(llama_server)
    asked = job("Repeat: one two three four five.")

    async def both(worker: LLMWorkerAbstract) -> tuple[str, list[str]]:
        # The stream comes last: behind one the server hangs up unannounced, at times after the next request was sent.
        return await worker.gen_text(asked), [piece async for piece in worker.stream_text(asked)]

    whole, pieces = chat.llm(both)
    assert len(pieces) > 1
    assert whole == "".join(pieces)
    assert chat.log.records[1].usage is not None


def test_a_stream_of_a_real_model_can_be_left(llama_server: LlamaServer) -> None:
    async def leave(worker: LLMWorkerAbstract) -> str:
        async with aclosing(worker.stream_text(job("Tell a long story."))) as stream:
            await anext(stream)
        return await worker.gen_text(job("Repeat: Paris is the capital of France."))

    assert caller(llama_server).llm(leave)


def test_an_answer_cut_off_at_the_limit_is_an_error(llama_server: LlamaServer) -> None:
    short = job("Tell a long story about a dragon.", LLMJobParams(max_tokens=3, temperature=0.0))
    with pytest.raises(InferenceTruncatedError):
        caller(llama_server).llm(lambda worker: worker.gen_text(short))


def test_a_wrong_key_is_refused_by_the_server(llama_server: LlamaServer) -> None:
    with pytest.raises(InferenceAuthenticationError) as caught:
        caller(llama_server, key="wrong-key-991").llm(lambda worker: worker.gen_text(job("Hi")))
    assert "wrong-key-991" not in str(caught.value)


def test_a_prompt_beyond_the_context_is_a_matter_of_capacity(llama_server: LlamaServer) -> None:
    with pytest.raises(InferenceCapacityError):
        caller(llama_server).llm(lambda worker: worker.gen_text(job("word " * 9000)))


def test_the_model_is_listed(llama_server: LlamaServer) -> None:
    assert [llama_server.model_id] == [row.id for row in caller(llama_server).list_models()]
