"""Ctrl-C in a synchronous call or stream is a KeyboardInterrupt, whatever the clean-up does."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import pytest

from pipelex.cogt.inference.iterators import close_iterator

SLOW_TO_CANCEL = """
import asyncio, sys
from tests.cogt.workers import ScriptedLLM
from pipelex.cogt.llm.llm_job import TextDelta
from pipelex.cogt.model_backends.model_spec import Capability

class Slow(ScriptedLLM):
    async def _stream(self, job):
        try:
            while True:
                yield TextDelta(text="x")
                await asyncio.sleep({pause})
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            {cleanup}

worker = Slow("blue", Capability.STREAMING)
pieces = worker.stream_text_sync("x")
try:
    for number, _ in enumerate(pieces):
        if number == 0:
            print("begun", flush=True)
except KeyboardInterrupt:
    print("interrupted", [record.outcome.value for record in worker.log.records], flush=True)
    raise
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C reaches the test's own process there")
@pytest.mark.parametrize("pause", ["3600", "0.0001"])
@pytest.mark.parametrize("cleanup", ["pass", "raise RuntimeError('clean-up failed')"])
def test_an_interrupted_sync_stream_raises_keyboard_interrupt(pause: str, cleanup: str) -> None:
    script = SLOW_TO_CANCEL.format(pause=pause, cleanup=cleanup)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "begun\n" == process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert "interrupted ['abandoned']\n" == rest
    assert -signal.SIGINT == process.returncode


def test_what_a_stream_raises_while_it_is_closed_does_not_replace_the_exception_under_way() -> None:
    class Broken:
        async def aclose(self) -> None:
            raise RuntimeError("clean-up failed")

    async def fails() -> None:
        try:
            raise KeyError("first")
        finally:
            await close_iterator(Broken())  # type: ignore[arg-type]  # closing it is all that is done

    with pytest.raises(KeyError, match="first") as caught:
        asyncio.run(fails())
    assert ["Closing the stream failed, too: RuntimeError: clean-up failed"] == caught.value.__notes__
    with pytest.raises(RuntimeError, match="clean-up failed"):
        asyncio.run(close_iterator(Broken()))  # type: ignore[arg-type]  # likewise
