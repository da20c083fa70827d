"""A file behind an address comes whole and in time or not at all, and only from where it may."""

from __future__ import annotations

import asyncio
import gzip
import socket
import subprocess
import sys
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipelex.cogt.inference import fetching
from pipelex.cogt.inference.fetching import PRIVATE_VARIABLE, fetchable
from pipelex.cogt.inference.media import MediaReadError, MediaSource
from pipelex.cogt.model_backends.model_spec import InferenceModelSpec
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing.loopback import HttpReply
from tests.providers.replay import Replay, answer, hang, raw, stall, truncated

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = raw(b"0123456789", content_type="image/png")
IN_PIECES = type(FILE)(headers={"Content-Type": "image/png"}, pieces=(b"01234", b"56789"))


@pytest.fixture
def replay() -> Iterator[Replay]:
    with Replay() as server:
        yield server


def fetch(replay: Replay, reply: HttpReply, *, max_bytes: int = 10) -> MediaSource:
    replay.on("GET /file", reply)
    return asyncio.run(MediaSource(url=f"{replay.url}/file?signature=abc").fetched(max_bytes=max_bytes))


@pytest.mark.parametrize("reply", [FILE, IN_PIECES], ids=["length", "chunked"])
def test_a_file_comes_with_its_type(replay: Replay, reply: HttpReply) -> None:
    assert MediaSource(data=b"0123456789", mime_type="image/png") == fetch(replay, reply)


@pytest.mark.parametrize(
    "reply",
    [truncated(FILE), truncated(IN_PIECES), answer({}, status=404)],
    ids=["length", "chunked", "missing"],
)
def test_a_file_that_does_not_come_whole_is_refused_and_its_address_not_told(replay: Replay, reply: HttpReply) -> None:
    with pytest.raises(MediaReadError, match="cannot be read") as caught:
        fetch(replay, reply)
    assert "signature" not in str(caught.value)


@pytest.mark.parametrize("reply", [FILE, IN_PIECES], ids=["length", "chunked"])
def test_a_file_that_is_too_large_is_refused(replay: Replay, reply: HttpReply) -> None:
    with pytest.raises(MediaReadError, match="more than the 9 bytes"):
        fetch(replay, reply, max_bytes=9)


MODEL = InferenceModelSpec(name="m", family=InferenceFamily.IMG_GEN, backend_name="b", sdk="s", model_id="m")


def redirect(url: str) -> HttpReply:
    return HttpReply(status=302, headers={"Location": url}, body=b"")


@pytest.mark.parametrize("word", ["HTTP", "http"])
def test_the_case_of_a_scheme_does_not_matter(replay: Replay, word: str) -> None:
    replay.on("GET /file", FILE)
    source = MediaSource.of(f"{replay.url}/file".replace("http", word, 1))
    assert b"0123456789" == asyncio.run(source.fetched()).data


def test_the_request_has_our_name_and_a_quoted_address(replay: Replay) -> None:
    replay.on("*", FILE)
    asyncio.run(MediaSource(url=f"{replay.url}/a b/é%20100%.png?q=ü x#part").fetched())
    assert "/a%20b/%C3%A9%20100%25.png?q=%C3%BC%20x" == replay.last.target
    assert replay.last.headers["user-agent"].startswith("pipelex/")


def test_a_host_beyond_ascii_goes_out_in_its_ascii_form() -> None:
    assert "https://xn--mnchen-3ya.test:8443/" == fetchable("https://münchen.test:8443/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://x.test/a", "only http and https"),
        ("gs://x/a", "only http and https"),
        ("https://user:canary@x.test/a", "user name or password"),
        ("https:///a", "names no host"),
        ("http://x.test:port/a", "Port"),
    ],
)
def test_an_address_that_is_not_fetched_is_refused_by_its_fault(url: str, reason: str) -> None:
    with pytest.raises(MediaReadError, match=reason) as caught:
        asyncio.run(MediaSource(url=url).fetched())
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/a", "http://u:canary@127.0.0.1/"])
def test_a_redirect_to_what_is_not_fetched_is_refused(replay: Replay, target: str) -> None:
    with pytest.raises(MediaReadError, match="cannot be read") as caught:
        fetch(replay, redirect(target))
    assert "canary" not in str(caught.value)


