"""Async iterators that are closed when they are no longer read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def close_iterator(items: AsyncIterator[object]) -> None:
    """Close an async iterator that may not be exhausted, and with it whatever it holds open.

    Where an exception is under way, one that the iterator raises while it is closed becomes a note of it, and does not
    take its place.
    """
    aclose = getattr(items, "aclose", None)  # every generator has it, not every iterator
    if aclose is None:
        return
    under_way = sys.exc_info()[1]
    try:
        await aclose()
    except Exception as exc:
        if under_way is None:
            raise
        note_failed_close(under_way, exc)


def note_failed_close(error: BaseException, failure: Exception) -> None:
    """Add to an exception under way that closing a stream failed as well."""
    from pipelex.redaction import redact

    error.add_note(redact(f"Closing the stream failed, too: {type(failure).__name__}: {failure}"))
