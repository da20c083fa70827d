"""A loopback server whose answers are written down beforehand: for what no server of another project can be made to do.

It stands on the kit's :class:`~pipelex.testing.loopback.LoopbackServer`. A test scripts answers per route in the
vendor's documented wire format, lets the official SDK call, and looks at what arrived::

    with Replay() as replay:
        replay.on("POST /v1/chat/completions", answer({"choices": [...]}), rate_limited(retry_after=3))
        ...
        assert {"model": "gpt-x"}.items() <= replay.last.json().items()

The answers of a route come in their order, and the last one over and over. In place of an answer stands a function
of the request where the answer depends on it (concurrent calls).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelex.testing.loopback import Ending, HttpReply, HttpRequest, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

Scripted = HttpReply | Callable[[HttpRequest], HttpReply]


def answer(data: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
    """Answer with JSON."""
    return HttpReply.json(data, status=status, headers=headers)


def raw(body: bytes, *, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
    """Answer with bytes as they are: an image, a binary event stream, a page of HTML."""
    return HttpReply(status=status, body=body, headers={"Content-Type": content_type, **(headers or {})})


def sse(items: Iterable[object], *, last: str | None = "[DONE]") -> HttpReply:
    """Answer with server-sent events that carry data alone, as OpenAI's chat completions do."""
    return HttpReply.events(items, last=last)


def named_sse(items: Iterable[tuple[str, object]]) -> HttpReply:
    """Answer with server-sent events that have a name and data, as Anthropic's messages and OpenAI's responses do."""
    pieces = tuple(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in items)
    return HttpReply(headers={"Content-Type": "text/event-stream"}, pieces=pieces)


def rate_limited(data: object = None, *, retry_after: float | str = 7) -> HttpReply:
    """Answer 429 with ``Retry-After``."""
    data = data if data is not None else {"error": {"message": "Slow down", "type": "rate_limit_error"}}
    return answer(data, status=429, headers={"Retry-After": str(retry_after)})


def malformed() -> HttpReply:
    """Answer 200 with what is called JSON and is none."""
    return raw(b'{"choices": [', content_type="application/json")


def hang() -> HttpReply:
    """Take the request and never answer; the connection stays open until the client leaves."""
    return HttpReply(ending=Ending.HANG)


def truncated(reply: HttpReply) -> HttpReply:
    """End the connection in an orderly way in the middle of an answer."""
    return replace(reply, ending=Ending.CUT)


def reset(reply: HttpReply) -> HttpReply:
    """Reset the connection (TCP RST) in the middle of an answer."""
    return replace(reply, ending=Ending.RESET)


def stall(reply: HttpReply) -> HttpReply:
    """Send half of an answer, then nothing more; the connection stays open until the client leaves."""
    return replace(reply, ending=Ending.STALL)


class Replay:
    """A scripted server on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._script: dict[str, list[Scripted]] = {}
        self._server = LoopbackServer(self._serve)

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return self._server.url

    @property
    def requests(self) -> list[HttpRequest]:
        """What arrived so far: ``method``, ``target``, ``headers`` (names in lower case), ``body``, ``json()``."""
        return self._server.requests

    @property
    def last(self) -> HttpRequest:
        """The request that arrived last."""
        return self._server.requests[-1]

    def on(self, route: str, *script: Scripted) -> Replay:
        """Script a route.

        Args:
            route: ``"METHOD /path"``, without the query; ``"*"`` is every route that has no script of its own.
            script: Its answers in their order; the last one stays.
        """
        self._script[route] = list(script)
        return self

    def wait_for_request(self, timeout: float = 5.0) -> bool:
        """Wait until a request has come in; blocks (``asyncio.to_thread`` inside a loop)."""
        return self._server.wait_for_request(timeout)

    def wait_until_let_go(self, timeout: float = 5.0) -> bool:
        """Wait until no connection is open; blocks."""
        return self._server.wait_until_let_go(timeout)

    def close(self) -> None:
        """Stop, and raise what went wrong in a scripted function."""
        self._server.close()

    def _serve(self, request: HttpRequest) -> HttpReply:
        route = f"{request.method} {request.target.partition('?')[0]}"
        script = self._script.get(route) or self._script.get("*")
        if not script:
            return answer({"error": {"message": f"no script for {route}"}}, status=404)
        scripted = script.pop(0) if len(script) > 1 else script[0]
        return scripted if isinstance(scripted, HttpReply) else scripted(request)

    def __enter__(self) -> Replay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class NobodyThere:
    """An address of 127.0.0.1 on which nobody listens, and which nobody else can take meanwhile."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # bound and never listening

    @property
    def url(self) -> str:
        """The address: every connection to it is refused."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> NobodyThere:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()


class Deaf:
    """An address of 127.0.0.1 that takes no connection and refuses none: whoever calls it waits."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self._waiting = [socket.socket() for _ in range(4)]  # they fill the queue that nobody serves
        for caller in self._waiting:
            caller.setblocking(False)
            caller.connect_ex(self._listener.getsockname())

    @property
    def url(self) -> str:
        """The address: no connection to it comes about."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Deaf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for caller in (*self._waiting, self._listener):
            caller.close()
