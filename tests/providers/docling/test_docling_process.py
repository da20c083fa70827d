"""The process in which Docling runs: what happens there costs a page, and never the process of the caller."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("docling", reason="the extra 'docling' is not installed")

from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.providers.docling import extract as extract_module
from pipelex.providers.docling import process as process_module
from pipelex.providers.docling.extract import DoclingExtractWorker
from pipelex.providers.docling.pdf import lines_alone
from pipelex.providers.docling.process import DoclingProcess
from tests.providers.docling.test_docling_extract import make_worker
from tests.providers.pypdfium2.pdf_files import Page, make_pdf

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.counterpart("docling", "extract:docling_sdk")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[DoclingProcess]:
    """A process of its own, in which pages with certain texts fail."""
    boot = process_module._BOOT.replace("pipelex.providers.docling.child", "tests.providers.docling.bad_child")
    monkeypatch.setattr(process_module, "_BOOT", boot)
    process = DoclingProcess()
    monkeypatch.setattr(extract_module, "_process", process)
    yield process
    process.end()


def pdf(*texts: str) -> bytes:
    return make_pdf(*[Page((text,)) for text in texts])


def test_native_code_that_dies_costs_its_page_alone(process: DoclingProcess) -> None:
    pages = make_worker().extract_pages_sync(pdf("one", "abort", "three"))
    assert ["one", "", "three"] == [page.text for page in pages]
    assert "Page 2 of The document cannot be read: the process that read it ended (" in str(pages[1].error)
    assert process.starts == 2


@pytest.mark.heavy
def test_a_page_that_takes_all_memory_costs_itself_alone(process: DoclingProcess) -> None:
    pages = make_worker().extract_pages_sync(pdf("one", "hoard", "three"))
    assert ["one", "", "three"] == [page.text for page in pages]
    assert "Page 2 of The document cannot be read: it takes more than 2 GB of memory" in str(pages[1].error)


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory a process took")
def test_a_long_document_takes_little_more_memory_than_a_short_one(process: DoclingProcess) -> None:
    taken = []
    for count in (10, 352):
        make_worker().extract_pages_sync(make_pdf(*[Page(("some words on a line",) * 30) for _ in range(count)]))
        assert process._child is not None
        status = Path(f"/proc/{process._child._popen.pid}/status").read_text(encoding="ascii")
        taken.append(int(status.partition("VmHWM:")[2].split()[0]))
    assert taken[1] - taken[0] < 30_000


@pytest.mark.heavy
def test_a_page_that_takes_too_long_costs_itself_alone(process: DoclingProcess) -> None:
    worker = make_worker()
    worker.extract_pages_sync(pdf("warm up"))
    policy = CallPolicy(timeout_s=3, max_attempts=1)
    worker = DoclingExtractWorker(
        inference_model=replace(worker.inference_model, policy=policy), reporting_delegate=None
    )
    first, second = worker.stream_pages_sync(pdf("one", "hang"))
    assert (first.text, second.text) == ("one", "")
    assert "Page 2 of The document cannot be read: it takes more than 2.7 s. Set timeout_s" in str(second.error)


@pytest.mark.heavy
def test_the_process_is_reused_and_documents_may_take_turns(process: DoclingProcess) -> None:
    worker = make_worker()
    first, second = (worker.stream_pages_sync(pdf(*texts)) for texts in (("a1", "abort", "a3"), ("b1", "b2", "b3")))
    turns = list(zip(first, second, strict=True))
    assert [("a1", "b1"), ("", "b2"), ("a3", "b3")] == [(one.text, other.text) for one, other in turns]
    assert process.starts == 2


@pytest.mark.heavy
def test_a_call_that_is_given_up_ends_what_runs_for_it(process: DoclingProcess) -> None:
    async def give_up() -> None:
        worker = make_worker()
        await worker.extract_pages(pdf("warm up"))
        call = asyncio.create_task(worker.extract_pages(pdf("hang")))
        while process._asker is None:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert ["next"] == [page.text for page in await worker.extract_pages(pdf("next"))]

    asyncio.run(asyncio.wait_for(give_up(), timeout=60))


@pytest.mark.heavy
@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
def test_the_process_ends_with_the_program() -> None:
    code = (
        "from tests.providers.docling.test_docling_process import extract_module, make_worker, pdf\n"
        "make_worker().extract_pages_sync(pdf('one'))\n"
        "print(extract_module._process._child._popen.pid)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(run.stdout), 0)


_LOADED = "[name for name in sys.modules if name.partition('.')[0] in ('docling', 'docling_parse', 'pypdfium2')]"


@pytest.mark.heavy
def test_the_program_loads_neither_docling_nor_pdfium() -> None:
    code = (
        "import sys; from tests.providers.docling.test_docling_process import make_worker, pdf\n"
        f"for name in {_LOADED}: del sys.modules[name]\n"
        f"make_worker().extract_pages_sync(pdf('one')); print({_LOADED})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_the_parser_draws_no_page_and_decodes_no_picture() -> None:
    content = lines_alone()
    assert 0 == content.shapes_content_level == content.bitmaps_content_level
    assert not content.include_bitmap_bytes
