"""The toy vendor's wire format, said once per family, and the conformance classes that all toy plugins share."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar

from pipelex.cogt.extract.extract_job import ExtractedImage, ExtractedPage
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.llm.llm_job import LLMAnswer, TextPart
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.search.search_job import SearchAnswer
from pipelex.testing.conversation import ConversationVendor
from pipelex.testing.extract import ExtractConformance
from pipelex.testing.img_gen import ImgGenConformance
from pipelex.testing.llm import LLMConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from pipelex.testing.search import SearchConformance
from tests.testing.toy.plugin import SDK, ToyPlugin
from tests.testing.toy.workers import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.plugins.contract import PipelexPlugin


class LLMVendor(ConversationVendor):
    def reply_with(self, request: HttpRequest, answer: LLMAnswer) -> HttpReply:
        usage = {name: count for name, count in asdict(answer.usage).items() if count} if answer.usage else {}
        if request.target == "/count":
            return HttpReply.json({"tokens": usage["input_tokens"]})
        end = {"finish": answer.finish_reason, "usage": usage, "model": answer.model_served}
        if request.json().get("stream"):
            return HttpReply.json_lines([*self.pieces(answer), end])
        if len(answer.parts) == 1 and said(answer.parts[0]) == said(TextPart(text=answer.text)):
            return HttpReply.json({"text": answer.text, **end})
        return HttpReply.json({"parts": [said(part) for part in answer.parts], **end})

    def pieces(self, answer: LLMAnswer) -> Iterator[dict[str, object]]:
        """Yield the pieces of an answer; what is signed, or cites, comes once more as a whole."""
        for index, part in enumerate(answer.parts):
            data = said(part)
            for kind in ("text", "thought"):
                yield from ({kind: data[kind][at : at + 5]} for at in range(0, len(data.get(kind, "")), 5))
            if data["sig"] or data.get("cites"):
                yield {"whole": data}
            elif "call" in data:
                half = len(data["arguments"]) // 2
                yield {"index": index, "call": data["call"], "id": data["id"], "arguments": data["arguments"][:half]}
                yield {"index": index, "arguments": data["arguments"][half:]}


class ImgGenVendor(LoopbackVendor[tuple[GeneratedImage, ...]]):
    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[GeneratedImage, ...]]) -> HttpReply:
        images = [base64.b64encode(image.data).decode() for image in answer.content]
        return HttpReply.json({"images": images, "finish": answer.finish_reason})


class ExtractVendor(LoopbackVendor[tuple[ExtractedPage, ...]]):
    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[ExtractedPage, ...]]) -> HttpReply:
        def data(image: ExtractedImage | None) -> str | None:
            return base64.b64encode(image.data).decode() if image else None

        pages = [
            {
                "number": page.number,
                "text": page.text,
                "images": [data(image) for image in page.images],
                "view": data(page.view),
                "tables": [table.text for table in page.tables],
            }
            for page in answer.content
        ]
        return HttpReply.json({"pages": pages})


class SearchVendor(LoopbackVendor[SearchAnswer]):
    def reply(self, request: HttpRequest, answer: InferenceResult[SearchAnswer]) -> HttpReply:
        return HttpReply.json(asdict(answer.content))


def toy_backend(endpoint: str | None, *, timeout_s: float = 0.6) -> InferenceBackend:
    return InferenceBackend(name="toy", endpoint=endpoint, extras={"timeout_s": timeout_s})


class ToyLLMConformance(LLMConformance):
    sdk = "toy"
    model_id = "toy-1"
    sdk_imports: ClassVar[tuple[str, ...]] = (SDK,)
    extra = "toy"
    capabilities = frozenset(LLMConformance.family_capabilities)

    def plugin(self) -> PipelexPlugin:
        return ToyPlugin()

    def vendor(self) -> LLMVendor:
        return LLMVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return toy_backend(endpoint)


class ToyImgGenConformance(ImgGenConformance):
    sdk = "toy"
    model_id = "toy-1"
    sdk_imports: ClassVar[tuple[str, ...]] = (SDK,)
    extra = "toy"
    capabilities = frozenset(ImgGenConformance.family_capabilities)

    def plugin(self) -> PipelexPlugin:
        return ToyPlugin()

    def vendor(self) -> ImgGenVendor:
        return ImgGenVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return toy_backend(endpoint)


class ToyExtractConformance(ExtractConformance):
    sdk = "toy"
    model_id = "toy-1"
    sdk_imports: ClassVar[tuple[str, ...]] = (SDK,)
    extra = "toy"
    capabilities = frozenset(ExtractConformance.family_capabilities)

    def plugin(self) -> PipelexPlugin:
        return ToyPlugin()

    def vendor(self) -> ExtractVendor:
        return ExtractVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return toy_backend(endpoint)


class ToySearchConformance(SearchConformance):
    sdk = "toy"
    model_id = "toy-1"
    sdk_imports: ClassVar[tuple[str, ...]] = (SDK,)
    extra = "toy"
    capabilities = frozenset(SearchConformance.family_capabilities)

    def plugin(self) -> PipelexPlugin:
        return ToyPlugin()

    def vendor(self) -> SearchVendor:
        return SearchVendor()

    def backend(self, endpoint: str | None) -> InferenceBackend:
        return toy_backend(endpoint)
