"""A value that no backend could be sent is refused by the base, for every driver; nothing is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.img_gen.img_gen_job import ImgGenJob, ImgGenPrompt
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.cogt.search.search_job import SearchJob
from tests.cogt.workers import ScriptedImgGen, ScriptedLLM, ScriptedSearch

if TYPE_CHECKING:
    from collections.abc import Callable

LONE = "half a pair: \ud83d"


def llm(text: str = "x", *, system_text: str | None = None, params: LLMJobParams | None = None) -> object:
    prompt = LLMPrompt(user_text=text, system_text=system_text)
    job = LLMJob(prompt=prompt, params=params or LLMJobParams())
    return ScriptedLLM().gen_text_sync(job)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: llm(LONE), "user_text holds half of a surrogate pair"),
        (lambda: llm(system_text=LONE), "system_text holds half of a surrogate pair"),
        (lambda: llm(params=LLMJobParams(stop=("end", LONE))), "stop holds a text with half of a surrogate pair"),
        (lambda: llm(params=LLMJobParams(temperature=float("nan"))), "temperature has to be a finite number"),
        (lambda: llm(params=LLMJobParams(temperature=float("-inf"))), "temperature has to be a finite number"),
        (lambda: llm(params=LLMJobParams(max_tokens=0)), "max_tokens has to be at least 1"),
        (lambda: llm(params=LLMJobParams(max_tokens=-5)), "max_tokens has to be at least 1"),
        (lambda: ScriptedImgGen().gen_image_list_sync(ImgGenJob(prompt=ImgGenPrompt(text=LONE))), "text holds half"),
        (lambda: ScriptedImgGen().gen_image_list_sync("x", 0), "count has to be at least 1"),
        (lambda: ScriptedSearch().search_sync(SearchJob(query=LONE)), "query holds half of a surrogate pair"),
    ],
)
def test_a_value_that_cannot_be_sent_is_named_and_nothing_is_sent(call: Callable[[], object], named: str) -> None:
    with pytest.raises(InferenceRequestError) as caught:
        call()
    assert named in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert not caught.value.retryable
    assert "\ud83d" not in str(caught.value)


def test_a_pair_and_zero_as_a_value_are_sent() -> None:
    job = LLMJob(prompt=LLMPrompt(user_text="\U0001f600"), params=LLMJobParams(temperature=0.0, seed=0))
    worker = ScriptedLLM("blue", Capability.TEMPERATURE, Capability.SEED)
    assert "blue" == worker.gen_text_sync(job)
