"""Web search by Linkup."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Any, cast

from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.inference.answer_parts import field_of, items_of, word_of
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.providers.linkup.client import LinkupStatusError, PooledLinkupClient
from pipelex.providers.linkup.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from typing import Literal

    from pipelex.cogt.search.search_job import SearchJob

    Depth = Literal["flash", "fast", "standard", "deep"]


class LinkupSearchWorker(SdkWorker[PooledLinkupClient], SearchWorkerAbstract):
    """Serves web search by Linkup. The model's id is the depth: ``"flash"``, ``"fast"``, ``"standard"``, ``"deep"``.

    With the model's extra ``output = "results"`` the answer is the plain results, without a text over them.
    """

    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        ask = self._plain_results if self.inference_model.extras.get("output") == "results" else self._sourced_answer
        try:
            return self._result(await ask(job))
        except LinkupStatusError as error:
            if "SEARCH_QUERY_NO_RESULT" not in error.response.text:
                raise
            return self._result(SearchAnswer(text=""))

    async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        found = await (await self._client()).async_search(
            job.query,
            depth=self._depth,
            output_type="structured",
            structured_output_schema=json_schema,
            timeout=self.inference_model.policy.timeout_s,
            **_filters(job),
        )
        return InferenceResult(
            content=dumps(found), usage=InferenceUsage(searches=1), model_served=self.inference_model.model_id
        )

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    @property
    def _depth(self) -> Depth:
        return cast("Depth", self.inference_model.model_id)  # Linkup itself refuses a word that it does not know

    async def _sourced_answer(self, job: SearchJob) -> SearchAnswer:
        found = await (await self._client()).async_search(
            job.query,
            depth=self._depth,
            output_type="sourcedAnswer",
            timeout=self.inference_model.policy.timeout_s,
            **_filters(job),
        )
        answer = word_of(field_of(found, "answer"))
        if answer is None:
            raise InferenceError.from_answer(found, expected="an answer with its sources")
        return SearchAnswer(text=answer, sources=_sources(field_of(found, "sources"), snippet="snippet"))

    async def _plain_results(self, job: SearchJob) -> SearchAnswer:
        found = await (await self._client()).async_search(
            job.query,
            depth=self._depth,
            output_type="searchResults",
            timeout=self.inference_model.policy.timeout_s,
            **_filters(job),
        )
        results = field_of(found, "results")
        if not isinstance(results, list):
            raise InferenceError.from_answer(found, expected="a list of results")
        return SearchAnswer(text="", sources=_sources(results, snippet="content"))  # an image has no content

    def _result(self, answer: SearchAnswer) -> InferenceResult[SearchAnswer]:
        return InferenceResult(
            content=answer, usage=InferenceUsage(searches=1), model_served=self.inference_model.model_id
        )


def _sources(found: object, *, snippet: str) -> tuple[SearchSource, ...]:
    """Return the sources that have an address."""
    sources = (
        (word_of(field_of(one, "url")), word_of(field_of(one, "name")), word_of(field_of(one, snippet)))
        for one in items_of(found)
    )
    return tuple(SearchSource(url=url, title=title, snippet=text) for url, title, text in sources if url is not None)


def _filters(job: SearchJob) -> dict[str, Any]:
    """Say where and how far to search; what the job does not set is left to Linkup."""
    params = job.params
    return {
        "max_results": params.max_results,
        "include_domains": list(params.include_domains) or None,
        "exclude_domains": list(params.exclude_domains) or None,
        "from_date": params.from_date,
        "to_date": params.to_date,
    }
