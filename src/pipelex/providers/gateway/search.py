"""Searches run by a gateway's ``/search``, in the format of Perplexity's Search API that LiteLLM's proxy shares.

https://docs.litellm.ai/docs/search
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.answer_parts import field_of, word_of
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.inference.sdk_worker import SdkWorker
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.providers.gateway.client import classify, post
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from datetime import date

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.search.search_job import SearchJob


class GatewaySearchWorker(SdkWorker[httpx.AsyncClient], SearchWorkerAbstract):
    """Serves searches by ``POST /search/<tool>``; the model's id is the name of the gateway's search tool.

    The format brings results without an answer in words, so the answer's text is empty.
    """

    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        path = f"search/{quote(self.inference_model.model_id, safe='')}"
        answer = await post(await self._client(), path, self._request(job))
        results = answer.get("results")
        if not isinstance(results, list):
            raise InferenceInvalidAnswerError("The answer holds no list of results")
        sources = tuple(source for result in results if (source := _source(result)) is not None)
        if results and not sources:
            raise InferenceInvalidAnswerError("The answer holds no result with an address")
        return InferenceResult(content=SearchAnswer(text="", sources=sources), usage=InferenceUsage(searches=1))

    def _classify_error(self, error: Exception) -> InferenceError | None:
        return classify(error)

    def _request(self, job: SearchJob) -> dict[str, object]:
        params = job.params
        for name in ("from_date", "to_date"):
            if getattr(params, name) is not None:
                raise InferenceRequestError(f"A gateway's /search takes no '{name}': leave it out")
        if params.include_domains and params.exclude_domains:
            msg = "A gateway's /search takes include_domains or exclude_domains, not both at once"
            raise InferenceRequestError(msg)
        domains = [*params.include_domains, *(f"-{domain}" for domain in params.exclude_domains)]
        optional = {"max_results": params.max_results, "search_domain_filter": domains or None}
        return {"query": job.query, **{name: value for name, value in optional.items() if value is not None}}


def _source(result: object) -> SearchSource | None:
    """Return a result; ``None`` where it has no address."""
    url = word_of(field_of(result, "url"))
    if url is None:
        return None
    return SearchSource(
        url=url,
        title=word_of(field_of(result, "title")),
        snippet=word_of(field_of(result, "snippet")),
        published_on=_day(field_of(result, "date") or field_of(result, "last_updated")),
    )


def _day(value: object) -> date | None:
    """Return the day of a date or time in ISO 8601; ``None`` of anything else."""
    from datetime import date

    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
