"""A secret that was read appears in no message, in none of its printed forms."""

from __future__ import annotations

import json
import traceback
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from typing import NamedTuple
from urllib.parse import quote, quote_plus

import httpx2
import pytest

from pipelex.cogt.error_body import shortened
from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.inference.media_types import beginning_of
from pipelex.plugins.raised import message_of, shown
from pipelex.redaction import keep_secret, redact, scrub
from pipelex.terminal import write_text
from tests.cogt.workers import ScriptedLLM

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


def as_dotnet(text: str) -> str:
    """Return JSON as .NET has it, which escapes more than the format asks for."""
    for character in "+'&<>":
        text = text.replace(character, f"\\u{ord(character):04X}")
    return text


FORMS: dict[str, Callable[[str], str]] = {
    "JSON of PHP": lambda secret: json.dumps(secret).replace("/", r"\/"),
    "JSON of .NET": lambda secret: as_dotnet(json.dumps(secret)),
    "JSON in JSON in JSON": lambda secret: json.dumps(json.dumps(json.dumps(secret))),
    "JSON in a repr of a repr": lambda secret: repr(repr(json.dumps(secret))),
    "ASCII": ascii,
    "each character as JSON may have it": lambda secret: "".join(
        f"\\u{unit:04x}" for unit in memoryview(secret.encode("utf-16-le")).cast("H")
    ),
    "each byte escaped": lambda secret: "".join(f"\\x{one:02x}" for one in secret.encode()),
    "each byte percent-encoded": lambda secret: "".join(f"%{one:02x}" for one in secret.encode()),
    "percent-encoded twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "a query in JSON": lambda secret: json.dumps(f"https://h.test/?key={quote_plus(secret)}&n=1"),
    "a password in an address": lambda secret: f"https://user:{quote(secret, safe='')}@h.test/",
    "HTML": escape,
    "HTML of another library": lambda secret: escape(secret).replace("&#x27;", "&apos;").replace("&quot;", "&#34;"),
    "text of an HTML element": lambda secret: escape(secret, quote=False),
    "JSON in HTML": lambda secret: escape(json.dumps(secret)),
    "HTML in JSON": lambda secret: json.dumps(escape(secret)),
    "each character as an entity": lambda secret: "".join(f"&#{ord(one)};" for one in secret),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "hexadecimal in capitals": lambda secret: secret.encode().hex().upper(),
    "base64 in an address": lambda secret: quote(b64encode(f"me:{secret}".encode()), safe=""),
    "base64 in lines": lambda secret: encodebytes(f"{'a-long-name-of-a-user' * 2}:{secret}".encode()).decode().strip(),
    "wrapped": lambda secret: "\n".join(secret[at : at + 9] for at in range(0, len(secret), 9)),
    "wrapped and indented": lambda secret: "\n    ".join(secret[at : at + 7] for at in range(0, len(secret), 7)),
    "wrapped in JSON": lambda secret: json.dumps("\r\n".join(secret[at : at + 8] for at in range(0, len(secret), 8))),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", ["HEADq+/Zaa+bb/cc+dd/ee+ffTAILgg==", "HEAD'\"&<p>%41\\n\\TAIL\xe9\U0001f511"])
def test_however_a_server_writes_a_secret_it_is_masked(secret: str, form: str) -> None:
    keep_secret(secret)
    shown = redact(f"before {FORMS[form](secret)} after")
    ends = [b64encode(bytes(n) + end)[3:7].decode() for n in range(3) for end in (b"HEADHEAD", b"TAILTAIL")]
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "[redacted]" in shown
    assert [] == [end for end in ("HEAD", "TAIL", *ends) if end in shown]


@pytest.mark.parametrize(
    "text", ["100%25 &amp; \\n, \\u0041 and\n more", "&unknown; %zz \\q \\ud800 \\", "%" * 99, "\\" * 99]
)
def test_a_text_without_a_secret_is_as_it_was(text: str) -> None:
    assert text == redact(text)
    assert f"{text}[redacted]{text}" == redact(f"{text}{CANARY}{text}")


def test_each_line_of_a_key_is_masked_alone() -> None:
    keep_secret("-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\nTheLastLineOfTheKey\n-----END KEY-----")
    assert "[redacted] and [redacted]" == redact("MIIEvQIBADANBgkqh and TheLastLineOfTheKey")


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


@pytest.mark.parametrize("cut", [shortened, message_of_error, shown, beginning_of])
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


class Slotted(Exception):
    """What it holds is in no ``__dict__``."""

    __slots__ = ("body",)
    body: object


def everything_in(error: object) -> str:
    """Return all that a reporter of errors could print of an exception, of what it holds, and of what led to it."""
    seen: dict[int, str] = {}
    pending = [error]
    while pending:
        one = pending.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        names = ("object", "filename", "strerror", "body", "__notes__")
        seen[id(one)] = f"{one} {one!r} {vars(one)} {[getattr(one, name, '') for name in names]}"
        pending += [one.__cause__, one.__context__, *vars(one).values(), *getattr(one, "exceptions", ())]
    return " ".join(seen.values())


def leaking_errors() -> dict[str, Exception]:
    noted, slotted, holding = RuntimeError("x"), Slotted("x"), BodyError(ValueError(CANARY))
    noted.add_note(CANARY)
    slotted.body = {CANARY: [CANARY]}
    of_a_driver = InferenceRequestError("refused")
    of_a_driver.__cause__ = BodyError({"headers": {"x-auth": CANARY}})
    of_a_driver.add_note(f"sent {CANARY}")
    return {
        "notes": noted,
        "slots": slotted,
        "an exception that it holds": holding,
        "what C code keeps of bytes": UnicodeDecodeError(
            "utf-8", f"{CANARY}\udc80".encode("utf-8", "surrogateescape"), 20, 21, "no"
        ),
        "what C code keeps of a file": OSError(2, f"no {CANARY}", f"/{CANARY}"),
        "keys, sets and buffers": BodyError(
            [{("h", CANARY): 1}, {CANARY}, frozenset({CANARY}), bytearray(CANARY.encode())]
        ),
        "a group in a group": ExceptionGroup("x", [ExceptionGroup("y", [KeyError(CANARY)])]),
        "the cause of an error of ours": of_a_driver,
    }


@pytest.mark.parametrize("name", leaking_errors())
def test_nothing_of_a_failed_call_shows_the_key(name: str) -> None:
    worker = ScriptedLLM()
    worker.error = error = leaking_errors()[name]
    assert CANARY in everything_in(error)
    with pytest.raises(InferenceError) as caught:
        worker.gen_text_sync("x")
    assert CANARY not in everything_in(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_what_is_written_to_standard_error_shows_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    write_text(f"warning: a library logs {CANARY}", err=True)
    write_text(f"an answer with {CANARY}")
    assert ("an answer with sk-canary-0123456789\n", "warning: a library logs [redacted]\n") == capsys.readouterr()
