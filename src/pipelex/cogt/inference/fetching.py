"""Files behind ``http`` and ``https`` addresses, by the standard library's client on a daemon thread."""

from __future__ import annotations

import os
import re
import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from pipelex.cogt.inference.daemon_thread import on_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPMessage, HTTPResponse
    from ipaddress import IPv4Address, IPv6Address
    from typing import IO
    from urllib.parse import SplitResult

PRIVATE_VARIABLE = "PIPELEX_PRIVATE_ADDRESSES"
"""The environment variable that allows (``allow``) or refuses (``refuse``) private addresses, whoever names them."""

_SCHEMES = ("http", "https")
_NOT_GLOBAL = ("192.0.0.0/24", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10")
"""Special-purpose networks of IANA's registries, and IPv4 inside IPv6, that ``ipaddress`` takes for global."""
_MARK = re.compile(r"[^!#-;=?-\[\]_a-z~]|%(?![0-9a-f]{2})", re.IGNORECASE)  # what RFC 3986 does not allow
_LATIN_1 = {"iso8859-1", "ascii", "latin_1"}  # read as windows-1252: https://encoding.spec.whatwg.org/#names-and-labels


class FetchedFile(NamedTuple):
    """What an address answered.

    Attributes:
        data: The file, its content encoding undone, text in UTF-8 where the answer names another charset.
        mime_type: The media type that the answer declares, if any.
    """

    data: bytes
    mime_type: str | None


class PrivateAddresses:
    """Whether private, loopback and link-local addresses may be fetched; asked after each name is resolved.

    Args:
        endpoint: The endpoint of the backend whose answer names the address. Its origin may be fetched, and any private
            address where it is one itself.
        by_vendor: Whether a vendor's answer names the address, rather than the user.

    Raises:
        ValueError: The environment variable holds another word than ``allow`` and ``refuse``.
    """

    def __init__(self, *, by_vendor: bool = False, endpoint: str | None = None) -> None:
        setting = os.environ.get(PRIVATE_VARIABLE, "").strip().lower()
        if setting not in {"", "allow", "refuse"}:
            msg = f"the environment variable {PRIVATE_VARIABLE} is {setting!r}; expected 'allow' or 'refuse'"
            raise ValueError(msg)
        self._are_refused = setting == "refuse" or (by_vendor and setting != "allow")
        self._are_allowed = setting == "allow"
        self._endpoint = urlsplit(endpoint) if endpoint and by_vendor and setting != "refuse" else None

    def check(self, url: str, addresses: list[str]) -> None:
        """Refuse an address. A public one may not redirect to a private one, which the user has not named then.

        Args:
            url: The address; the first one of a fetch, or that of a redirect.
            addresses: The IP addresses of its host.

        Raises:
            OSError: One of them is private and may not be fetched.
        """
        if not any(map(_is_private, addresses)):
            self._are_refused = not self._are_allowed
        elif self._are_refused and not self._is_of_endpoint(url):
            msg = (
                "its host is in a private network, from which nothing is fetched for a model's answer, after a "
                f"redirect from outside, or where {PRIVATE_VARIABLE}=refuse; {PRIVATE_VARIABLE}=allow allows it"
            )
            raise OSError(msg)

    def _is_of_endpoint(self, url: str) -> bool:
        endpoint = self._endpoint
        if endpoint is None or endpoint.hostname is None:
            return False
        given = urlsplit(url)
        if (given.scheme, given.hostname, _port(given)) == (endpoint.scheme, endpoint.hostname, _port(endpoint)):
            return True
        return any(map(_is_private, addresses_of(endpoint.hostname)))


def addresses_of(host: str) -> list[str]:
    """Return the IP addresses of a host; none where its name is not known here."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _is_private(address: str) -> bool:
    """Return whether an IP address is outside the public internet; IPv4 inside IPv6 counts as IPv4."""
    from ipaddress import ip_address, ip_network

    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if found.version == 6 and found.packed.startswith(b"\0\x64\xff\x9b" + bytes(8)):  # NAT64, RFC 6052
        inner = ip_address(found.packed[12:])
    known = inner if inner is not None else found
    is_global = known.is_global and not any(known in ip_network(network) for network in _NOT_GLOBAL)
    return not is_global or known.is_multicast


def fetchable(url: str) -> str:
    """Return an address as it goes out: spaces and letters beyond ASCII are quoted.

    Args:
        url: The address.

    Raises:
        ValueError: It is no ``http`` or ``https`` address, has no host, or holds a user name or a password.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in _SCHEMES:
        msg = "only http and https addresses are fetched"
    elif parts.username is not None or parts.password is not None:
        msg = "the address holds a user name or password; fetch it yourself and give the bytes"
    elif not parts.hostname:
        msg = "the address names no host"
    else:
        host = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode("ascii")
        rest = [_MARK.sub(lambda found: quote(found.group(), safe=""), part) for part in (parts.path, parts.query)]
        _ = parts.port  # a ValueError where it is no number
        return urlunsplit((parts.scheme, host, *rest, ""))
    raise ValueError(msg)


async def fetch(url: str, *, max_bytes: int, timeout_s: float, private: PrivateAddresses) -> FetchedFile:
    """Fetch an address. Given up, or late, the connection is closed.

    Args:
        url: The address.
        max_bytes: The most bytes to take; one more is returned where there are more.
        timeout_s: The longest time for the whole of it, redirects included, in seconds.
        private: Whether private addresses may be fetched.

    Raises:
        OSError: It cannot be fetched; a ``TimeoutError`` is one.
        ValueError: The address cannot be fetched from.
    """
    import asyncio

    fetching = _Fetching(fetchable(url), max_bytes, timeout_s, private)
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await on_daemon_thread(fetching.run)
    except TimeoutError as exc:
        if not limit.expired():
            raise
        msg = f"it did not come whole within {timeout_s:g} s"
        raise TimeoutError(msg) from exc
    finally:
        fetching.close()


class _Fetching:
    """One fetch: blocks on its own thread, and is ended from another by closing its connection.

    Args:
        url: The address, quoted.
        max_bytes: The most bytes to take.
        timeout_s: The longest wait for a connection or for bytes, in seconds; how long all may take is the caller's.
        private: Whether private addresses may be fetched.
    """

    def __init__(self, url: str, max_bytes: int, timeout_s: float, private: PrivateAddresses) -> None:
        self._url = url
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._private = private
        self._lock = Lock()
        self._handle: socket.socket | None = None
        self._is_closed = False

    def close(self) -> None:
        """End whatever is under way."""
        with self._lock:
            self._is_closed = True
            handle, self._handle = self._handle, None
        _shut(handle)

    def run(self) -> FetchedFile:
        """Fetch.

        Raises:
            OSError: It cannot be fetched.
            ValueError: A redirect leads to what is not fetched.
        """
        request = Request(self._url, headers={"User-Agent": _user_agent(), "Accept": "*/*"})  # noqa: S310 - checked
        try:
            with self._opener().open(request, timeout=self._timeout_s) as answer:
                data = answer.read(self._max_bytes + 1)
                missing = answer.length if len(data) <= self._max_bytes else 0
        except HTTPError as exc:
            exc.close()
            raise OSError(_refusal(exc)) from None
        except URLError as exc:
            raise exc.reason if isinstance(exc.reason, OSError) else OSError(str(exc.reason)) from None
        except HTTPException as exc:
            raise OSError(type(exc).__name__) from exc
        if missing:  # a body that ends early is an error of its own only where no number of bytes is asked for
            msg = f"the connection ended {missing} bytes before the file did"
            raise OSError(msg)
        headers = answer.headers
        data = _decoded(data, ",".join(headers.get_all("Content-Encoding") or ()), self._max_bytes)
        mime_type = headers.get_content_type() if headers.get("Content-Type") else None
        return FetchedFile(_in_utf8(data, mime_type, headers.get_content_charset()), mime_type)

    def connect(self, request: Request, host: str, port: int) -> socket.socket:
        """Connect to the host of a request, or to its proxy, whose addresses are not ours to judge.

        Raises:
            OSError: There is no connection to be had, or it may not be had.
        """
        target = urlsplit(request.full_url)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        is_proxied = (target.hostname or "", _port(target)) != (host.strip("[]").lower(), port)
        addresses = addresses_of(target.hostname or "") if is_proxied else [str(row[4][0]) for row in found]
        self._private.check(request.full_url, addresses)
        error: OSError | None = None
        for family, kind, protocol, _, place in found:
            connection = socket.socket(family, kind, protocol)
            try:
                self._take(connection)
                connection.settimeout(self._timeout_s)
                connection.connect(place)
            except OSError as exc:
                connection.close()
                error = exc
            else:
                return connection
        raise error or OSError("its host has no address")

    def _take(self, connection: socket.socket) -> None:
        """Keep a handle to a connection, by which it can be ended also while it is wrapped for TLS."""
        handle = connection.dup()
        with self._lock:
            is_closed = self._is_closed
            former, self._handle = self._handle, None if is_closed else handle
        _shut(former)
        if is_closed:
            _shut(handle)
            msg = "the fetch was given up"
            raise OSError(msg)

    def _opener(self) -> OpenerDirector:
        """Return what opens ``http`` and ``https`` alone, through the proxies of the environment."""
        opener = OpenerDirector()
        for handler in (
            ProxyHandler(),
            UnknownHandler(),
            _Connecting(self),
            HTTPDefaultErrorHandler(),
            _Redirects(),
            HTTPErrorProcessor(),
        ):
            opener.add_handler(handler)
        return opener


def _shut(handle: socket.socket | None) -> None:
    if handle is None:
        return
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:  # not connected, or ended by the other side
        pass
    finally:
        handle.close()


class _Connecting(HTTPSHandler):
    """Opens ``http`` and ``https`` over connections that a fetch makes, checks and can end."""

    def __init__(self, fetching: _Fetching) -> None:
        super().__init__()
        self._fetching = fetching

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._maker(HTTPConnection, req), req)

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self._maker(HTTPSConnection, req), req)

    http_request = HTTPSHandler.https_request

    def _maker(self, kind: type[HTTPConnection], request: Request) -> Callable[..., HTTPConnection]:
        def make(host: str, **options: Any) -> HTTPConnection:
            connection: Any = kind(host, **options)
            connection._create_connection = lambda place, *_: self._fetching.connect(request, *place)
            return cast("HTTPConnection", connection)

        return make


