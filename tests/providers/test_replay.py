"""The scripted server does to a real HTTP client what its names say."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing

import pytest

from tests.providers import replay as scripted
from tests.providers.replay import NobodyThere, Replay


def connect(url: str, timeout: float = 5.0) -> http.client.HTTPConnection:
    host, port = url.removeprefix("http://").split(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


def post(url: str, path: str = "/x", timeout: float = 5.0) -> tuple[int, str | None, bytes]:
    """Return status, Retry-After and body."""
    with closing(connect(url, timeout)) as connection:
        connection.request("POST", path, body=b'{"a": 1}', headers={"X-Key": "k"})
        with connection.getresponse() as response:
            return response.status, response.headers["Retry-After"], response.read()


def test_answers_come_in_their_order_and_the_last_one_stays(replay: Replay) -> None:
    replay.on("POST /x", scripted.rate_limited(retry_after=3), scripted.answer({"ok": True}))
    first, second, third = post(replay.url), post(replay.url, "/x?q=1"), post(replay.url)
    assert (429, "3") == first[:2]
    assert [200, 200] == [second[0], third[0]]
    assert {"a": 1} == replay.last.json()
    assert "k" == replay.last.headers["x-key"]
    assert ["/x", "/x?q=1", "/x"] == [request.target for request in replay.requests]


def test_an_unscripted_route_is_a_404(replay: Replay) -> None:
    assert 404 == post(replay.url)[0]


def test_a_truncated_answer_ends_early(replay: Replay) -> None:
    replay.on("*", scripted.truncated(scripted.answer({"text": "x" * 100})))
    with pytest.raises(http.client.IncompleteRead):
        post(replay.url)


def test_a_reset_answer_is_a_connection_reset(replay: Replay) -> None:
    replay.on("*", scripted.reset(scripted.sse([{"n": 1}, {"n": 2}])))
    with pytest.raises(ConnectionResetError):
        post(replay.url)


@pytest.mark.parametrize("reply", [scripted.hang(), scripted.stall(scripted.sse([{"n": 1}, {"n": 2}]))])
def test_a_silent_server_lets_the_client_time_out(replay: Replay, reply: scripted.Scripted) -> None:
    replay.on("*", reply)
    with pytest.raises(TimeoutError):
        post(replay.url, timeout=0.1)


def test_events_have_names_where_the_vendor_gives_them(replay: Replay) -> None:
    replay.on("*", scripted.named_sse([("ping", {"n": 1})]))
    assert b'event: ping\ndata: {"n": 1}\n\n' == post(replay.url)[2]


def test_nobody_is_there() -> None:
    with NobodyThere() as nobody, pytest.raises(ConnectionRefusedError):
        post(nobody.url)


def test_the_server_is_gone_after_the_test() -> None:
    with Replay() as replay:
        url = replay.url
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", int(url.split(":")[2]))):
        pass
