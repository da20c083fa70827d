"""Async iterators that are closed when they are no longer read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def close_iterator(items: AsyncIterator[object]) -> None:
    """Close an async iterator that may not be exhausted, and with it whatever it holds open."""
    aclose = getattr(items, "aclose", None)  # every generator has it, not every iterator
    if aclose is not None:
        await aclose()