class _Redirects(HTTPRedirectHandler):
    """Follows redirects to what is fetched, and refuses the others."""

    def redirect_request(  # noqa: PLR0917 - the signature of the standard library
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        try:
            address = fetchable(newurl)
        except ValueError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, address)


def _refusal(error: HTTPError) -> str:
    """Return why an address does not answer with a file; its own text may hold an address, which may be a secret."""
    if 300 <= error.code < 400:
        return f"the server redirects (HTTP {error.code}) to what is not fetched, or without end"
    return f"the server answers HTTP {error.code}"


def _user_agent() -> str:
    from pipelex.installation import DISTRIBUTION, installed_version

    return f"{DISTRIBUTION}/{installed_version() or '0'}"


def _decoded(data: bytes, encodings: str, max_bytes: int) -> bytes:
    """Undo the content encoding (RFC 9110, 8.4), and no more of it than one byte beyond what is taken."""
    for encoding in reversed([name.strip().lower() for name in encodings.split(",")]):
        if encoding in {"", "identity"} or len(data) > max_bytes:
            continue
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            msg = f"the server answers in the content encoding '{encoding}', which was not asked for"
            raise OSError(msg)
        data = _inflated(data, max_bytes + 1)
    return data


def _inflated(data: bytes, most: int) -> bytes:
    import zlib

    window = 47 if data[:2] == b"\x1f\x8b" or data[:1] == b"\x78" else -15  # some servers send deflate without a frame
    whole = b""
    try:
        while data and len(whole) < most:
            inflating = zlib.decompressobj(window)
            whole += inflating.decompress(data, most - len(whole))
            if not inflating.eof and len(whole) < most:
                msg = "the compressed file ends early"
                raise OSError(msg)
            data = inflating.unused_data
    except zlib.error as exc:
        msg = "the compressed file is damaged"
        raise OSError(msg) from exc
    return whole


def _in_utf8(data: bytes, mime_type: str | None, charset: str | None) -> bytes:
    """Return text in UTF-8 where the answer names its charset: that of the header decides, not the page's.

    A page of HTML gets a byte order mark, which outdoes its own ``<meta charset>``
    (https://html.spec.whatwg.org/#determining-the-character-encoding).
    """
    if charset is None or mime_type is None or not mime_type.startswith("text/"):
        return data
    import codecs

    try:
        name = codecs.lookup(charset).name
        text = data.decode("cp1252" if name in _LATIN_1 else name)
    except (LookupError, UnicodeError):  # no charset that is known, or not the file's
        return data
    mark = "\ufeff" if mime_type == "text/html" and not text.startswith("\ufeff") else ""
    return (mark + text).encode("utf-8", "surrogatepass")
