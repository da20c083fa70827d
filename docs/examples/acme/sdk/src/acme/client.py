"""The client: HTTP over asyncio's streams, one connection per request."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

from acme.errors import (
    AcmeBrokenAnswerError,
    AcmeStatusError,
    AcmeTimeoutError,
    AcmeUnreachableError,
    AcmeUnreadableAnswerError,
)

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping

ReturnT = TypeVar("ReturnT")

DEFAULT_BASE_URL = "http://127.0.0.1:8470"
_LONGEST_LINE = 1 << 20


class Usage(NamedTuple):
    """What a completion used, in Acme's tokens (they are words)."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, kw_only=True)
class Completion:
    """An answer, or a piece of a streamed one.

    Attributes:
        text: The text, or the new piece of it.
        model: The model that answers.
        finish_reason: ``stop``, ``length`` or ``refused``; ``None`` on all pieces but the last.
        usage: What the whole answer used; ``None`` on all pieces but the last.
    """

    text: str
    model: str
    finish_reason: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True)
class AcmeModel:
    """A model as the server lists it.

    Attributes:
        id: Its id.
        created: When it was made, in seconds since 1970.
        owner: Who owns it.
        context_window: Its context window, in tokens.
    """

    id: str
    created: int
    owner: str
    context_window: int


class AcmeClient:
    """Talks to an Acme server.

    Args:
        api_key: The key.
        base_url: The server's address.
        timeout_s: How long to wait for each step of an answer, in seconds.
    """

    def __init__(self, *, api_key: str | None, base_url: str | None = None, timeout_s: float = 60.0) -> None:
        self._api_key = api_key or ""
        self._url = urlsplit(base_url or DEFAULT_BASE_URL)
        self._timeout_s = timeout_s

    async def complete(
        self,
        *,
        model: str,
        prompt: str,
        system: str | None = None,
        max_tokens: int | None = None,
        json_schema: Mapping[str, object] | None = None,
    ) -> Completion:
        """Ask for a completion.

        Args:
            model: The id of the model.
            prompt: The prompt.
            system: An instruction beside it.
            max_tokens: The longest answer.
            json_schema: A JSON schema that the answer has to fit.

        Raises:
            AcmeError: The call failed.
        """
        body = _request(model=model, prompt=prompt, system=system, max_tokens=max_tokens, json_schema=json_schema)
        async with self._call("POST", "/v1/completions", body) as (reader, length):
            return _completion(await self._body(reader, length))

    async def stream(
        self, *, model: str, prompt: str, system: str | None = None, max_tokens: int | None = None
    ) -> AsyncGenerator[Completion, None]:
        """Ask for a completion in pieces; arguments and errors as for :meth:`complete`."""
        body = _request(model=model, prompt=prompt, system=system, max_tokens=max_tokens, stream=True)
        async with self._call("POST", "/v1/completions", body) as (reader, _):
            while line := await self._step(reader.readline()):
                piece = _completion(line)
                yield piece
                if piece.finish_reason is not None:
                    return
        msg = "The stream ended before the answer did"
        raise AcmeBrokenAnswerError(msg)

    async def list_models(self) -> list[AcmeModel]:
        """Return the models of the server.

        Raises:
            AcmeError: The call failed.
        """
        async with self._call("GET", "/v1/models") as (reader, length):
            listing = json.loads(await self._body(reader, length))
        return [AcmeModel(**model) for model in listing["models"]]

    @asynccontextmanager
    async def _call(self, method: str, path: str, body: bytes = b"") -> AsyncIterator[tuple[StreamReader, int | None]]:
        """Send a request; give the body of the answer, and its length where the server says it."""
        reader, writer = await self._connect()
        try:
            writer.write(self._head(method, path, body) + body)
            await self._step(writer.drain())
            status, headers = await self._read_head(reader)
            length = int(headers["content-length"]) if "content-length" in headers else None
            if status != 200:
                raise _status_error(status, headers, await self._body(reader, length))
            yield reader, length
        finally:
            writer.close()

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        is_tls = self._url.scheme == "https"
        port = self._url.port or (443 if is_tls else 80)
        connecting = asyncio.open_connection(self._url.hostname, port, ssl=is_tls or None, limit=_LONGEST_LINE)
        try:
            return await asyncio.wait_for(connecting, self._timeout_s)
        except OSError as exc:  # a TimeoutError is one, too
            msg = f"No connection to {self._url.hostname}:{port}: {exc or type(exc).__name__}"
            raise AcmeUnreachableError(msg) from exc

    def _head(self, method: str, path: str, body: bytes) -> bytes:
        lines = (
            f"{method} {self._url.path.rstrip('/')}{path} HTTP/1.0",
            f"Host: {self._url.netloc}",
            f"Authorization: Bearer {self._api_key}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    async def _read_head(self, reader: StreamReader) -> tuple[int, dict[str, str]]:
        status_line = (await self._step(reader.readline())).split()
        if len(status_line) < 2 or not status_line[1].isdigit():
            msg = "The connection ended before the answer began"
            raise AcmeBrokenAnswerError(msg)
        headers: dict[str, str] = {}
        while line := (await self._step(reader.readline())).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return int(status_line[1]), headers

    async def _body(self, reader: StreamReader, length: int | None) -> bytes:
        return await self._step(reader.read() if length is None else reader.readexactly(length))

    async def _step(self, awaitable: Coroutine[object, object, ReturnT]) -> ReturnT:
        """Wait for one step of the exchange. The request is out by now, so a broken connection is ambiguous."""
        try:
            return await asyncio.wait_for(awaitable, self._timeout_s)
        except TimeoutError as exc:
            msg = f"No answer within {self._timeout_s:g} s"
            raise AcmeTimeoutError(msg) from exc
        except (OSError, EOFError) as exc:
            msg = "The connection broke before the answer was whole"
            raise AcmeBrokenAnswerError(msg) from exc


def _request(**fields: object) -> bytes:
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def _completion(data: bytes) -> Completion:
    try:
        fields = json.loads(data)
        usage = fields.get("usage")
        return Completion(
            text=fields["text"],
            model=fields["model"],
            finish_reason=fields.get("finish_reason"),
            usage=Usage(**usage) if usage else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        msg = "The answer is not in Acme's format"
        raise AcmeUnreadableAnswerError(msg) from exc


def _status_error(status: int, headers: Mapping[str, str], body: bytes) -> AcmeStatusError:
    retry_after = headers.get("retry-after")
    return AcmeStatusError(
        json.loads(body)["error"],
        status=status,
        request_id=headers.get("x-request-id"),
        retry_after=float(retry_after) if retry_after else None,
    )
