"""A gateway's documents and searches, as LiteLLM's proxy serves them; its language and images are OpenAI's.

The answers are written after https://docs.litellm.ai/docs/ocr and https://docs.litellm.ai/docs/search; nothing was
recorded.
"""

from __future__ import annotations

import base64
from datetime import date
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import (
    InferenceInvalidAnswerError,
    InferenceRequestError,
    InferenceServerError,
)
from pipelex.cogt.extract.extract_job import BoundingBox, ExtractedImage, ExtractedPage, ExtractJob, ExtractJobParams
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.cogt.search.search_job import SearchAnswer, SearchJob, SearchJobParams, SearchSource
from pipelex.generated.builtins import GatewayPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.gateway.client import make_client
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.testing import samples
from pipelex.testing.extract import ExtractConformance
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from pipelex.testing.search import SearchConformance
from tests.providers import replay as scripted
from tests.providers.calls import KEY, Caller
from tests.providers.openai import wire
from tests.providers.openai.test_openai_kit import QUICK
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelex.cogt.exceptions import InferenceError
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.plugins.contract import PipelexPlugin

pytest_plugins = ["pipelex.testing"]

pytestmark = [
    pytest.mark.counterpart("litellm_docs", "extract:gateway_extract", "search:gateway_search"),
    pytest.mark.counterpart("openai_docs", "img_gen:gateway_img_gen"),
]

OCR, SEARCH = "POST /v1/ocr", "POST /v1/search/web"
PDF, PNG = samples.pdf("kit-000001"), samples.png("kit-000001")
PDF_URL = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
PICTURE = {
    "id": "img-0.png",
    "top_left_x": 100,
    "top_left_y": 200,
    "bottom_right_x": 300,
    "bottom_right_y": 400,
    "image_base64": f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
    "image_annotation": "A dot",
}


def ocr(
    texts: Sequence[tuple[int, str]],
    images: Sequence[Mapping[str, object]] = (),
    tables: Sequence[Mapping[str, object]] | None = None,
) -> dict[str, object]:
    """Return what ``/ocr`` answers: pages counted from 0, lengths in pixels."""
    pages = [
        {
            "index": index,
            "markdown": text,
            "images": list(images),
            "dimensions": {"dpi": 200, "width": 1700, "height": 2200},
            **({"tables": list(tables)} if tables is not None else {}),
        }
        for index, text in texts
    ]
    usage = {"pages_processed": len(pages), "doc_size_bytes": 1}
    return {"object": "ocr", "model": "mistral-ocr-x", "pages": pages, "usage_info": usage}


def results(*rows: Mapping[str, object]) -> dict[str, object]:
    """Return what ``/search`` answers."""
    return {"object": "search", "results": list(rows)}


def documents(url: str) -> Caller:
    return Caller(
        plugin=GatewayPlugin(),
        family=InferenceFamily.EXTRACT,
        sdk="gateway_extract",
        endpoint=f"{url}/v1",
        model_id="ocr",
    )


def web(url: str) -> Caller:
    return Caller(
        plugin=GatewayPlugin(),
        family=InferenceFamily.SEARCH,
        sdk="gateway_search",
        endpoint=f"{url}/v1",
        model_id="web",
    )


def pages_of(caller: Caller, **params: object) -> list[ExtractedPage]:
    job = ExtractJob(document=MediaSource(data=PDF), params=ExtractJobParams(**params))  # type: ignore[arg-type]  # by name
    return caller.extract(lambda worker: worker.extract_pages(job))


def answer_of(caller: Caller, **params: object) -> SearchAnswer:
    job = SearchJob(query="cats", params=SearchJobParams(**params))  # type: ignore[arg-type]  # by name
    return caller.search(lambda worker: worker.search(job))


# Documents.


def test_pages_come_with_their_text_and_size_in_points(replay: Replay) -> None:
    replay.on(OCR, scripted.answer(ocr([(0, "# One\r\n"), (1, "two")])))
    gateway = documents(replay.url)
    expected = [
        ExtractedPage(number=1, text="# One\n", width=612.0, height=792.0),
        ExtractedPage(number=2, text="two", width=612.0, height=792.0),
    ]
    assert expected == pages_of(gateway)
    document = {"type": "document_url", "document_url": PDF_URL}
    assert {"model": "ocr", "document": document, "include_image_base64": False} == replay.last.json()
    assert f"Bearer {KEY}" == replay.last.headers["authorization"]
    assert InferenceUsage(pages=2) == gateway.log.records[0].usage
    assert "mistral-ocr-x" == gateway.log.records[0].model_served


def test_images_come_with_box_and_caption(replay: Replay) -> None:
    replay.on(OCR, scripted.answer(ocr([(0, "one")], [PICTURE])))
    [page] = pages_of(documents(replay.url), embedded_images=True)
    box = BoundingBox(left=36.0, top=72.0, right=108.0, bottom=144.0)
    assert (ExtractedImage(data=PNG, mime_type="image/png", box=box, caption="A dot"),) == page.images
    assert replay.last.json()["include_image_base64"] is True


