"""Requests of boto3 under way on threads, each of which the event loop can end: boto3 itself has no way to stop one."""

from __future__ import annotations

import socket
from threading import Lock, Thread, local
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.inference.engine_thread import LoopMailbox

ReturnT = TypeVar("ReturnT")


class Exchange:
    """One request and its answer, on a thread of its own. Ending it shuts its connection down, which wakes the thread.

    Attributes:
        is_ended: Whether it was ended from outside.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection: OwnedConnection | None = None
        self._socket: socket.socket | None = None
        self.is_ended = False

    def run(self, send: Callable[[], ReturnT]) -> ReturnT:
        """Send the request on this thread, and read its answer.

        Args:
            send: Calls the SDK.
        """
        try:
            return self.begin(send)
        finally:
            self.leave()

    def begin(self, send: Callable[[], ReturnT]) -> ReturnT:
        """Send the request on this thread; its answer is a stream, which is read later.

        Args:
            send: Calls the SDK.
        """
        _on_this_thread.exchange = self
        try:
            return send()
        finally:
            _on_this_thread.exchange = None

    def use(self, connection: OwnedConnection) -> None:
        """Take note of the connection that carries the request."""
        with connection.owning:
            connection.owner = self
        with self._lock:
            self._connection, self._socket = connection, connection.sock
            is_ended = self.is_ended
        if is_ended:
            self.end()

    def end(self) -> None:
        """Shut the connection down; one that is not there yet, as soon as it is."""
        with self._lock:
            self.is_ended = True
            connection, connected = self._connection, self._socket
        if connection is not None and connected is not None:
            connection.shut(connected, owner=self)

    def leave(self) -> None:
        """Forget the connection: the answer is read, and another request may use it next."""
        with self._lock:
            self._connection = self._socket = None


_on_this_thread = local()


class OwnedConnection:
    """A connection of urllib3 that belongs to one exchange at a time, from the moment in which its request begins."""

    sock: socket.socket | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owning = Lock()
        self.owner: Exchange | None = None

    def connect(self) -> None:
        """Connect, and show the socket to the exchange of this thread."""
        super().connect()  # type: ignore[misc]  # of the connection that it is mixed into
        self._note()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Show the socket of a connection that is used again, and send the request."""
        self._note()
        super().request(*args, **kwargs)  # type: ignore[misc]  # likewise

    def _note(self) -> None:
        exchange: Exchange | None = getattr(_on_this_thread, "exchange", None)
        if exchange is not None and self.sock is not None:
            exchange.use(self)

    def shut(self, connected: socket.socket, *, owner: Exchange) -> None:
        """Shut a socket down, unless the connection carries the request of another exchange by now."""
        with self.owning:
            if self.owner is owner:
                try:
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)  # that of a TLS socket goes on in plain text
                except OSError:  # ended by the other side
                    return


class _Connection(OwnedConnection, AWSHTTPConnection):  # type: ignore[misc]  # botocore has no types
    pass


class _TlsConnection(OwnedConnection, AWSHTTPSConnection):  # type: ignore[misc]  # botocore has no types
    pass


class _Pool(AWSHTTPConnectionPool):  # type: ignore[misc]  # botocore has no types
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):  # type: ignore[misc]  # botocore has no types
    ConnectionCls = _TlsConnection


def show_connections(client: Any) -> None:
    """Have a client of boto3 show its connections to the exchanges that use them.

    Args:
        client: The client. Its table of connection classes is not public: ``test_bedrock_threads.py`` fails where
            another version of botocore has none.
    """
    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    classes = getattr(session, "_pool_classes_by_scheme", None)
    if isinstance(classes, dict):
        classes.update(http=_Pool, https=_TlsPool)


class EventPump:
    """Brings the events of a blocking stream to the event loop of its call.

    Args:
        exchange: The request.
        events: Where the events go; an exception is the last of them.
    """

    def __init__(self, exchange: Exchange, events: LoopMailbox[dict[str, Any] | Exception]) -> None:
        self._exchange = exchange
        self._events = events
        self._stream: Any = None

    def open(self, send: Callable[[], Any]) -> None:
        """Send the request and open the stream; blocks."""
        answer = self._exchange.begin(send)
        self._stream = answer["stream"]
        self._events.put({"ResponseMetadata": answer.get("ResponseMetadata")})
        if self._exchange.is_ended:  # its call was given up meanwhile
            self._stream.close()

    def start(self) -> None:
        """Read the stream on a thread of its own."""
        Thread(target=self._run, name="pipelex-bedrock-stream", daemon=True).start()

    def _run(self) -> None:
        failures: list[Exception] = []
        try:
            for event in self._stream:
                self._events.put(event)
        except Exception as exc:
            failures.append(exc)
        finally:
            self._exchange.leave()
            self._stream.close()
        for failure in failures:
            self._events.put(failure)
        self._events.end()
