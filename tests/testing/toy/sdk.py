"""The SDK of a vendor of all four families: JSON over HTTP/1.1, one connection per request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit


class ToyError(Exception):
    """The root of what the SDK raises."""


class ToyUnreachable(ToyError):
    """Nobody listens."""


class ToyTimeout(ToyError):
    """No answer in time."""


class ToyBroken(ToyError):
    """The connection ended in the middle of the answer."""


class ToyUnreadable(ToyError):
    """The answer is not JSON."""


class ToyStatus(ToyError):
    """The vendor answered with an error."""

    def __init__(self, message: str, *, status: int, retry_after: float | None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class ToyClient:
    """Calls ``POST /<method>`` with a JSON object and returns a JSON object, or yields one for each line."""

    def __init__(self, *, api_key: str, base_url: str, timeout_s: float) -> None:
        self._api_key = api_key
        self._url = urlsplit(base_url)
        self._timeout_s = timeout_s

    async def call(self, method: str, **fields: object) -> dict[str, Any]:
        async with self._exchange(method, fields) as (reader, length):
            return self._read(await self._step(reader.readexactly(length)))

    async def stream(self, method: str, **fields: object) -> AsyncIterator[dict[str, Any]]:
        async with self._exchange(method, {**fields, "stream": True}) as (reader, _):
            while size := int(await self._step(reader.readuntil()), 16):
                yield self._read(await self._step(reader.readexactly(size)))
                await self._step(reader.readexactly(2))

    @asynccontextmanager
    async def _exchange(
        self, method: str, fields: dict[str, object]
    ) -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
        body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        try:
            reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        except OSError as exc:
            msg = "nobody listens"
            raise ToyUnreachable(msg) from exc
        try:
            writer.write(
                f"POST /{method} HTTP/1.1\r\nHost: toy\r\nAuthorization: Bearer {self._api_key}\r\n"
                f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            status, headers = await self._head(reader)
            length = int(headers.get("content-length", 0))
            if status != 200:
                text = (await self._step(reader.readexactly(length))).decode()
                wait = headers.get("retry-after")
                raise ToyStatus(text, status=status, retry_after=float(wait) if wait else None)
            yield reader, length
        finally:
            self.let_go(writer)

    def let_go(self, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        lines = (await self._step(reader.readuntil(b"\r\n\r\n"))).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    async def _step(self, reading: Any) -> bytes:
        try:
            data: bytes = await asyncio.wait_for(reading, self._timeout_s)
        except TimeoutError as exc:
            msg = "no answer in time"
            raise ToyTimeout(msg) from exc
        except (EOFError, OSError) as exc:
            msg = "the connection broke"
            raise ToyBroken(msg) from exc
        return data

    def _read(self, data: bytes) -> dict[str, Any]:
        try:
            return dict(json.loads(data))
        except ValueError as exc:
            msg = "the answer is not JSON"
            raise ToyUnreadable(msg) from exc