def test_a_redirect_is_followed(replay: Replay) -> None:
    replay.on("GET /there", FILE)
    assert b"0123456789" == fetch(replay, redirect("/there")).data


RAW_DEFLATE = zlib.compressobj(wbits=-15)
ENCODED = {
    "gzip": gzip.compress(b"01234", mtime=0) + gzip.compress(b"56789", mtime=0),
    "deflate": zlib.compress(b"0123456789"),
    "Deflate": RAW_DEFLATE.compress(b"0123456789") + RAW_DEFLATE.flush(),
    "deflate, gzip": gzip.compress(zlib.compress(b"0123456789"), mtime=0),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_content_encoding_is_undone(replay: Replay, encoding: str) -> None:
    reply = raw(ENCODED[encoding], content_type="image/png", headers={"Content-Encoding": encoding})
    assert b"0123456789" == fetch(replay, reply, max_bytes=100).data


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        ("br", b"x", "content encoding 'br'"),
        ("gzip", gzip.compress(b"0123456789", mtime=0)[:-9], "ends early"),
        ("gzip", b"\x1f\x8b" + bytes(30), "damaged"),
        ("gzip", gzip.compress(bytes(1_000_000), mtime=0), "more than the 2000 bytes"),
    ],
    ids=["unknown encoding", "half a file", "damaged", "too large"],
)
def test_what_cannot_be_decoded_is_refused(replay: Replay, encoding: str, body: bytes, reason: str) -> None:
    with pytest.raises(MediaReadError, match=reason):
        fetch(replay, raw(body, content_type="image/png", headers={"Content-Encoding": encoding}), max_bytes=2000)


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/html; charset=iso-8859-1", b"na\xefve \x80", "\ufeffnaïve €"),
        ("text/html; charset=utf-8", "<meta charset=latin-1>naïve".encode(), "\ufeff<meta charset=latin-1>naïve"),
        ("text/csv; charset=utf-16", "naïve".encode("utf-16"), "naïve"),
        ("text/csv; charset=unheard-of", b"naive", "naive"),
    ],
)
def test_text_comes_in_utf_8_where_the_answer_names_its_charset(
    replay: Replay, content_type: str, body: bytes, text: str
) -> None:
    fetched = fetch(replay, raw(body, content_type=content_type), max_bytes=100)
    assert MediaSource(data=text.encode(), mime_type=content_type.partition(";")[0]) == fetched


@pytest.mark.parametrize("kind", ["binary/octet-stream", "text/plain", ""])
def test_a_generic_or_missing_content_type_is_none(replay: Replay, kind: str) -> None:
    reply = raw(b"\x89PNG\r\n\x1a\n", content_type=kind)
    assert "image/png" == fetch(replay, replace(reply, headers={"Content-Type": kind} if kind else {})).mime_type


@pytest.mark.parametrize("reply", [hang(), stall(FILE)], ids=["no answer", "half an answer"])
def test_a_fetch_that_is_late_or_given_up_closes_its_connection(replay: Replay, reply: HttpReply) -> None:
    replay.on("GET /file", reply)
    source = MediaSource(url=f"{replay.url}/file")
    with pytest.raises(MediaReadError, match=r"within 0\.2 s"):
        asyncio.run(source.fetched(timeout_s=0.2))
    assert replay.wait_until_let_go()

    async def give_up() -> None:
        call = asyncio.ensure_future(source.fetched())
        await asyncio.to_thread(replay.wait_for_request)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(give_up())
    assert replay.wait_until_let_go()


def test_an_answer_that_drips_is_late_all_the_same_and_keeps_no_process_from_ending() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the request and never answers
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/slow.pdf"
        program = (
            "import asyncio\nfrom pipelex.cogt.inference.media import MediaSource\n"
            f"call = MediaSource.of({url!r}).fetched(timeout_s=600)\n"
            "try: asyncio.run(asyncio.wait_for(call, 0.2))\nexcept TimeoutError: print('late')"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ("late\n", "", 0) == (done.stdout, done.stderr, done.returncode)


PRIVATE = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "::ffff:10.0.0.1", "fe80::1%1"]


