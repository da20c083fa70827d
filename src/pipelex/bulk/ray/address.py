"""A check that a Ray cluster answers at an address: Ray itself tries to connect for minutes before it gives up.

One request is sent by gRPC. That needs no more of HTTP/2 (RFC 9113) than a few frames, with headers in their plain form
(RFC 7541, 6.2.2).
"""

from __future__ import annotations

import os
import socket
from time import monotonic

from pipelex.bulk.exceptions import ClusterUnreachableError

_TLS = "RAY_USE_TLS"
_ANSWER_S = 5.0  # how long an answer may take
_DATA, _HEADERS, _SETTINGS = 0, 1, 4  # types of frames
_END_STREAM, _END_HEADERS = 1, 4  # their flags
_FRAME_HEAD, _LONGEST_FRAME = 9, 1 << 14
_MESSAGE_HEAD = 5  # of gRPC: no compression, and the length
_POST_BY_HTTP = b"\x83\x86"  # of the table of well-known headers (RFC 7541, appendix A)
_QUESTION = "/ray.rpc.NodeInfoGcsService/CheckAlive"  # what the health check of Ray calls
_UNAUTHENTICATED = b"\x0bgrpc-status\x0216"  # what Ray answers where RAY_AUTH_MODE asks for a token


def check_reachable(address: str) -> None:
    """Check that a Ray cluster answers at an address.

    Args:
        address: ``HOST:PORT``; any other address is Ray's business, and so is one with TLS.

    Raises:
        ClusterUnreachableError: None does.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return
    until = monotonic() + _ANSWER_S
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S) as connection:
            if os.environ.get(_TLS, "0") == "1":
                return
            connection.sendall(_request(address))
            is_cluster = _is_of_ray(*_answer(connection, until))
    except EOFError:
        is_cluster = False
    except (OSError, OverflowError) as exc:
        raise ClusterUnreachableError(address=address, reason=str(exc)) from exc
    if not is_cluster:
        raise ClusterUnreachableError(address=address, reason="what listens there is no Ray cluster")


def _request(address: str) -> bytes:
    headers = {":path": _QUESTION, ":authority": address, "content-type": "application/grpc", "te": "trailers"}
    plain = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + _frame(_SETTINGS)
        + _frame(_HEADERS, _END_HEADERS, _POST_BY_HTTP + plain, stream=1)
        + _frame(_DATA, _END_STREAM, bytes(_MESSAGE_HEAD), stream=1)  # an empty message
    )


def _text(text: str) -> bytes:
    data = text.encode()[:0x7E]  # the length of a longer one takes more than a byte
    return bytes((len(data),)) + data


def _frame(kind: int, flags: int = 0, payload: bytes = b"", *, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _answer(connection: socket.socket, until: float) -> tuple[int, bytes]:
    """Return the type and the payload of the frame with the answer, or with the status where there is no answer.

    Raises:
        EOFError: What answers does not use HTTP/2, or ends the connection.
        TimeoutError: There is no answer in time.
    """
    while True:
        head = _received(connection, _FRAME_HEAD, until)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        if length > _LONGEST_FRAME:
            raise EOFError
        payload = _received(connection, length, until)
        if kind == _DATA or (kind == _HEADERS and flags & _END_STREAM):
            return kind, payload


def _received(connection: socket.socket, count: int, until: float) -> bytes:
    data = b""
    while len(data) < count:
        left_s = until - monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left_s)
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _is_of_ray(kind: int, payload: bytes) -> bool:
    if kind == _HEADERS:
        return _UNAUTHENTICATED in payload
    return payload[:_MESSAGE_HEAD] == b"\0" + (len(payload) - _MESSAGE_HEAD).to_bytes(4, "big", signed=True)
