"""A process that is forked after calls were made makes calls of its own, and never hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")

LIMIT_S = 60
FORKED = """
import os, sys, time
{setup}
print("parent", call(), flush=True)
child = os.fork()
if child == 0:
    print("child", call(), flush=True)
    os._exit(0)
end = time.monotonic() + 20
while os.waitpid(child, os.WNOHANG) == (0, 0):
    if time.monotonic() > end:
        os.kill(child, 9)
        sys.exit("the child hangs")
    time.sleep(0.02)
print("parent", call(), flush=True)
os._exit(0)
"""
SCRIPTED = """
from tests.cogt.workers import ScriptedLLM
from pipelex.cogt.model_backends.model_spec import Capability
worker = ScriptedLLM("blue", Capability.STREAMING)
def call():
    return worker.gen_text_sync("x") + "".join(worker.stream_text_sync("x"))
"""
PDFIUM = """
from tests.cogt.workers import spec
from tests.providers.pypdfium2.pdf_files import Page, make_pdf
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.pypdfium2.extract import PdfiumExtractWorker
worker = PdfiumExtractWorker(inference_model=spec(InferenceFamily.EXTRACT), reporting_delegate=None)
pdf = make_pdf(Page(lines=("blue",)))
def call():
    return worker.extract_pages_sync(pdf)[0].text.strip()
"""
LLAMA = """
from pipelex.boot import Pipelex
from pipelex.cogt.exceptions import InferenceTruncatedError
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
px = Pipelex.setup()
job = LLMJob(prompt=LLMPrompt(user_text="Say hello."), params=LLMJobParams(max_tokens=3))
def call():
    try:
        return "answered" if px.llm("smollm2").gen_text_sync(job) else "silent"
    except InferenceTruncatedError:
        return "answered"
"""
DOCLING = """
from tests.cogt.workers import spec
from pipelex.cogt.inference.media import MediaSource
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.docling.extract import DoclingExtractWorker
worker = DoclingExtractWorker(inference_model=spec(InferenceFamily.EXTRACT), reporting_delegate=None)
def call():
    return worker.extract_pages_sync(MediaSource(data=b"# blue", mime_type="text/markdown"))[0].text.strip()
"""


def run(setup: str) -> list[str]:
    """Run a script that calls, forks, calls in the child, and calls once more in the parent."""
    script = FORKED.format(setup=textwrap.dedent(setup))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout.splitlines()


def test_a_forked_child_makes_sync_calls_and_streams() -> None:
    assert ["parent blueblue", "child blueblue", "parent blueblue"] == run(SCRIPTED)


def test_a_stream_that_the_parent_reads_is_refused_in_a_forked_child() -> None:
    begun = f"""{SCRIPTED}
from pipelex.cogt.exceptions import InferenceRequestError
pieces = worker.stream_text_sync("x")
def call():
    try:
        return next(pieces)
    except InferenceRequestError as error:
        return error.message
"""
    parent, child, parent_again = run(begun)
    assert ("parent b", "parent l") == (parent, parent_again)
    assert child.startswith("child The stream belongs to the parent process")


def test_a_forked_child_reads_pdf_files() -> None:
    assert ["parent blue", "child blue", "parent blue"] == run(PDFIUM)


@pytest.mark.heavy
def test_a_forked_child_loads_the_local_model_anew() -> None:
    assert ["parent answered", "child answered", "parent answered"] == run(LLAMA)


@pytest.mark.heavy
def test_a_forked_child_starts_doclings_process_anew() -> None:
    assert ["parent # blue", "child # blue", "parent # blue"] == run(DOCLING)
