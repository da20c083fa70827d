"""The gateway's drivers of three families against LiteLLM's proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import InferenceError, InferenceServerError
from pipelex.cogt.extract.extract_job import ExtractJob, ExtractJobParams
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.cogt.search.search_job import SearchJob, SearchJobParams, SearchSource
from pipelex.generated.builtins import GatewayPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing import samples
from tests.providers import replay as scripted
from tests.providers.calls import Caller
from tests.slow.litellm_proxy import KEY

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from tests.slow.litellm_proxy import LitellmProxy

pytestmark = pytest.mark.counterpart(
    "litellm_proxy", "extract:gateway_extract", "llm:gateway_completions", "search:gateway_search"
)

PATIENT = CallPolicy(max_attempts=1, timeout_s=120.0)
ASKED = LLMJob(
    prompt=LLMPrompt(user_text="Repeat: Paris is the capital of France."),
    params=LLMJobParams(temperature=0.0, max_tokens=60),
)
PAGES = {
    "model": "mistral-ocr-latest",
    "pages": [
        {"index": index, "markdown": text, "images": [], "dimensions": {"dpi": 200, "width": 1700, "height": 2200}}
        for index, text in enumerate(("# One", "two"))
    ],
    "usage_info": {"pages_processed": 2, "doc_size_bytes": 1},
}
RESULTS = {"results": [{"title": "Cats", "url": "https://example.org/cats", "snippet": "They sleep."}]}


@dataclass
class City:
    """A structured answer."""

    name: str
    people: int


def caller(proxy: LitellmProxy, family: InferenceFamily, sdk: str, model_id: str, *, key: str = KEY) -> Caller:
    return Caller(
        plugin=GatewayPlugin(),
        family=family,
        sdk=sdk,
        endpoint=proxy.endpoint,
        model_id=model_id,
        api_key=key,
        policy=PATIENT,
    )


def chat(proxy: LitellmProxy, *, key: str = KEY) -> Caller:
    return caller(proxy, InferenceFamily.LLM, "gateway_completions", "chat", key=key)


def test_a_real_model_answers_whole_and_in_pieces(litellm_proxy: LitellmProxy) -> None:
    async def both(worker: LLMWorkerAbstract) -> tuple[str, list[str]]:
        return await worker.gen_text(ASKED), [piece async for piece in worker.stream_text(ASKED)]

    gateway = chat(litellm_proxy)
    text, pieces = gateway.llm(both)
    assert "Paris" in text
    assert text == "".join(pieces)
    assert [True, True] == [record.usage is not None for record in gateway.log.records]


def test_the_schema_reaches_the_model(litellm_proxy: LitellmProxy) -> None:
    job = LLMJob(prompt=LLMPrompt(user_text="Rome has 3 million people."), params=ASKED.params)
    city = chat(litellm_proxy).llm(lambda worker: worker.gen_object(job, City))
    assert isinstance(city.people, int)


def test_the_models_are_listed(litellm_proxy: LitellmProxy) -> None:
    assert {"chat", "reader"} == {row.id for row in chat(litellm_proxy).list_models()}


def test_a_document_is_read(litellm_proxy: LitellmProxy) -> None:
    litellm_proxy.upstream.on("POST /v1/ocr", scripted.answer(PAGES))
    document = MediaSource(data=samples.pdf("kit-000001"), mime_type="application/pdf")
    job = ExtractJob(document=document, params=ExtractJobParams(pages=(2, 1)))
    gateway = caller(litellm_proxy, InferenceFamily.EXTRACT, "gateway_extract", "reader")
    pages = gateway.extract(lambda worker: worker.extract_pages(job))
    assert [(2, "two", 612.0), (1, "# One", 612.0)] == [(page.number, page.text, page.width) for page in pages]
    assert [1, 0] == litellm_proxy.upstream.last.json()["pages"]


def test_a_search_is_run(litellm_proxy: LitellmProxy) -> None:
    litellm_proxy.upstream.on("POST /search", scripted.answer(RESULTS))
    job = SearchJob(query="cats", params=SearchJobParams(max_results=2, include_domains=("example.org",)))
    gateway = caller(litellm_proxy, InferenceFamily.SEARCH, "gateway_search", "web")
    found = gateway.search(lambda worker: worker.search(job))
    assert (SearchSource(url="https://example.org/cats", title="Cats", snippet="They sleep."),) == found.sources
    sent = {"query": "cats", "max_results": 2, "search_domain_filter": ["example.org"]}
    assert sent == litellm_proxy.upstream.last.json()


def test_what_the_proxy_refuses_is_an_error_with_its_words(litellm_proxy: LitellmProxy) -> None:
    nowhere = caller(litellm_proxy, InferenceFamily.SEARCH, "gateway_search", "nope")
    with pytest.raises(InferenceServerError, match="'nope' not found"):
        nowhere.search(lambda worker: worker.search("cats"))
    with pytest.raises(InferenceError) as caught:  # without a database it says 400, not 401
        chat(litellm_proxy, key="wrong-key-4471").llm(lambda worker: worker.gen_text(ASKED))
    assert "wrong-key-4471" not in str(caught.value)
