"""Web search by Linkup."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Any, cast

from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.providers.linkup.client import LinkupStatusError, PooledLinkupClient
from pipelex.providers.linkup.errors import classify
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from typing import Literal

    from pipelex.cogt.exceptions import InferenceError
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
        sources = (
            SearchSource(url=source.url, title=source.name or None, snippet=source.snippet or None)
            for source in found.sources
        )
        return SearchAnswer(text=found.answer, sources=tuple(sources))

    async def _plain_results(self, job: SearchJob) -> SearchAnswer:
        found = await (await self._client()).async_search(
            job.query,
            depth=self._depth,
            output_type="searchResults",
            timeout=self.inference_model.policy.timeout_s,
            **_filters(job),
        )
        sources = (
            SearchSource(url=source.url, title=source.name or None, snippet=getattr(source, "content", None) or None)
            for source in found.results  # an image among them has no content
        )
        return SearchAnswer(text="", sources=tuple(sources))

    def _result(self, answer: SearchAnswer) -> InferenceResult[SearchAnswer]:
        return InferenceResult(
            content=answer, usage=InferenceUsage(searches=1), model_served=self.inference_model.model_id
        )


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