def test_tables_come_apart_and_stay_in_the_text(replay: Replay) -> None:
    markdown = "| a | b |\n| --- | --- |\n| 1 | 2 |"
    rows = [
        {"id": "tbl-0.md", "content": markdown, "format": "markdown"},
        {"id": "tbl-1.html", "content": "<table></table>", "format": "html"},
    ]
    text = "[tbl-0.md](tbl-0.md)\n\nand [tbl-1.html](tbl-1.html)"
    replay.on(OCR, scripted.answer(ocr([(0, text)], tables=rows)))
    [page] = pages_of(documents(replay.url), tables=True)
    assert f"{markdown}\n\nand <table></table>" == page.text
    assert ["text/markdown", "text/html"] == [table.mime_type for table in page.tables]
    assert (("a", "b"), ("1", "2")) == page.tables[0].rows
    assert "markdown" == replay.last.json()["table_format"]


def test_a_gateway_that_tells_no_tables_is_an_invalid_answer(replay: Replay) -> None:
    replay.on(OCR, scripted.answer(ocr([(0, "one")])))
    with pytest.raises(InferenceInvalidAnswerError, match="no list of tables"):
        pages_of(documents(replay.url), tables=True)


def test_a_choice_of_pages_is_sent_from_0_and_comes_in_the_order_wanted(replay: Replay) -> None:
    replay.on(OCR, scripted.answer(ocr([(0, "one"), (2, "three")])))
    assert ["three", "one"] == [page.text for page in pages_of(documents(replay.url), pages=(3, 1))]
    assert [2, 0] == replay.last.json()["pages"]


def test_a_page_that_did_not_come_is_an_error(replay: Replay) -> None:
    replay.on(OCR, scripted.answer(ocr([(0, "one")])))
    with pytest.raises(InferenceInvalidAnswerError, match="lacks the pages 7"):
        pages_of(documents(replay.url), pages=(1, 7))


@pytest.mark.parametrize(
    ("document", "sent"),
    [
        (
            MediaSource(url="https://example.org/a.pdf"),
            {"type": "document_url", "document_url": "https://example.org/a.pdf"},
        ),
        (MediaSource(url="https://example.org/a.png"), {"type": "image_url", "image_url": "https://example.org/a.png"}),
    ],
    ids=["document", "image"],
)
def test_an_address_is_handed_on(replay: Replay, document: MediaSource, sent: dict[str, str]) -> None:
    replay.on(OCR, scripted.answer(ocr([(0, "one")])))
    documents(replay.url).extract(lambda worker: worker.extract_pages(ExtractJob(document=document)))
    assert sent == replay.last.json()["document"]


@pytest.mark.parametrize("param", [{"password": "x"}, {"page_view_dpi": 72}], ids=["password", "page views"])
def test_what_ocr_has_no_word_for_is_refused_by_name(replay: Replay, param: dict[str, object]) -> None:
    with pytest.raises(InferenceRequestError, match=next(iter(param))):
        pages_of(documents(replay.url), **param)
    assert [] == replay.requests


# Searches.


def test_a_search_brings_its_sources_without_an_answer_in_words(replay: Replay) -> None:
    rows = [
        {"title": "Cats", "url": "https://example.org/cats", "snippet": "They sleep.", "date": "2026-01-01"},
        {"title": "", "url": "https://example.org/bare", "snippet": "", "date": "last week"},
    ]
    replay.on(SEARCH, scripted.answer(results(*rows)))
    gateway = web(replay.url)
    sources = (
        SearchSource(
            url="https://example.org/cats", title="Cats", snippet="They sleep.", published_on=date(2026, 1, 1)
        ),
        SearchSource(url="https://example.org/bare"),
    )
    assert SearchAnswer(text="", sources=sources) == answer_of(gateway)
    assert {"query": "cats"} == replay.last.json()
    assert InferenceUsage(searches=1) == gateway.log.records[0].usage


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"max_results": 3}, {"max_results": 3}),
        ({"include_domains": ("a.org", "b.org")}, {"search_domain_filter": ["a.org", "b.org"]}),
        ({"exclude_domains": ("a.org",)}, {"search_domain_filter": ["-a.org"]}),
    ],
)
def test_a_search_sends_its_parameters(replay: Replay, params: dict[str, object], sent: dict[str, object]) -> None:
    replay.on(SEARCH, scripted.answer(results()))
    answer_of(web(replay.url), **params)
    assert {"query": "cats", **sent} == replay.last.json()


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"from_date": date(2026, 1, 1)}, "from_date"),
        ({"to_date": date(2026, 1, 1)}, "to_date"),
        ({"include_domains": ("a.org",), "exclude_domains": ("b.org",)}, "not both"),
    ],
)
def test_what_search_has_no_word_for_is_refused_by_name(replay: Replay, params: dict[str, object], word: str) -> None:
    with pytest.raises(InferenceRequestError, match=word):
        answer_of(web(replay.url), **params)
    assert [] == replay.requests


# What goes wrong.


