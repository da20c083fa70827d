"""A plugin whose workers count their calls in a file, as a server would: the counts outlive the process."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import (
    InferenceAmbiguousError,
    InferenceError,
    InferenceRateLimitError,
    InferenceRequestError,
)
from pipelex.cogt.extract.extract_job import ExtractedImage, ExtractedPage
from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.img_gen.img_gen_worker_abstract import ImgGenWorkerAbstract
from pipelex.cogt.inference.inference_result import FinishReason, InferenceResult
from pipelex.cogt.llm.llm_job import LLMAnswer
from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
from pipelex.cogt.search.search_job import SearchAnswer, SearchSource
from pipelex.cogt.search.search_worker_abstract import SearchWorkerAbstract
from pipelex.plugins.contract import PLUGIN_API_VERSION
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.extract.extract_job import ExtractJob
    from pipelex.cogt.img_gen.img_gen_job import ImgGenJob
    from pipelex.cogt.inference.inference_worker_abstract import InferenceWorkerAbstract
    from pipelex.cogt.llm.llm_job import LLMJob
    from pipelex.cogt.model_backends.backend import InferenceBackend
    from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
    from pipelex.cogt.search.search_job import SearchJob
    from pipelex.plugins.registrar import PluginRegistrar
    from pipelex.plugins.sdk_client_registry import SdkClientRegistry
    from pipelex.reporting.reporting_protocol import ReportingProtocol

CONFIGURATION = """\
[backends.counting]
[backends.counting.llm]
capabilities = ["structured_output", "system_text", "images", "documents", "temperature", "max_tokens", "seed", "stop"]
[backends.counting.img_gen]
capabilities = ["count", "seed", "quality", "negative_text"]
[backends.counting.extract]
capabilities = ["pages", "embedded_images"]
[backends.counting.search]
capabilities = ["structured_output", "max_results", "include_domains"]
"""
MODEL = "counting/m"
NOT_COUNTED = Path("-")


class CountingPlugin:
    """Serves the sdk ``counting``.

    Attributes:
        calls: The file in which the calls are counted, a line each.
        latency_s: How long an answer takes, in seconds.
    """

    name = "counting"
    targets_api = PLUGIN_API_VERSION

    def __init__(self, calls: Path, latency_s: float = 0.0) -> None:
        self.calls = calls
        self.latency_s = latency_s
        self.running = self.most_running = 0
        self.refusals_left = 0

    def register(self, registrar: PluginRegistrar) -> None:
        for family in InferenceFamily:
            registrar.add_inference_backend(family=family, sdk="counting", make_worker=self.make_worker)

    def make_worker(
        self,
        *,
        inference_model: InferenceModelSpec,
        backend: InferenceBackend,
        sdk_clients: SdkClientRegistry,
        reporting_delegate: ReportingProtocol | None,
    ) -> InferenceWorkerAbstract:
        kind = _WORKERS[inference_model.family]
        worker = kind(inference_model=inference_model, reporting_delegate=reporting_delegate)
        worker.plugin = self
        return worker

    def count(self, text: str) -> None:
        if self.calls == NOT_COUNTED:
            return
        descriptor = os.open(self.calls, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, text.encode() + b"\n")
        os.close(descriptor)

    def counted(self) -> Counter[str]:
        return Counter(self.calls.read_text(encoding="utf-8").split("\n")[:-1] if self.calls.exists() else ())

    async def answer(self, text: str) -> str:
        """Answer, fail, or die, as the text asks."""
        if self.refusals_left:
            self.refusals_left -= 1
            raise InferenceRateLimitError("slow down", retry_after=0.0)
        self.count(text)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if "locked" in text:
                await asyncio.to_thread(_hold_lock)
            await asyncio.sleep(self.latency_s)
        finally:
            self.running -= 1
        if "die" in text:
            os._exit(9)
        if "fail" in text:
            raise InferenceRequestError("The request is wrong", status_code=400)
        if "unknown end" in text:
            raise InferenceAmbiguousError("No answer came")
        return f"echo: {text}"


_lock = threading.Lock()


def _hold_lock() -> None:
    """Hold a lock on a thread, as an SDK does that asks the system what it runs on."""
    with _lock:
        time.sleep(0.01)


class CountingLLM(LLMWorkerAbstract):
    plugin: CountingPlugin

    async def _generate(self, job: LLMJob) -> LLMAnswer:
        text = await self.plugin.answer(job.prompt.user_text)
        if "cut" in text:
            return LLMAnswer(text=text, finish_reason=FinishReason.LENGTH)
        if job.params.structured_output is not None:
            text = json.dumps({"text": text, "length": len(text)})
            return LLMAnswer(text=text)
        return LLMAnswer(text=text, usage=InferenceUsage(input_tokens=3, output_tokens=2))


class CountingImgGen(ImgGenWorkerAbstract):
    plugin: CountingPlugin

    async def _gen_image_list(self, job: ImgGenJob) -> InferenceResult[tuple[GeneratedImage, ...]]:
        await self.plugin.answer(job.prompt.text)
        return InferenceResult(content=(GeneratedImage(data=b"\x89PNG\xff", mime_type="image/png"),) * job.count)


class CountingExtract(ExtractWorkerAbstract):
    plugin: CountingPlugin

    async def _extract_pages(self, job: ExtractJob) -> InferenceResult[tuple[ExtractedPage, ...]]:
        text = await self.plugin.answer(job.document.read().decode())
        image = ExtractedImage(data=b"GIF89a", mime_type="image/gif")
        first = ExtractedPage(number=1, text=text, images=(image,) if job.params.embedded_images else ())
        return InferenceResult(
            content=(first, ExtractedPage(number=2, text="", error=InferenceError("The page is damaged")))
        )


class CountingSearch(SearchWorkerAbstract):
    plugin: CountingPlugin

    async def _search(self, job: SearchJob) -> InferenceResult[SearchAnswer]:
        text = await self.plugin.answer(job.query)
        source = SearchSource(url="https://example.org", published_on=date(2026, 1, 2))
        return InferenceResult(content=SearchAnswer(text=text, sources=(source,) * (job.params.max_results or 1)))

    async def _search_structured(self, job: SearchJob, json_schema: dict[str, object]) -> InferenceResult[str]:
        text = await self.plugin.answer(job.query)
        return InferenceResult(content=json.dumps({"text": text, "length": len(text)}))


_WORKERS: dict[InferenceFamily, Callable[..., CountingLLM | CountingImgGen | CountingExtract | CountingSearch]] = {
    InferenceFamily.LLM: CountingLLM,
    InferenceFamily.IMG_GEN: CountingImgGen,
    InferenceFamily.EXTRACT: CountingExtract,
    InferenceFamily.SEARCH: CountingSearch,
}


def install(plugin: CountingPlugin) -> None:
    """Make the plugin the only built-in one of this process."""
    from pipelex.generated import builtins
    from pipelex.plugins import discovery

    vars(builtins)["BUILTIN_PLUGINS"] = (plugin,)
    vars(discovery)["installed_plugins"] = list  # no entry points
