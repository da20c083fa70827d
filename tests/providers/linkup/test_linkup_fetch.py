"""What Linkup's page driver sends, and what it makes of answers: the official SDK against a replay of the documented
wire format (tests/providers/linkup/wire.py names the pages)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceRequestError,
)
from pipelex.cogt.extract.extract_job import ExtractedImage, ExtractedPage, ExtractJob, ExtractJobParams
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.model_backends.model_spec import Capability
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.linkup.client import make_client
from pipelex.providers.linkup.extract import LinkupFetchWorker
from pipelex.reporting.reporting_protocol import InferenceUsage
from pipelex.reporting.usage_log import UsageLog
from pipelex.testing import samples
from tests.providers.linkup import wire
from tests.providers.replay import Replay, answer, raw
from tests.providers.running import keep, run
from tests.providers.targets import ONCE, backend_at, model_of

if TYPE_CHECKING:
    from pipelex.testing.loopback import HttpReply, HttpRequest

pytestmark = pytest.mark.counterpart("linkup_docs", "extract:linkup_fetch")

FETCH = "POST /v1/fetch"
PAGE = answer(wire.page("# Title\r\n\r\nText"))
ADDRESS = "https://example.org/page"
PNG = samples.png("seen")


def make_worker(endpoint: str, *, log: UsageLog | None = None, **extras: bool) -> LinkupFetchWorker:
    client = keep(make_client(sdk="linkup_fetch", backend=backend_at(f"{endpoint}/v1")))
    model = model_of(
        InferenceFamily.EXTRACT, "linkup_fetch", "fetch", *Capability, policy=ONCE, extras=extras, endpoint=endpoint
    )
    return LinkupFetchWorker(sdk_instance=client, inference_model=model, reporting_delegate=log)


def job_of(document: MediaSource | str = ADDRESS, **params: object) -> ExtractJob:
    return ExtractJob(document=MediaSource.of(document), params=ExtractJobParams(**params))  # type: ignore[arg-type]  # test data


def test_a_page_comes_as_markdown(replay: Replay) -> None:
    log = UsageLog()
    replay.on(FETCH, PAGE)
    assert [ExtractedPage(number=1, text="# Title\n\nText")] == run(
        make_worker(replay.url, log=log).extract_pages(ADDRESS)
    )
    assert {"url": ADDRESS} == replay.last.json()
    assert InferenceUsage(pages=1) == log.records[0].usage


def test_scripts_run_where_the_model_says_so(replay: Replay) -> None:
    replay.on(FETCH, PAGE)
    run(make_worker(replay.url, render_js=True).extract_pages(ADDRESS))
    assert {"url": ADDRESS, "renderJs": True} == replay.last.json()


def test_images_are_fetched_and_a_missing_one_is_left_out(replay: Replay, caplog: pytest.LogCaptureFixture) -> None:
    images = (("A cat", f"{replay.url}/cat.png"), ("Gone", f"{replay.url}/gone.png?key=abc"))
    replay.on(FETCH, answer(wire.page("Text", *images))).on("GET /cat.png", raw(PNG, content_type="image/png"))
    with caplog.at_level(logging.WARNING):
        pages = run(make_worker(replay.url).extract_pages(job_of(embedded_images=True)))
    assert (ExtractedImage(data=PNG, mime_type="image/png", caption="A cat"),) == pages[0].images
    assert True is replay.requests[0].json()["extractImages"]
    assert "An image of the page is left out" in caplog.text
    assert "abc" not in caplog.text


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (job_of(MediaSource(data=b"%PDF-1.4")), "neither bytes nor a file"),
        (job_of(pages=(1,)), "knows no pages"),
        (job_of(password="open"), "knows no pages, password"),
        (job_of(page_view_dpi=72), "page_view_dpi"),
    ],
)
def test_what_linkup_cannot_be_told_is_refused(replay: Replay, job: ExtractJob, said: str) -> None:
    with pytest.raises(InferenceRequestError, match=said):
        run(make_worker(replay.url).extract_pages(job))
    assert [] == replay.requests


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(wire.error(400, "FETCH_TARGET_NOT_FOUND"), status=400), InferenceRequestError),
        (answer(wire.error(400, "FETCH_UNSUPPORTED_CONTENT_TYPE"), status=400), InferenceRequestError),
    ],
)
def test_what_goes_wrong_has_its_kind(replay: Replay, reply: HttpReply, kind: type[InferenceError]) -> None:
    replay.on(FETCH, reply)
    with pytest.raises(InferenceError) as caught:
        run(make_worker(replay.url).extract_pages(ADDRESS))
    assert kind is type(caught.value)


def test_many_pages_at_once_do_not_mix(replay: Replay) -> None:
    def echo(request: HttpRequest) -> HttpReply:
        return answer(wire.page(str(request.json()["url"])))

    replay.on(FETCH, echo)
    addresses = [f"https://example.org/{number}" for number in range(64)]

    async def fetch_all() -> list[str]:
        worker = make_worker(replay.url)
        found = await asyncio.gather(*(worker.extract_pages(address) for address in addresses))
        return [pages[0].text for pages in found]

    assert addresses == run(fetch_all())
