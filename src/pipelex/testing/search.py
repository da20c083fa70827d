"""What a search plugin has to do: derive a test class from ``SearchConformance``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, ClassVar

from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.cogt.search.search_job import SearchAnswer, SearchJob, SearchJobParams, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.generated.families import SEARCH
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing.checks import check, require
from pipelex.testing.conformance import Conformance, new_token

if TYPE_CHECKING:
    from pipelex.testing.stage import Stage


@dataclass
class StructuredFinding:
    """What a structured search asks for."""

    word: str
    number: int


class SearchConformance(Conformance[SearchWorkerAbstract, SearchAnswer]):
    """The checks of the search family.

    The vendor's orders are ``InferenceResult[SearchAnswer]``: the answer and its sources. Where the request asks for
    a structured answer, the answer's ``text`` is the JSON to send.
    """

    token = SEARCH
    operation = "search"
    usage_fields: ClassVar[frozenset[str]] = frozenset({"searches"})
    called_capabilities = (Capability.STRUCTURED_OUTPUT,)

    @check(since="1.0")
    def test_a_structured_answer_is_of_the_type_asked_for(self) -> None:
        """``search_structured`` returns exactly the type asked for, and the vendor is sent its schema."""
        self._skip_undeclared(Capability.STRUCTURED_OUTPUT)

        async def scene(stage: Stage[SearchWorkerAbstract, SearchAnswer]) -> None:
            token = new_token()
            answer = await self._make(stage).search_structured(self.prompt(token), StructuredFinding)
            require(type(answer) is StructuredFinding, f"search_structured returned {answer!r}.")
            if stage.vendor.takes_orders:
                require(answer == StructuredFinding(word=token, number=3), f"search_structured returned {answer!r}.")
                sent = b"".join(stage.vendor.requests)
                require(b"number" in sent, "The schema was not sent: its property 'number' is in no request.")

        self._play(scene, capability=Capability.STRUCTURED_OUTPUT)

    @check(since="1.0")
    def test_an_odd_answer_costs_no_content(self) -> None:
        """A key of an answer that is null, missing or of another type costs nothing else of the answer."""
        self._meet_odd_answers()

    def _answer(self, token: str, capability: Capability | None) -> InferenceResult[SearchAnswer]:
        text = f"You searched for {token}."
        if capability is Capability.STRUCTURED_OUTPUT:
            text = f'{{"word": "{token}", "number": 3}}'
        sources = (
            SearchSource(url="https://example.org/first", title="First", snippet=f"About {token}"),
            SearchSource(url="https://example.org/second", title="Second", snippet="Less about it"),
        )
        answer = SearchAnswer(text=text, sources=sources)
        return InferenceResult(content=answer, usage=InferenceUsage(searches=1), model_served=self.model_id)

    async def _call(self, worker: SearchWorkerAbstract, token: str, capability: Capability | None) -> object:
        if capability is Capability.STRUCTURED_OUTPUT:
            return await worker.search_structured(self.prompt(token), StructuredFinding)
        return await worker.search(self._job(token, capability))

    def _call_sync(self, worker: SearchWorkerAbstract, token: str) -> object:
        return worker.search_sync(self._job(token, None))

    def _tokens_in(self, content: object) -> str:
        return repr(content)

    def _texts_in(self, content: object) -> str:
        if not isinstance(content, SearchAnswer):
            return repr(content)
        return "\n".join((content.text, *(source.url for source in content.sources)))

    def _check_content(self, content: object, expected: InferenceResult[SearchAnswer] | None) -> None:
        require(isinstance(content, SearchAnswer), f"search returned {content!r}, not a SearchAnswer.")
        if expected is not None and isinstance(content, SearchAnswer):
            got = (content.text, [source.url for source in content.sources])
            wanted = (expected.content.text, [source.url for source in expected.content.sources])
            require(got in (wanted, ("", wanted[1])), f"search returned {got}; the vendor sent {wanted}.")

    def _check_honoured(self, content: object, capability: Capability) -> None:
        require(isinstance(content, SearchAnswer), f"With '{capability}', search returned {content!r}.")

    def _job(self, token: str, capability: Capability | None) -> SearchJob:
        """Return a job that needs one capability and nothing else."""
        params = {
            Capability.MAX_RESULTS: SearchJobParams(max_results=2),
            Capability.INCLUDE_DOMAINS: SearchJobParams(include_domains=("example.org",)),
            Capability.EXCLUDE_DOMAINS: SearchJobParams(exclude_domains=("example.com",)),
            Capability.FROM_DATE: SearchJobParams(from_date=date(2026, 1, 2)),
            Capability.TO_DATE: SearchJobParams(to_date=date(2026, 3, 4)),
        }
        chosen = params[capability] if capability is not None else SearchJobParams()
        return SearchJob(query=self.prompt(token), params=chosen)
