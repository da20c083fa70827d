"""One loop a test, and every SDK client closed before it ends: an unclosed connection is a warning, and so an error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

ClientT = TypeVar("ClientT")
ReturnT = TypeVar("ReturnT")

_open: list[Any] = []


def keep(client: ClientT) -> ClientT:
    """Take note of a client that is to be closed by the next :func:`run`."""
    _open.append(client)
    return client


def run(awaitable: Awaitable[ReturnT]) -> ReturnT:
    """Await something in a loop of its own, and close the clients that were kept."""

    async def main() -> ReturnT:
        try:
            return await awaitable
        finally:
            while _open:
                client = _open.pop()
                await (getattr(client, "aclose", None) or client.close)()

    return asyncio.run(main())


async def collect(pieces: AsyncIterator[str]) -> list[str]:
    """Return the pieces of a stream."""
    return [piece async for piece in pieces]
