"""A secret that was read appears in no message, in none of its printed forms."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, quote_plus

import httpx2
import pytest

from pipelex.cogt.error_body import shortened
from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.inference.media_types import beginning_of
from pipelex.plugins.contribution_checks import _shown
from pipelex.plugins.raised import message_of
from pipelex.plugins.returned_values import shown
from pipelex.redaction import keep_secret, redact, scrub
from tests.cogt.workers import ScriptedLLM

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "sk-canary-0123456789"
ODD = "sk-\"canary\\ \t'äö/+%\n\x7f"


def message_of_error(text: str) -> str:
    """Cut the message of an exception."""
    return message_of(ValueError(text))


@pytest.fixture(autouse=True)
def canary() -> None:
    keep_secret(CANARY)


def test_an_sdks_message_that_quotes_the_key_is_masked_in_error_cause_and_json() -> None:
    worker = ScriptedLLM()
    cause = RuntimeError(f"Incorrect API key provided: {CANARY}")
    cause.__cause__ = ValueError(f"header Authorization: Bearer {CANARY}")
    worker.error = cause
    with pytest.raises(InferenceError) as caught:
        worker.gen_text_sync("x")
    shown = [str(caught.value), repr(caught.value), json.dumps(caught.value.to_dict())]
    shown += [repr(caught.value.__cause__), repr(cause.__cause__), caught.value.message]
    assert all(CANARY not in text for text in shown)
    assert "[redacted]" in str(caught.value)


@pytest.mark.parametrize("secret", [f"{CANARY}\n", f"  {CANARY}\r\n", ODD, "p\udc80canary", "<a>&'canary'\"c\""])
def test_every_printed_form_of_a_secret_is_masked(secret: str) -> None:
    keep_secret(secret)
    raw = secret.encode("utf-8", "surrogatepass")
    printed = {
        "as it is": f"a {secret} b",
        "stripped": f"a {secret.strip()} b",
        "repr": repr(f"a {secret} b"),
        "repr beside quotes": repr(f"'a' \"a\" {secret} b"),
        "repr of bytes": repr(b"Bearer " + raw),
        "repr of a repr": repr(repr(b"Bearer " + raw)),
        "JSON": json.dumps(secret),
        "JSON in UTF-8": json.dumps(secret, ensure_ascii=False),
        "JSON in JSON": json.dumps(json.dumps(secret)),
        "JSON in a repr": repr(json.dumps({"key": secret})),
        "percent-encoded": quote(raw, safe=""),
        "in a path": quote(raw),
        "in a query": quote_plus(raw),
    }
    assert [] == [
        name for name, text in printed.items() if "canary" in redact(text) or "[redacted]" not in redact(text)
    ]


@pytest.mark.parametrize("user", ["", "u", "us", "user"])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_password_is_masked_inside_base64(user: str, encode: type[bytes]) -> None:
    header = encode(f"{user}:{CANARY}".encode()).decode()
    shown = redact(f"Basic {header}")
    assert "[redacted]" in shown
    assert len(shown) - len("Basic [redacted]") <= len(user) + 8  # what is left is the user's name


def test_the_longest_secret_is_masked_first() -> None:
    keep_secret(f"{CANARY}-and-more")
    assert "[redacted]" == redact(f"{CANARY}-and-more")


@pytest.mark.parametrize("cut", [shortened, message_of_error, shown, _shown, beginning_of])
@pytest.mark.parametrize("wrapped", ["{}", "<b>{}</b>", "\\u003c{}"])
def test_a_text_that_is_cut_shows_no_half_of_a_secret(cut: Callable[[str], str], wrapped: str) -> None:
    secret = "canary\t<i>Kq7x  Wm4Tail+/"
    keep_secret(secret)
    texts = [
        cut("." * length + wrapped.format(secret)) for length in (*range(20, 70), *range(460, 510), *range(1960, 2010))
    ]
    assert [] == [text for text in texts if "canary" in text or "Wm4" in text]


@pytest.mark.parametrize("value", ["Bearer k-canary0", "Token  k-canary0", "user:k-canary0", "Basic user:k-canary0"])
def test_a_part_of_a_secret_that_servers_take_out_is_masked(value: str) -> None:
    keep_secret(value)
    assert "Bearer Token user [redacted]" == redact("Bearer Token user k-canary0")


def test_a_plain_word_of_a_secret_is_shown() -> None:
    keep_secret("My Application https://localhost")
    assert "Application at //localhost" == redact("Application at //localhost")


def test_a_short_word_is_no_secret() -> None:
    keep_secret("eu")
    assert "neutral" == redact("neutral")


def test_scrubbing_ends_where_exceptions_point_at_each_other() -> None:
    one, two = ValueError(CANARY), ValueError(CANARY)
    one.__cause__, two.__cause__ = two, one
    scrub(one)
    assert [("[redacted]",), ("[redacted]",)] == [one.args, two.args]


class Pair(NamedTuple):
    """A row of a container."""

    name: str
    value: object


class BodyError(Exception):
    """As SDKs write theirs."""

    def __init__(self, body: object) -> None:
        self.body = body
        super().__init__("no")


def test_scrubbing_reaches_into_what_an_exception_holds() -> None:
    request = httpx2.Request(
        "POST", f"http://localhost/?key={CANARY}", headers={"x-auth": CANARY}, content=f"{CANARY} asks".encode()
    )
    response = httpx2.Response(401, json={"error": {"message": f"no such key: {CANARY}"}}, request=request)
    cyclic: dict[str, object] = {"list": [CANARY, (CANARY, Pair("a", CANARY.encode()))]}
    cyclic["self"] = cyclic
    error = BodyError(cyclic)
    error.__context__ = ExceptionGroup(CANARY, [ValueError({"nested": [CANARY]})])
    error.__cause__ = httpx2.HTTPStatusError("no", request=request, response=response)
    scrub(error)
    group = error.__context__
    shown = [repr(error.body), repr(group), response.text, str(request.headers.raw), repr(response.content)]
    shown += [str(request.url), repr(request.content), repr(vars(response)), repr(vars(request))]
    assert [] == [text for text in shown if CANARY in text]
    assert "[redacted]" in response.text
    assert isinstance(cyclic["list"][1][1], Pair)  # type: ignore[index]  # the list that was put in above
