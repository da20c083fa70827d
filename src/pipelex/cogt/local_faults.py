"""What fails on this machine before a byte is sent: a header, an address, a proxy setting, a file of certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")

_HEADER = (
    "A header of the request cannot be sent: the key (api_key), or an extra of the backend that is sent as a header, "
    "holds a character that HTTP does not allow, such as a line break. Nothing was sent"
)
_ENDING = "Correct or unset it"
_NAMES_OF_ADDRESS_FAULTS = {
    "UnsupportedProtocol",  # httpx, httpx2, httpcore
    "InvalidURL",  # httpx, httpx2, requests, aiohttp
    "InvalidSchema",  # requests, as the next one
    "MissingSchema",
    "LocationParseError",  # urllib3
    "NonHttpUrlClientError",  # aiohttp
}
_NAMES_OF_PROXY_FAULTS = {"InvalidProxiesConfigError", "InvalidProxyURL", "ProxySchemeUnknown"}
_NAMES_OF_CERTIFICATE_FAULTS = {"SSLCertVerificationError", "ClientConnectorCertificateError"}
_REASONS_OF_BAD_FILE = ("NO_CERTIFICATE_OR_CRL_FOUND", "PEM", "BAD_BASE64_DECODE", "NO_START_LINE")  # of OpenSSL
_REASONS_OF_NO_TLS = (  # of OpenSSL, by version and by the first bytes that came
    *("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"),
    *("UNSUPPORTED_PROTOCOL", "ALERT_PROTOCOL_VERSION", "HANDSHAKE_FAILURE", "NO_PROTOCOLS_AVAILABLE"),
)
_FILE_FAULTS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


def local_fault(error: BaseException) -> str | None:
    """Return what is wrong on this machine, where that is what an exception means; never with a value in it.

    Args:
        error: One exception of the chain that the SDK raised.
    """
    names = {base.__name__ for base in type(error).__mro__}
    text = str(error)
    if names & _NAMES_OF_PROXY_FAULTS or ("proxy" in text.lower() and isinstance(error, ValueError | ImportError)):
        return _proxy_fault(is_socks="socks" in text.lower())
    if names & _NAMES_OF_ADDRESS_FAULTS:
        proxies = _variables(_PROXIES)
        beside = f", or the proxy that is set in the environment ({proxies}) is none" if proxies else ""
        return f"The endpoint of the backend is no address of the form 'https://host/path'{beside}. Nothing was sent"
    if names & _NAMES_OF_CERTIFICATE_FAULTS:
        return (
            "The certificate of the server is not trusted here. Where the server, or a proxy before it, has a "
            f"certificate authority of its own, name its file in SSL_CERT_FILE (set: "
            f"{_variables(_CERTIFICATES) or 'none'}). Nothing was sent"
        )
    if isinstance(error, UnicodeEncodeError):
        return (
            "A text of the request cannot be encoded: a text holds half of a surrogate pair, or the key or an extra "
            "that is sent as a header holds a character that is not ASCII. Nothing was sent"
        )
    if "LocalProtocolError" in names or "InvalidHeader" in names:  # h11, httpcore, httpx; requests
        is_header = "header" in text.lower()
        return _HEADER if is_header else f"The request is none that HTTP allows ({text}). Nothing was sent whole"
    return _tls_fault(names, text) or _certificate_fault(error, text)


def _tls_fault(names: set[str], text: str) -> str | None:
    """Return why no TLS connection can ever come about; ``None`` where it may the next time."""
    if "SSLError" not in names or not any(reason in text for reason in _REASONS_OF_NO_TLS):
        return None
    proxies = _variables(_PROXIES)
    beside = f" (or that of the proxy that is set in the environment: {proxies})" if proxies else ""
    return (
        f"The address of the backend{beside} begins with 'https://', and the server there speaks no TLS, or no version "
        f"of it that is allowed here ({text}). Correct the endpoint: 'http://' where the server has no TLS, or its "
        "other port. Nothing was sent"
    )


def _proxy_fault(*, is_socks: bool) -> str:
    set_in = f"is set in the environment ({_variables(_PROXIES) or 'no variable'})"
    if is_socks:
        return (
            f"A SOCKS proxy {set_in}, and the package for it is not installed, or the scheme is none that it knows. "
            f"Install 'socksio' and write 'socks5://host:port', or unset it"
        )
    return f"A proxy {set_in} that is no address of the form 'http://host:port'. {_ENDING}"


def _certificate_fault(error: BaseException, text: str) -> str | None:
    """Return which variable names certificates that cannot be read; ``None`` where the fault is another one."""
    from os import R_OK, access, environ

    variables = _variables(_CERTIFICATES)
    if not variables or not isinstance(error, OSError):
        return None
    is_bad_file = any(reason in text.upper() for reason in _REASONS_OF_BAD_FILE) and "SSLError" in type(error).__name__
    missing = [name for name in _CERTIFICATES if environ.get(name) and not access(environ[name], R_OK)]
    if missing and (isinstance(error, _FILE_FAULTS) or "bundle" in text.lower()):
        return f"The environment variable {', '.join(missing)} names certificates that cannot be read. {_ENDING}"
    if is_bad_file:
        return f"The environment variable {variables} names a file that holds no certificates. {_ENDING}"
    return None


def _variables(names: Iterable[str]) -> str:
    """Return which variables of these names are set, in either spelling."""
    from os import environ

    return ", ".join(name for upper in names for name in (upper, upper.lower()) if environ.get(name))
