"""What fails below HTTP is known by the names of the exceptions' classes, whichever library raised them."""

from __future__ import annotations

import json

import pytest

from pipelex.cogt.exceptions import (
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
)


class TransportError(Exception):
    """As httpx names its root."""


class TimeoutException(TransportError):
    """As httpx names its time-outs."""


class ConnectTimeout(TimeoutException):
    """A kind of both."""


class APIConnectionError(Exception):
    """As SDKs name what they wrap a fault in."""


def wrapped(fault: Exception) -> Exception:
    error = APIConnectionError("Connection error.")
    error.__cause__ = fault
    return error


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ConnectTimeout("slow"), InferenceConnectionError),
        (TimeoutException("slow"), InferenceTimeoutError),
        (TransportError("broken"), InferenceServerError),
        (ConnectionRefusedError("nobody"), InferenceConnectionError),
        (ConnectionResetError("gone"), InferenceServerError),
        (TimeoutError("slow"), InferenceTimeoutError),
    ],
)
def test_a_fault_is_found_among_the_causes(fault: Exception, kind: type[InferenceError]) -> None:
    for error in (fault, wrapped(fault)):
        named = InferenceError.from_transport(error, provider="acme", model="small")
        assert named is not None
        assert (kind, "acme", "small") == (type(named), named.provider, named.model)
        assert type(fault).__name__ in named.message


class SSLError(OSError):
    """As the standard library names it."""


@pytest.mark.parametrize("reason", ["WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "TLSV1_ALERT_PROTOCOL_VERSION"])
def test_a_server_without_tls_is_no_outage(reason: str) -> None:
    named = InferenceError.from_transport(wrapped(SSLError(f"[SSL: {reason}] as OpenSSL words it")))
    assert isinstance(named, InferenceRequestError)
    assert not named.retryable
    assert reason in named.message


def test_a_tls_connection_that_ends_early_may_be_tried_again() -> None:
    named = InferenceError.from_transport(wrapped(SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred")))
    assert not isinstance(named, InferenceRequestError)


def test_a_body_that_is_no_json_is_shown() -> None:
    for error in (fault := json.JSONDecodeError("no JSON", "<", 0), wrapped(fault)):
        named = InferenceError.from_transport(error, provider="acme", model="small")
        assert isinstance(named, InferenceInvalidAnswerError)
        assert ("acme", "small", "The answer is not JSON: <") == (named.provider, named.model, named.message)


def test_what_is_no_such_fault_has_no_name() -> None:
    assert InferenceError.from_transport(wrapped(ValueError("else")), provider="acme") is None