def test_a_wrong_request_is_told_in_the_gateways_words(replay: Replay) -> None:
    body = {"error": {"message": "That is what the gateway says", "type": None, "code": "400"}}
    replay.on("*", scripted.answer(body, status=400))
    with pytest.raises(InferenceRequestError, match="That is what the gateway says"):
        pages_of(documents(replay.url))
    with pytest.raises(InferenceRequestError, match="That is what the gateway says"):
        answer_of(web(replay.url))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (scripted.reset(scripted.answer(ocr([(0, "one")]))), InferenceServerError),
        (scripted.answer([]), InferenceInvalidAnswerError),
        (scripted.answer({"object": "x"}), InferenceInvalidAnswerError),
        (scripted.raw(b"<html>", content_type="text/html"), InferenceInvalidAnswerError),
        (scripted.raw(b"Bad gateway", content_type="text/plain", status=502), InferenceServerError),
    ],
    ids=["reset", "a list", "no pages", "HTML", "502 in plain text"],
)
def test_an_answer_that_does_not_come_whole_is_its_own_error(
    replay: Replay, reply: HttpReply, kind: type[InferenceError]
) -> None:
    replay.on("*", reply)
    with pytest.raises(kind):
        pages_of(documents(replay.url))
    with pytest.raises(kind):
        answer_of(web(replay.url))


@pytest.mark.parametrize(
    "page",
    [
        "no page",
        {"index": 0, "markdown": None},
        {"index": 0, "markdown": "x", "images": [{"image_base64": "no base64!"}]},
    ],
)
def test_a_page_of_another_shape_is_an_error(replay: Replay, page: object) -> None:
    replay.on(OCR, scripted.answer({"pages": [page]}))
    with pytest.raises(InferenceInvalidAnswerError):
        pages_of(documents(replay.url))


def test_a_result_without_an_address_is_an_error(replay: Replay) -> None:
    replay.on(SEARCH, scripted.answer(results({"title": "Cats"})))
    with pytest.raises(InferenceInvalidAnswerError):
        answer_of(web(replay.url))


def test_a_gateway_needs_an_endpoint() -> None:
    with pytest.raises(InferenceRequestError, match=r"Set endpoint in \[backends\.mine\]"):
        make_client(sdk="gateway_search", backend=InferenceBackend(name="mine"))


def test_images_are_made_as_by_openai(replay: Replay) -> None:
    replay.on("POST /v1/images/generations", scripted.answer(wire.images([PNG])))
    gateway = Caller(
        plugin=GatewayPlugin(), family=InferenceFamily.IMG_GEN, sdk="gateway_img_gen", endpoint=f"{replay.url}/v1"
    )
    expected = GeneratedImage(data=PNG, mime_type="image/png", width=1024, height=1024)
    assert expected == gateway.img_gen(lambda worker: worker.gen_image("a cat"))


# The conformance kit.


class OcrVendor(LoopbackVendor["tuple[ExtractedPage, ...]"]):
    """A gateway that says the kit's orders as ``/ocr`` does."""

    def reply(self, request: HttpRequest, answer: InferenceResult[tuple[ExtractedPage, ...]]) -> HttpReply:
        pictures = [
            {"image_base64": base64.b64encode(image.data).decode()} for page in answer.content for image in page.images
        ]
        tables = [
            {"id": "tbl-0", "content": table.text, "format": "markdown"}
            for page in answer.content
            for table in page.tables
        ]
        texts = [(page.number - 1, page.text) for page in answer.content]
        return HttpReply.json(ocr(texts, pictures[:1], tables[:1]))


class WebVendor(LoopbackVendor[SearchAnswer]):
    """A gateway that says the kit's orders as ``/search`` does."""

    def reply(self, request: HttpRequest, answer: InferenceResult[SearchAnswer]) -> HttpReply:
        rows = ({"url": s.url, "title": s.title, "snippet": s.snippet} for s in answer.content.sources)
        return HttpReply.json(results(*rows))


def _at_v1(self: TestGatewayExtract | TestGatewaySearch, endpoint: str | None) -> InferenceBackend:
    return InferenceBackend(name="kit", endpoint=f"{endpoint}/v1", policy=self.policy)


class TestGatewayExtract(ExtractConformance):
    """``/ocr`` in the kit."""

    sdk = "gateway_extract"
    model_id = "ocr"
    capabilities = frozenset({Capability.URL, Capability.PAGES, Capability.EMBEDDED_IMAGES, Capability.TABLES})
    sdk_imports = ("openai", "httpx")
    extra = "gateway"
    policy = QUICK

    backend = _at_v1

    def plugin(self) -> PipelexPlugin:
        return GatewayPlugin()

    def vendor(self) -> OcrVendor:
        return OcrVendor()


class TestGatewaySearch(SearchConformance):
    """``/search`` in the kit."""

    sdk = "gateway_search"
    model_id = "web"
    capabilities = frozenset({Capability.MAX_RESULTS, Capability.INCLUDE_DOMAINS, Capability.EXCLUDE_DOMAINS})
    sdk_imports = ("openai", "httpx")
    extra = "gateway"
    policy = QUICK

    backend = _at_v1

    def plugin(self) -> PipelexPlugin:
        return GatewayPlugin()

    def vendor(self) -> WebVendor:
        return WebVendor()
