"""The loopback server and vendor, spoken to by the standard library's client and by bare sockets."""

from __future__ import annotations

import base64
import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from pipelex.cogt.inference.inference_result import InferenceResult
from pipelex.testing.loopback import Ending, HttpReply, HttpRequest, LoopbackServer, LoopbackVendor
from pipelex.testing.vendor import Fault


@contextmanager
def connection_to(url: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def server(reply: HttpReply) -> Iterator[LoopbackServer]:
    loopback = LoopbackServer(lambda request: reply)
    try:
        yield loopback
    finally:
        loopback.close()


def test_it_answers_and_remembers_what_it_was_sent() -> None:
    with server(HttpReply.json({"a": 1}, status=201)) as loopback, connection_to(loopback.url) as connection:
        connection.request("POST", "/x?y=1", body=b'{"q": 2}', headers={"X-Key": "k"})
        answer = connection.getresponse()
        assert (201, b'{"a": 1}') == (answer.status, answer.read())
    [request] = loopback.requests
    assert ("POST", "/x?y=1", {"q": 2}, "k") == (
        request.method,
        request.target,
        request.json(),
        request.headers["x-key"],
    )
    assert "x-key" not in repr(request)


def test_a_connection_is_kept_for_the_next_request_and_a_chunked_body_is_read() -> None:
    with server(HttpReply(body=b"ok")) as loopback, connection_to(loopback.url) as connection:
        for _ in range(2):
            connection.request("POST", "/", body=iter([b"ab", b"cd"]), encode_chunked=True)
            assert b"ok" == connection.getresponse().read()
        assert 1 == len(loopback.connections)
    assert [b"abcd", b"abcd"] == [request.body for request in loopback.requests]


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (HttpReply.json_lines([{"a": 1}, {"b": 2}]), b'{"a": 1}\n{"b": 2}\n'),
        (HttpReply.events([{"a": 1}]), b'data: {"a": 1}\n\ndata: [DONE]\n\n'),
        (HttpReply.events([{"a": 1}], last=None), b'data: {"a": 1}\n\n'),
    ],
)
def test_a_stream_goes_out_in_pieces(reply: HttpReply, body: bytes) -> None:
    with server(reply) as loopback, connection_to(loopback.url) as connection:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert ("chunked", body) == (answer.headers["Transfer-Encoding"], answer.read())


def test_a_cut_reply_ends_in_the_middle() -> None:
    with (
        server(HttpReply(body=b"0123456789", ending=Ending.CUT)) as loopback,
        connection_to(loopback.url) as connection,
    ):
        connection.request("GET", "/")
        with pytest.raises(http.client.IncompleteRead) as caught:
            connection.getresponse().read()
        assert b"01234" == caught.value.partial


@pytest.mark.parametrize(("ending", "sent"), [(Ending.HANG, b""), (Ending.STALL, b"01234")])
def test_a_silent_server_notices_when_the_client_leaves(ending: Ending, sent: bytes) -> None:
    with server(HttpReply(body=b"0123456789", ending=ending)) as loopback:
        host, _, port = urlsplit(loopback.url).netloc.partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert loopback.wait_for_request(5)
            assert not loopback.wait_until_let_go(0.02)
            client.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: client.recv(1024), b""))
        assert received.endswith(sent)
        assert (ending is Ending.HANG) is (received == b"")
        assert loopback.wait_until_let_go(5)


def test_closing_lets_a_waiting_client_go() -> None:
    loopback = LoopbackServer(lambda request: HttpReply(ending=Ending.HANG))
    with connection_to(loopback.url) as connection:
        connection.request("GET", "/")
        assert loopback.wait_for_request(5)
        loopback.close()
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()


def test_what_the_test_gets_wrong_comes_out_when_it_closes() -> None:
    def serve(request: HttpRequest) -> HttpReply:
        raise LookupError("no such field")

    loopback = LoopbackServer(serve)
    with connection_to(loopback.url) as connection:
        connection.request("GET", "/")
        assert 500 == connection.getresponse().status
    with pytest.raises(LookupError, match="no such field"):
        loopback.close()


class PlainVendor(LoopbackVendor[str]):
    def reply(self, request: HttpRequest, answer: InferenceResult[str]) -> HttpReply:
        return HttpReply(body=answer.content.encode())


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/kit-00abcd", b""),
        ("/", b"Say kit-00abcd, please"),
        ("/", b'{"file": "data:x;base64,' + base64.b64encode(b"some bytes, then kit-00abcd, then more") + b'"}'),
    ],
)
def test_a_vendor_answers_each_call_by_its_token(target: str, body: bytes) -> None:
    with PlainVendor() as vendor:
        vendor.answer_with(lambda token: InferenceResult(content=f"for {token}"))
        with connection_to(str(vendor.endpoint)) as connection:
            connection.request("POST", target, body=body)
            assert b"for kit-00abcd" == connection.getresponse().read()
        assert [target.encode() + b"\n" + body] == list(vendor.requests)


def test_a_request_without_a_token_is_a_mistake_that_says_what_to_do() -> None:
    vendor = PlainVendor()
    vendor.open()
    vendor.answer_with(lambda token: InferenceResult(content=token))
    with connection_to(str(vendor.endpoint)) as connection:
        connection.request("GET", "/")
        connection.getresponse().read()
    with pytest.raises(LookupError, match=r"override token_of\(\)"):
        vendor.close()


def test_a_vendor_that_refuses_connections_refuses_them() -> None:
    with PlainVendor() as vendor:
        vendor.fail_with(Fault.CONNECTION_REFUSED)
        with connection_to(str(vendor.endpoint)) as connection, pytest.raises(ConnectionRefusedError):
            connection.request("GET", "/")


def test_a_rate_limit_says_how_long_to_wait() -> None:
    with PlainVendor() as vendor:
        vendor.fail_with(Fault.RATE_LIMITED)
        with connection_to(str(vendor.endpoint)) as connection:
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert (429, "7") == (answer.status, answer.headers["Retry-After"])
            answer.read()
