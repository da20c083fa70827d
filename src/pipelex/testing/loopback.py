"""An HTTP server on 127.0.0.1 that a function answers for, and the vendor that an HTTP SDK is tested against."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import socket
import struct
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import TYPE_CHECKING, TypeVar

from pipelex.testing.odd_answers import json_in
from pipelex.testing.vendor import FakeVendor, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pipelex.cogt.inference.inference_result import InferenceResult

ContentT = TypeVar("ContentT")

RETRY_AFTER_S = 7
TOKEN = re.compile(rb"kit-[0-9a-f]{6}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{32,}={0,2}")


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request as the server got it.

    Attributes:
        method: ``GET``, ``POST`` ...
        target: The path, with the query.
        headers: The headers, by name in lower case.
        body: The body.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    def json(self) -> dict[str, object]:
        """Return the body, which has to be a JSON object."""
        data = json.loads(self.body)
        if not isinstance(data, dict):
            msg = f"The request's body is no JSON object but a {type(data).__name__}."
            raise TypeError(msg)
        return data


class Ending(Enum):
    """How the exchange ends."""

    WHOLE = auto()
    """The reply is sent to its end."""
    CUT = auto()
    """The connection ends in the middle of the reply."""
    STALL = auto()
    """The first half of the reply is sent; the connection stays open until the client leaves."""
    HANG = auto()
    """No reply comes; the connection stays open until the client leaves."""
    RESET = auto()
    """The connection is reset in the middle of the reply."""


@dataclass(frozen=True, kw_only=True)
class HttpReply:
    """What the server answers.

    Attributes:
        status: The status.
        body: The body; where there are pieces, they come in its place.
        headers: Headers beside those of the connection.
        pieces: A body that is sent piece by piece.
        ending: How the exchange ends.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] | None = None
    ending: Ending = Ending.WHOLE

    @classmethod
    def json(cls, data: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
        """Answer with JSON."""
        headers = {"Content-Type": "application/json", **(headers or {})}
        return cls(status=status, body=json.dumps(data).encode(), headers=headers)

    @classmethod
    def json_lines(cls, items: Iterable[object]) -> HttpReply:
        """Answer with a stream of JSON, one object a line."""
        pieces = tuple(json.dumps(item).encode() + b"\n" for item in items)
        return cls(headers={"Content-Type": "application/x-ndjson"}, pieces=pieces)

    @classmethod
    def events(cls, items: Iterable[object], *, last: str | None = "[DONE]") -> HttpReply:
        """Answer with server-sent events: JSON data, and a last line in plain text where the vendor has one."""
        data = [*(json.dumps(item) for item in items), *([last] if last is not None else [])]
        pieces = tuple(f"data: {datum}\n\n".encode() for datum in data)
        return cls(headers={"Content-Type": "text/event-stream"}, pieces=pieces)


class LoopbackServer:
    """A threaded HTTP/1.1 server on a free port of 127.0.0.1.

    Args:
        serve: Answers a request; called on the thread of its connection.

    Attributes:
        requests: What came in so far.
        failures: What ``serve`` raised; :meth:`close` raises the first one.
    """

    def __init__(self, serve: Callable[[HttpRequest], HttpReply]) -> None:
        self.serve = serve
        self.requests: list[HttpRequest] = []
        self.failures: list[Exception] = []
        self.connections: set[socket.socket] = set()
        self.changed = Condition()
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), name="pipelex-loopback", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening and drop every connection that is still open.

        Raises:
            Exception: What ``serve`` raised, for it is a mistake in the test.
        """
        self._server.shutdown()
        with self.changed:
            for connection in self.connections:
                _drop(connection)
        self._server.server_close()
        self._thread.join()
        if self.failures:
            raise self.failures[0]

    def wait_for_request(self, timeout: float) -> bool:
        """Wait until a request has come in; blocks."""
        with self.changed:
            return self.changed.wait_for(lambda: bool(self.requests), timeout)

    def wait_until_let_go(self, timeout: float) -> bool:
        """Wait until no connection is open; blocks."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.connections, timeout)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing the server waits for them all
    request_queue_size = 128

    def __init__(self, loopback: LoopbackServer) -> None:
        self.loopback = loopback
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service who 127.0.0.1 is, as the base does."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: a client that leaves early is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        loopback = self.server.loopback
        with loopback.changed:
            loopback.connections.add(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            loopback = self.server.loopback
            with loopback.changed:
                loopback.connections.discard(self.connection)
                loopback.changed.notify_all()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: a log of requests would show keys."""

    def answer(self) -> None:
        loopback = self.server.loopback
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = HttpRequest(method=self.command, target=self.path, headers=headers, body=self._read_body())
        with loopback.changed:
            loopback.requests.append(request)
            loopback.changed.notify_all()
        try:
            reply = loopback.serve(request)
        except Exception as exc:  # a mistake in the test: the client gets an error, the test gets the exception
            loopback.failures.append(exc)
            reply = HttpReply.json({"error": "the fake vendor failed"}, status=500)
        self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _send(self, reply: HttpReply) -> None:
        if reply.ending is Ending.HANG:
            self._wait_for_leave()
            return
        is_chunked = reply.pieces is not None and self.request_version == "HTTP/1.1"
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif reply.pieces is None:
            self.send_header("Content-Length", str(len(reply.body)))
        else:
            self.close_connection = True  # HTTP/1.0: the end of the connection is the end of the body
        self.end_headers()
        self._send_body(reply, is_chunked=is_chunked)

    def _send_body(self, reply: HttpReply, *, is_chunked: bool) -> None:
        pieces = (reply.body,) if reply.pieces is None else reply.pieces
        if reply.ending is not Ending.WHOLE:
            pieces = _first_half(pieces)
            self.close_connection = True
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked and reply.ending is Ending.WHOLE:
            self.wfile.write(b"0\r\n\r\n")
        if reply.ending is Ending.STALL:
            self._wait_for_leave()
        if reply.ending is Ending.RESET:
            _reset(self.connection)

    def _wait_for_leave(self) -> None:
        self.close_connection = True
        while self.connection.recv(1024):  # empty as soon as the client leaves, or the server closes
            pass


def _reset(connection: socket.socket) -> None:
    """Send RST in place of FIN: what closing with a linger of 0 s does, where no shutdown went before it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def _first_half(pieces: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return pieces[: len(pieces) // 2] if len(pieces) > 1 else tuple(piece[: len(piece) // 2] for piece in pieces)


def _drop(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return


class LoopbackVendor(FakeVendor[ContentT]):
    """A vendor that an SDK reaches over HTTP. Derive from it, and write the answers in the vendor's wire format.

    Only :meth:`reply` has to be written; the other methods are there for vendors that are special.
    """

    def __init__(self) -> None:
        self._answer: Callable[[str], InferenceResult[ContentT]] | None = None
        self._fault: Fault | None = None
        self._change: Callable[[HttpReply], HttpReply] | None = None
        self._server: LoopbackServer | None = None
        self._unused: socket.socket | None = None

    @abstractmethod
    def reply(self, request: HttpRequest, answer: InferenceResult[ContentT]) -> HttpReply:
        """Write an answer in the vendor's wire format.

        Args:
            request: What the SDK sent; it states, for one, whether a stream is wanted.
            answer: What the driver's hook is to make of the reply.
        """

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:  # noqa: ARG002 - for overriders
        """Write an error in the vendor's wire format; the status and ``Retry-After`` are set for you."""
        return HttpReply.json({"error": {"message": f"The kit asked for a {status} of this model"}}, status=status)

    def malformed(self, request: HttpRequest) -> HttpReply:  # noqa: ARG002 - for overriders
        """Answer 200 with what is not the vendor's format."""
        return HttpReply(body=b"<html>Bad gateway</html>", headers={"Content-Type": "application/json"})

    def token_of(self, request: HttpRequest) -> str:
        """Find the token that identifies a call: in the address, in the body, or in base64 inside the body.

        Override it where a call takes several requests and only the first one carries the prompt.
        """
        found = TOKEN.search(request.target.encode()) or TOKEN.search(request.body)
        if found is None:
            for run in _BASE64.findall(request.body):
                found = found or TOKEN.search(_from_base64(run))
        if found is None:
            msg = f"No token of the kit in the request {request.method} {request.target}: override token_of()."
            raise LookupError(msg)
        return found[0].decode()

    def read_piece(self, piece: bytes) -> object:
        """Return the JSON in a piece of a reply; ``None`` where there is none. Override it for a binary format."""
        found = json_in(piece)
        return None if found is None else found[1]

    def write_piece(self, piece: bytes, data: object) -> bytes:
        """Return a piece of a reply with other JSON in it. Override it for a binary format."""
        found = json_in(piece)
        return piece if found is None else found[0] + json.dumps(data).encode() + found[2]

    def change_with(self, change: Callable[[HttpReply], HttpReply] | None) -> None:
        """Order that every reply is changed from now on; ``None`` takes the order back."""
        self._change = change

    @property
    def endpoint(self) -> str:
        """Where it listens; where a refused connection is ordered, a port on which nothing does."""
        if self._fault is Fault.CONNECTION_REFUSED:
            if self._unused is None:
                self._unused = socket.socket()
                self._unused.bind(("127.0.0.1", 0))  # bound, so that it stays free, and never listening
            return f"http://127.0.0.1:{self._unused.getsockname()[1]}"
        return self.server.url

    @property
    def server(self) -> LoopbackServer:
        """The server below, while the vendor is open."""
        if self._server is None:
            msg = "The vendor is not open: 'with vendor: ...'."
            raise RuntimeError(msg)
        return self._server

    @property
    def requests(self) -> Sequence[bytes]:
        """The address and the body of each request so far."""
        return [request.target.encode() + b"\n" + request.body for request in self.server.requests]

    def open(self) -> None:
        """Start listening."""
        self._server = LoopbackServer(self._serve)

    def close(self) -> None:
        """Stop listening, and raise what :meth:`reply` raised."""
        if self._unused is not None:
            self._unused.close()
        self.server.close()

    def answer_with(self, answer: Callable[[str], InferenceResult[ContentT]]) -> None:
        """Order answers."""
        self._answer = answer

    def fail_with(self, fault: Fault | None) -> None:
        """Order a fault."""
        self._fault = fault

    def wait_for_request(self, timeout: float) -> bool:
        """Wait until a request has come in; blocks."""
        return self.server.wait_for_request(timeout)

    def wait_until_let_go(self, timeout: float) -> bool:
        """Wait until no connection is open; blocks."""
        return self.server.wait_until_let_go(timeout)

    def _serve(self, request: HttpRequest) -> HttpReply:
        statuses = {Fault.UNAUTHORIZED: 401, Fault.NOT_FOUND: 404, Fault.RATE_LIMITED: 429, Fault.SERVER_ERROR: 500}
        match self._fault:
            case Fault.TIMEOUT:
                return HttpReply(ending=Ending.HANG)
            case Fault.MALFORMED:
                return self.malformed(request)
            case Fault.TRUNCATED:
                return replace(self._reply(request), ending=Ending.CUT)
            case Fault.STALLED:
                return replace(self._reply(request), ending=Ending.STALL)
            case None | Fault.CONNECTION_REFUSED:
                return self._reply(request)
        reply = self.refusal(request, statuses[self._fault])
        if self._fault is Fault.RATE_LIMITED:
            reply = replace(reply, headers={**reply.headers, "Retry-After": str(RETRY_AFTER_S)})
        return replace(reply, status=statuses[self._fault])

    def _reply(self, request: HttpRequest) -> HttpReply:
        if self._answer is None:
            msg = "No answer was ordered."
            raise RuntimeError(msg)
        reply = self.reply(request, self._answer(self.token_of(request)))
        return reply if self._change is None else self._change(reply)


def _from_base64(run: bytes) -> bytes:
    try:
        return base64.b64decode(run + b"=" * (-len(run) % 4))
    except binascii.Error:  # it only looked like it
        return b""
