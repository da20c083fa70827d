"""A built-in plugin whose workers answer from a script, in all four families."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import InferenceConnectionError, InferenceRequestError, ModelListingUnsupportedError
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage, ExtractedTable
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.cogt.llm.llm_job import AnswerDone, LLMAnswer, TextDelta
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pipelex.cogt.extract.extract_job import ExtractJob
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.llm.llm_job import LLMEvent, LLMJob
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.cogt.search.search_job import SearchJob
    from pipelex.plugins.command_call import CommandCall
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol

CONFIGURATION = """\
[defaults]
llm = "fake/talker"
extract = "fake/reader"
search = "fake/seeker"
img_gen = "fake/painter"

[backends.fake]
max_outage_s = 0.2

[backends.fake.llm]
capabilities = ["structured_output", "streaming", "system_text", "images", "temperature", "max_tokens", "seed", "stop"]

[backends.fake.extract]
capabilities = ["pages", "password", "embedded_images", "page_view_dpi", "tables"]

[backends.fake.search]
capabilities = ["structured_output", "max_results", "include_domains", "exclude_domains", "from_date", "to_date"]

[backends.fake.img_gen]
capabilities = ["count", "size", "aspect_ratio", "quality", "output_format", "background", "seed", "negative_text"]

[backends.mute]
[backends.lonely.llm]
sdk = "unheard-of"
[backends.keyed]
api_key = "${FAKE_KEY_THAT_IS_NOT_SET}"
[backends.keyed.llm]
sdk = "fake"
"""


class FakePlugin:
    """Serves the sdk ``fake`` in every family and remembers what it was asked.

    Attributes:
        jobs: The jobs that its workers were given.
        answer: What its language model and its search engine answer where JSON is asked for.
        schemas: The schemas that came with them.
        listing: What its lister returns, or raises, or the text that it prints by itself; or it ``HANGS``.
    """

    name = "fake"
    targets_api = PLUGIN_API_VERSION

    def __init__(self) -> None:
        self.jobs: list[LLMJob | ExtractJob | SearchJob | ImgGenJob] = []
        self.answer: object = {"name": "Bob"}
        self.schemas: list[dict[str, object]] = []
        self.listing: Sequence[ListedModel] | BaseException | str = (
            ListedModel(id="talker", created=datetime(2026, 1, 2, tzinfo=UTC), owner="us", context_window=10),
            ListedModel(id="b"),
        )

    def register(self, registrar: PluginRegistrar) -> None:
        for family in InferenceFamily:
            registrar.add_inference_backend(family=family, sdk="fake", make_worker=self.make_worker)
        registrar.add_model_lister(sdk="fake", lister=self.list_models)
        registrar.add_command(name="fake-run", help="Echo the arguments.", run=run)

    def make_worker(
        self,
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        kinds: dict[InferenceFamily, type[LLM | Extract | Search | ImgGen]] = {
            InferenceFamily.LLM: LLM,
            InferenceFamily.EXTRACT: Extract,
            InferenceFamily.SEARCH: Search,
            InferenceFamily.IMG_GEN: ImgGen,
        }
        worker = kinds[inference_model.family](inference_model=inference_model, reporting_delegate=reporting_delegate)
        worker.plugin = self
        return worker

    async def list_models(
        self, *, sdk: str, backend_name: str, backend: InferenceBackend, flat: bool, any_listed: bool
    ) -> Sequence[ListedModel] | None:
        if isinstance(self.listing, BaseException):
            raise self.listing
        if self.listing is HANGS:
            await asyncio.Event().wait()
        if isinstance(self.listing, str):
            print(self.listing)
            return None
        return self.listing


def run(call: CommandCall) -> int:
    print(json.dumps(list(call.arguments)))
    if call.arguments[:1] == ("--backend",):
        print(json.dumps([call.program, call.backends[call.arguments[1]].endpoint]))
    return 7


HANGS = "a lister that never returns"
UNSUPPORTED = ModelListingUnsupportedError(sdk="fake")


class LLM(LLMWorkerAbstract):
    plugin: FakePlugin

    async def _gen_text(self, job: LLMJob) -> InferenceResult[str]:
        self.plugin.jobs.append(job)
        if job.prompt.user_text == "fail":
            raise InferenceRequestError("The request\nis wrong", provider="fake", status_code=400)
        if job.prompt.user_text == "unreachable":
            raise InferenceConnectionError("Connection refused")
        if job.prompt.user_text == "interrupt":
            raise KeyboardInterrupt
        return InferenceResult(
            content=f"echo: {job.prompt.user_text}", usage=InferenceUsage(input_tokens=1, output_tokens=2)
        )

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        if job.params.structured_output is not None:
            self.plugin.jobs.append(job)
            self.plugin.schemas.append(dict(job.params.structured_output))
            return LLMAnswer(text=json.dumps(self.plugin.answer))
        result = await self._gen_text(job)
        return LLMAnswer(text=result.content, usage=result.usage)

    async def _stream(self, job: LLMJob) -> AsyncIterator[LLMEvent]:
        for word in ("one ", "two"):
            yield TextDelta(text=word)
        yield AnswerDone(answer=LLMAnswer(usage=InferenceUsage(output_tokens=2)))


class Extract(ExtractWorkerAbstract):
    plugin: FakePlugin

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        raise AssertionError("the command streams pages")

    async def _stream_pages(self, job: ExtractJob) -> AsyncIterator[ExtractedPage]:
        self.plugin.jobs.append(job)
        text = job.document.read().decode()
        for number, part in enumerate(text.split("|"), start=1):
            if part == "bad":
                raise InferenceRequestError("The document is damaged", provider="fake")
            if part == "unreadable":
                error = InferenceRequestError(f"Page {number} cannot be read")
                yield ExtractedPage(number=number, text="", error=error)
                continue
            box = BoundingBox(left=1, top=2, right=3, bottom=4)
            image = ExtractedImage(data=b"PNG", mime_type="image/png", box=box)
            yield ExtractedPage(
                number=number,
                text=part,
                images=(image,) if job.params.embedded_images else (),
                view=image if job.params.page_view_dpi else None,
                tables=(ExtractedTable.of_markdown("| a |\n|---|\n| 1 |", box=box),) if job.params.tables else (),
                page_count=None if part.startswith("stream") else text.count("|") + 1,
            )


class Search(SearchWorkerAbstract):
    plugin: FakePlugin

    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        self.plugin.jobs.append(job)
        sources = (
            SearchSource(url="https://a.test", title="A", snippet="two\nlines", published_on=date(2026, 1, 2)),
            SearchSource(url="https://b.test"),
        )
        return InferenceResult(content=SearchAnswer(text="Because.", sources=sources))

    async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        self.plugin.schemas.append(json_schema)
        return InferenceResult(content=json.dumps(self.plugin.answer))


class ImgGen(ImgGenWorkerAbstract):
    plugin: FakePlugin

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        self.plugin.jobs.append(job)
        image = GeneratedImage(data=b"PNG", mime_type="image/png", width=2, height=1)
        return InferenceResult(content=(image,) * job.count)
