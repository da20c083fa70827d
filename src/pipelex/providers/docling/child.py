"""What runs in Docling's process: opens documents, reads their pages, and answers on the pipe that was its stdout."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Protocol

from pipelex.cogt.exceptions import InferenceError
from pipelex.providers.docling.process import OUT_OF_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelex.cogt.extract.extract_job import ExtractedPage, ExtractJobParams

_LONGEST_NOTE = 300


class OpenDocument(Protocol):
    """A document that is open."""

    numbers: tuple[int, ...]

    def read_page(self, number: int) -> ExtractedPage:
        """Read one page."""

    def close(self) -> None:
        """Close the document."""


class Reader:
    """The documents that are open. Its methods are what the parent process asks for."""

    def __init__(self) -> None:
        self._open: dict[int, OpenDocument] = {}

    def open(self, key: int, data: bytes, name: str, media_type: str, params: ExtractJobParams) -> tuple[int, ...]:
        """Open a document and return the numbers of the pages asked for."""
        self._open[key] = document = _opened(data, name, media_type, params)
        return document.numbers

    def read(self, key: int, number: int) -> ExtractedPage:
        """Read a page of an open document."""
        return self._open[key].read_page(number)

    def close(self, key: int) -> None:
        """Close a document."""
        self._open.pop(key).close()


def _opened(data: bytes, name: str, media_type: str, params: ExtractJobParams) -> OpenDocument:
    if media_type == "application/pdf":
        from pipelex.providers.docling.pdf import ParsedPdf

        return ParsedPdf(data, name, params)
    from pipelex.providers.docling.document import ConvertedDocument

    return ConvertedDocument(data, name, media_type, params)


def main(most_bytes: int) -> None:
    """Answer until the parent process closes the pipe.

    Args:
        most_bytes: How much memory the process may take, where the system can limit it.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends this process where it has to
    limit_memory(most_bytes)
    reader = Reader()
    with suppress(BrokenPipeError):
        while True:
            try:
                method, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own code
            except EOFError:
                return
            _answer(reader, method, arguments, answers)


def limit_memory(most_bytes: int) -> None:
    """Limit the memory of this process, where the system can: Windows cannot, macOS does not keep to it."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def _answer(reader: Reader, method: str, arguments: tuple[object, ...], answers: BinaryIO) -> None:
    answer, error = None, None
    with _noted() as notes:
        try:
            answer = getattr(reader, method)(*arguments)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except InferenceError as exc:
            error = exc
            notes.clear()  # the error has them
        except Exception as exc:
            error = InferenceError(f"{type(exc).__name__}: {exc}")
    pickle.dump((list(dict.fromkeys(notes)), answer, error), answers)
    answers.flush()


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Collect what libraries log and warn of, a line each."""
    notes: list[str] = []

    def note(text: str) -> None:
        line = " ".join(text.split())
        notes.append(line if len(line) <= _LONGEST_NOTE else f"{line[:_LONGEST_NOTE]}...")

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    handler = Collector(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: note(str(message))
            yield notes
    finally:
        logging.getLogger().removeHandler(handler)
