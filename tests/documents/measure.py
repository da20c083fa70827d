"""What an extraction finds in a document, in a process that may die of it."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from pipelex.cogt.extract.extract_worker_abstract import ExtractWorkerAbstract

LONGEST_S = 60.0
MOST_BYTES = 1_000_000_000
DIED = "died: "
"""What an error begins with where not the document is at fault."""


@dataclass(frozen=True)
class Found:
    """What was found in a document.

    Attributes:
        characters: How many characters are known of all pages, space apart.
        pages: How many pages came, those with an error too.
        error: Why it could not be read as a whole.
        page_errors: How many of its pages could not be read.
    """

    characters: int = 0
    pages: int = 0
    error: str = ""
    page_errors: int = 0


def known_characters(text: str) -> int:
    """Count the characters of a text that are known: neither space nor U+FFFD."""
    return len("".join(text.replace("\ufffd", "").split()))


class Measurer:
    """Extracts documents by one model in one process, which is replaced when it died or was too slow.

    Args:
        model: The name of the model.
        serve: What the process runs; it takes the pipe and the model.
        longest_s: After how many seconds a document is given up.
    """

    def __init__(
        self, model: str, serve: Callable[[Connection, str], None] | None = None, longest_s: float = LONGEST_S
    ) -> None:
        self._model = model
        self._serve = serve or serve_measures
        self._longest_s = longest_s
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def measure(self, path: Path) -> Found:
        """Extract a document, and count."""
        pipe = self._running()
        started = monotonic()
        pipe.send(path)
        try:
            if pipe.poll(self._longest_s):
                found: Found = pipe.recv()
                return found
            reason = f"{DIED}it takes more than {self._longest_s:g} s"
        except (EOFError, OSError):
            reason = f"{DIED}the process ended after {monotonic() - started:.1f} s"
        self.close()
        return Found(error=reason)

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._pipe is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = None

    def _running(self) -> Connection:
        if self._process is None or self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            self._process = context.Process(target=self._serve, args=(other, self._model))
            self._process.start()
            other.close()
            if not self._pipe.poll(10 * LONGEST_S):
                msg = "the process does not start"
                raise RuntimeError(msg)
            self._pipe.recv()  # it is ready
        return self._pipe


def serve_measures(pipe: Connection, model: str) -> None:
    """Extract each document that is asked for, in bounded memory, which a process of the driver's inherits."""
    from pipelex.boot import Pipelex

    limit_memory()
    with Pipelex.setup() as px:
        worker = px.extract(model)
        pipe.send("ready")
        while True:
            pipe.send(_measured(worker, pipe.recv()))


def limit_memory() -> None:
    """Limit the memory of this process, where the system can."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))


def _measured(worker: ExtractWorkerAbstract, path: Path) -> Found:
    from pipelex.cogt.exceptions import InferenceErrorCategory
    from pipelex.exceptions import PipelexError

    characters = pages = page_errors = 0
    try:
        for page in worker.stream_pages_sync(path):
            pages += 1
            characters += known_characters(page.text)
            page_errors += page.error is not None
            if page.error is not None and "the process that read it ended" in page.error.message:
                return Found(error=f"{DIED}{page.error}")
    except MemoryError:
        return Found(error=f"{DIED}it takes more than {MOST_BYTES / 1e9:g} GB")
    except PipelexError as exc:
        is_known = getattr(exc, "category", None) is not InferenceErrorCategory.UNKNOWN
        return Found(error=f"{'' if is_known else DIED}{exc}")
    return Found(characters, pages, "", page_errors)


def by_pdftotext(path: Path) -> int | None:
    """Count the characters that poppler's pdftotext finds; ``None`` where it is not installed or fails."""
    program = shutil.which("pdftotext")
    if program is None:
        return None
    run = subprocess.run([program, "-enc", "UTF-8", path, "-"], capture_output=True, timeout=LONGEST_S, check=False)
    return known_characters(run.stdout.decode(errors="replace")) if run.returncode == 0 else None
