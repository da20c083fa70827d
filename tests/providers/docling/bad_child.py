"""Docling's process with pages on which native code dies, hangs, or takes all memory; run as the real one is."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pipelex.cogt.extract.extract_job import ExtractedPage
from pipelex.providers.docling import child
from pipelex.providers.docling.pdf import ParsedPdf

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS: dict[str, Callable[[], object]] = {
    "abort": os.abort,
    "hang": lambda: time.sleep(60),
    "hoard": lambda: bytearray(10**12),
}


def main(most_bytes: int) -> None:
    """Answer as the real one does, but for pages whose text names a fault."""
    read_page = ParsedPdf.read_page

    def read_or_fail(self: ParsedPdf, number: int) -> ExtractedPage:
        page = read_page(self, number)
        if page.text in FAULTS:
            FAULTS[page.text]()
        return page

    ParsedPdf.read_page = read_or_fail  # type: ignore[method-assign]  # in a process of its own
    child.main(most_bytes)