IN_IPV6 = ["::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:a00:1::"]


@pytest.mark.parametrize("address", [*PRIVATE, *IN_IPV6, "192.0.0.192", "224.0.0.1", "fd00::1", "fec0::1"])
def test_an_address_of_no_public_network_is_private(address: str) -> None:
    assert fetching._is_private(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_an_address_of_the_public_internet_is_not_private(address: str) -> None:
    assert not fetching._is_private(address)


def test_an_answer_may_not_name_a_private_address(replay: Replay) -> None:
    replay.on("*", FILE)
    source = MediaSource(url=f"{replay.url}/file")
    for endpoint in (None, "https://93.184.216.34/v1"):
        with pytest.raises(MediaReadError, match="private network"):
            asyncio.run(source.fetched(named_by=replace(MODEL, endpoint=endpoint)))
    assert [] == replay.requests


@pytest.mark.parametrize("endpoint", ["{url}/v1", "http://127.0.0.1:9/v1", "http://localhost/v1", "http://[::1]:1/"])
def test_an_answer_of_a_backend_in_a_private_network_may(replay: Replay, endpoint: str) -> None:
    replay.on("*", FILE)
    model = replace(MODEL, endpoint=endpoint.format(url=replay.url))
    assert FILE.body == asyncio.run(MediaSource(url=f"{replay.url}/file").fetched(named_by=model)).data


@pytest.mark.parametrize("named_by", [None, MODEL], ids=["the user's", "an answer's"])
def test_a_redirect_from_outside_into_a_private_network_is_refused(
    replay: Replay, monkeypatch: pytest.MonkeyPatch, named_by: InferenceModelSpec | None
) -> None:
    replay.on("GET /file", redirect(f"http://localhost:{replay.url.rpartition(':')[2]}/inner")).on("GET /inner", FILE)
    monkeypatch.setattr(fetching, "_is_private", lambda address: address == "localhost-is-private")
    real = socket.getaddrinfo

    def resolved(host: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = real("127.0.0.1", *arguments, **options)  # type: ignore[arg-type,assignment]
        return [(*row[:4], ("localhost-is-private", 0)) for row in found] if host == "localhost" else found

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with pytest.raises(MediaReadError, match="private network"):
        asyncio.run(MediaSource(url=f"{replay.url}/file").fetched(named_by=named_by))
    assert ["/file"] == [request.target for request in replay.requests]


def test_a_setting_decides_for_users_and_vendors_alike(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    replay.on("*", FILE)
    source = MediaSource(url=f"{replay.url}/file")
    assert FILE.body == asyncio.run(source.fetched()).data
    monkeypatch.setenv(PRIVATE_VARIABLE, "allow")
    assert FILE.body == asyncio.run(source.fetched(named_by=MODEL)).data
    monkeypatch.setenv(PRIVATE_VARIABLE, "refuse")
    for named_by in (None, replace(MODEL, endpoint=replay.url)):
        with pytest.raises(MediaReadError, match="private network"):
            asyncio.run(source.fetched(named_by=named_by))
    monkeypatch.setenv(PRIVATE_VARIABLE, "perhaps")
    with pytest.raises(MediaReadError, match=f"{PRIVATE_VARIABLE} is 'perhaps'; expected 'allow' or 'refuse'"):
        asyncio.run(source.fetched())


def test_a_proxy_in_a_private_network_is_used_and_what_is_behind_it_checked(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay.on("*", FILE)
    monkeypatch.setenv("http_proxy", replay.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert FILE.body == asyncio.run(MediaSource(url="http://93.184.216.34/file").fetched(named_by=MODEL)).data
    with pytest.raises(MediaReadError, match="private network"):
        asyncio.run(MediaSource(url="http://10.0.0.1/file").fetched(named_by=MODEL))
    assert ["http://93.184.216.34/file"] == [request.target for request in replay.requests]
