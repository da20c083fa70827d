"""Searches run by a gateway's ``/search``, in the format of Perplexity's Search API that LiteLLM's proxy shares.

https://docs.litellm.ai/docs/search
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.providers.gateway.client import classify, post
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    import httpx

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.cogt.search.search_job import SearchJob
    from pipelex.plugins.sdk_client_registry import PerLoopClient
    from pipelex.reporting.reporting_protocol import ReportingProtocol


class GatewaySearchWorker(SearchWorkerAbstract):
    """Serves searches by ``POST /search/<tool>``; the model's id is the name of the gateway's search tool.

    The format brings results without an answer in words, so the answer's text is empty.

    Args:
        sdk_instance: The backend's HTTP clients.
        inference_model: The model that this worker serves.
        reporting_delegate: Where usage and time are reported, if anywhere.
    """

    def __init__(
        self,
        *,
        sdk_instance: PerLoopClient[httpx.AsyncClient],
        inference_model: InferenceModelSpec,
        reporting_delegate: ReportingProtocol | None,
    ) -> None:
        super().__init__(inference_model=inference_model, reporting_delegate=reporting_delegate)
        self._clients = sdk_instance

    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        answer = await post(
            self._clients, f"search/{quote(self.inference_model.model_id, safe='')}", self._request(job)
        )
        results = answer.get("results")
        if not isinstance(results, list):
            self._fail(InferenceInvalidAnswerError, "The answer holds no list of results")
        sources = tuple(self._source(result) for result in results)
        return InferenceResult(content=SearchAnswer(text="", sources=sources), usage=InferenceUsage(searches=1))

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error, provider=self.inference_model.backend_name, model=self.inference_model.name)

    def _request(self, job: SearchJob) -> dict[str, object]:
        params = job.params
        for name in ("from_date", "to_date"):
            if getattr(params, name) is not None:
                self._fail(InferenceRequestError, f"A gateway's /search takes no '{name}': leave it out")
        if params.include_domains and params.exclude_domains:
            msg = "A gateway's /search takes include_domains or exclude_domains, not both at once"
            self._fail(InferenceRequestError, msg)
        domains = [*params.include_domains, *(f"-{domain}" for domain in params.exclude_domains)]
        optional = {"max_results": params.max_results, "search_domain_filter": domains or None}
        return {"query": job.query, **{name: value for name, value in optional.items() if value is not None}}

    def _source(self, result: object) -> SearchSource:
        if not isinstance(result, dict) or not isinstance(result.get("url"), str):
            self._fail(InferenceInvalidAnswerError, "The answer holds a result without an address")
        return SearchSource(url=result["url"], title=result.get("title") or None, snippet=result.get("snippet") or None)

    def _fail(self, kind: type[InferenceError], message: str) -> NoReturn:
        raise kind(message, provider=self.inference_model.backend_name, model=self.inference_model.name)
