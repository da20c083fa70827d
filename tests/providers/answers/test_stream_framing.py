"""Streams as servers frame them: every driver reads them, names the error among them, and keeps what came before it."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cogt.exceptions import (
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRateLimitError,
    InferenceServerError,
)
from pipelex.generated.builtins import AnthropicPlugin, GooglePlugin, MistralPlugin, OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.plugins.sdk_client_registry import SdkClientRegistry
from pipelex.testing.loopback import HttpReply
from tests.providers.anthropic import wire as anthropic_wire
from tests.providers.calls import Caller
from tests.providers.google import wire as google_wire
from tests.providers.mistral import wire as mistral_wire
from tests.providers.openai import wire
from tests.providers.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.plugins.contract import PipelexPlugin

TEXT = "Hello é"
ERROR = json.dumps({"error": {"message": "boom", "type": "server_error"}})


class Vendor(NamedTuple):
    """A driver, and the stream that its vendor sends.

    Attributes:
        events: The events; the text is whole after the first half of them.
        is_named: Whether the vendor names its events.
        end: What the vendor sends after the last one.
    """

    plugin: type[PipelexPlugin]
    events: list[dict[str, Any]]
    is_named: bool = False
    end: str = ""

    def stream(self, *, is_named: bool | None = None, end: str | None = None, indent: int | None = None) -> str:
        """Return the stream as text."""
        named = self.is_named if is_named is None else is_named
        return "".join(self.framed(event, is_named=named, indent=indent) for event in self.events) + (
            self.end if end is None else end
        )

    def framed(self, event: dict[str, Any], *, is_named: bool, indent: int | None = None) -> str:
        """Return one event as text."""
        name = f"event: {event['type']}\n" if is_named else ""
        return name + "".join(f"data: {line}\n" for line in json.dumps(event, indent=indent).splitlines()) + "\n"

    def beginning(self, end: int) -> str:
        """Return the stream up to one of its events, which is left out."""
        return "".join(self.framed(event, is_named=self.is_named) for event in self.events[:end])

    @property
    def middle(self) -> int:
        """How many events the first half has: the text or a piece of it is among them."""
        return len(self.events) // 2 + 1


def responses() -> list[dict[str, Any]]:
    """Return the events of the Responses API."""
    reply = wire.response_events(["Hel", "lo é"], wire.response(TEXT))
    return [json.loads(piece.partition(b"data: ")[2]) for piece in reply.pieces or ()]


HEAVY = ("openai_responses", "mistral")  # likewise read as chat completions are
DONE = "data: [DONE]\n\n"
VENDORS = {
    "openai": Vendor(OpenaiPlugin, wire.completion_chunks(["Hel", "lo é"]), end=DONE),
    "openai_responses": Vendor(OpenaiPlugin, responses(), is_named=True),
    "anthropic": Vendor(AnthropicPlugin, [event for _, event in anthropic_wire.events(TEXT)], is_named=True),
    "google": Vendor(GooglePlugin, google_wire.pieces(TEXT)),
    "mistral": Vendor(MistralPlugin, mistral_wire.chunks(TEXT), end=DONE),
}
SDKS = [pytest.param(sdk, marks=[pytest.mark.heavy] if sdk in HEAVY else []) for sdk in VENDORS]


def reply(body: str | bytes, *, content_type: str = "text/event-stream", size: int = 100_000) -> HttpReply:
    """Answer with a body, in pieces of a size."""
    data = body.encode() if isinstance(body, str) else body
    pieces = tuple(data[start : start + size] for start in range(0, len(data), size))
    return HttpReply(headers={"Content-Type": content_type}, pieces=pieces)


FRAMINGS: dict[str, Callable[[Vendor], HttpReply]] = {
    "as documented": lambda vendor: reply(vendor.stream()),
    "CRLF": lambda vendor: reply(vendor.stream().replace("\n", "\r\n")),
    "CRLF, cut everywhere": lambda vendor: reply(vendor.stream().replace("\n", "\r\n"), size=3),
    "CR": lambda vendor: reply(vendor.stream().replace("\n", "\r")),
    "byte order mark": lambda vendor: reply("\ufeff" + vendor.stream()),
    "byte order mark, cut": lambda vendor: reply("\ufeff" + vendor.stream(), size=2),
    "empty lines before": lambda vendor: reply("\n\n" + vendor.stream()),
    "comments between": lambda vendor: reply(": hi\n\n" + vendor.stream().replace("\n\n", "\n\n: keep-alive\n\n")),
    "comments inside": lambda vendor: reply(vendor.stream().replace("data:", ": PROCESSING\ndata:")),
    "colons": lambda vendor: reply(vendor.stream().replace("\n\n", "\n\n:\n\n")),
    "no empty line at the end": lambda vendor: reply(vendor.stream(end="").rstrip("\n")),
    "one line feed at the end": lambda vendor: reply(vendor.stream()[:-1]),
    "no names": lambda vendor: reply(vendor.stream(is_named=False)),
    "one name for all": lambda vendor: reply(vendor.stream(is_named=False).replace("data:", "event: message\ndata:")),
    "empty names": lambda vendor: reply(vendor.stream(is_named=False).replace("data:", "event:\ndata:")),
    "ids and retry": lambda vendor: reply("retry: 3000\n\n" + vendor.stream().replace("data:", "id: 7\ndata:")),
    "no space": lambda vendor: reply(vendor.stream().replace("data: ", "data:")),
    "more spaces": lambda vendor: reply(vendor.stream().replace("data: ", "data:   ")),
    "pretty-printed": lambda vendor: reply(vendor.stream(indent=2)),
    "no empty lines": lambda vendor: reply(vendor.stream().replace("\n\n", "\n")),
    "no fields": lambda vendor: reply("".join(json.dumps(event) + "\n" for event in vendor.events)),
    "pretty-printed without fields": lambda vendor: reply(
        "\n".join(json.dumps(event, indent=1) for event in vendor.events)
    ),
    "an array": lambda vendor: reply(json.dumps(vendor.events, indent=1)),
    "lines of JSON": lambda vendor: reply(
        "".join(json.dumps(event) + "\n" for event in vendor.events), content_type="application/x-ndjson"
    ),
    "called text": lambda vendor: reply(vendor.stream(), content_type="text/plain"),
    "called JSON": lambda vendor: reply(vendor.stream(), content_type="application/json"),
    "called nothing": lambda vendor: reply(vendor.stream(), content_type=""),
    "called in capitals": lambda vendor: reply(vendor.stream(), content_type="Text/Event-Stream; charset=UTF-8"),
    "[DONE]": lambda vendor: reply(vendor.stream(end=DONE)),
    "no [DONE]": lambda vendor: reply(vendor.stream(end="")),
    "[DONE] without a space": lambda vendor: reply(vendor.stream(end="data:[DONE]\n\n")),
    "[DONE] with a space behind": lambda vendor: reply(vendor.stream(end="data: [DONE] \n\n")),
    "[DONE] without a field": lambda vendor: reply(vendor.stream(end="[DONE]\n\n")),
    "[DONE] with a name": lambda vendor: reply(vendor.stream(end=f"event: done\n{DONE}")),
    "[DONE] and more": lambda vendor: reply(vendor.stream(end=f"{DONE}data: {ERROR}\n\n<html>")),
    "an empty event named done": lambda vendor: reply(vendor.stream(end="event: done\ndata: {}\n\n")),
    "events without data": lambda vendor: reply(vendor.stream().replace("\n\n", "\n\ndata:\n\n")),
    "null events": lambda vendor: reply(vendor.stream(end="data: null\n\n")),
    "named pings": lambda vendor: reply(vendor.stream().replace("\n\n", "\n\nevent: ping\ndata: {}\n\n", 2)),
    "pings by their type": lambda vendor: reply(vendor.stream().replace("\n\n", '\n\ndata: {"type": "ping"}\n\n', 2)),
    "pings in a word": lambda vendor: reply(vendor.stream().replace("\n\n", "\n\ndata: ping\n\n", 2)),
    "a byte without meaning": lambda vendor: reply(vendor.stream().replace("\n\n", "\n\n\0\n\n", 2)),
}
ERRORS: dict[str, tuple[type[InferenceError], str]] = {
    "an event": (InferenceServerError, f"data: {ERROR}\n\n"),
    "a named event": (InferenceServerError, f"event: error\ndata: {ERROR}\n\n"),
    "a named sentence": (InferenceServerError, "event: error\ndata: boom\n\n"),
    "a field": (InferenceServerError, f"error: {ERROR}\n\n"),
    "JSON without a field": (InferenceServerError, ERROR),
    "pretty-printed JSON": (InferenceServerError, json.dumps(json.loads(ERROR), indent=1) + "\n"),
    "a page": (InferenceServerError, "<html><body><h1>502 boom</h1></body></html>"),
    "a sentence": (InferenceServerError, "boom: upstream reset"),
    "no envelope": (InferenceServerError, 'data: {"detail": "boom"}\n\n'),
    "an object that is called an error": (
        InferenceServerError,
        'data: {"object": "error", "message": "boom", "type": "x", "code": 500}\n\n',
    ),
    "a title": (InferenceRateLimitError, 'data: {"status": 429, "title": "boom: too many requests"}\n\n'),
    "a type": (InferenceServerError, 'data: {"type": "error", "error": {"type": "api_error", "message": "boom"}}\n\n'),
}


FOREIGN: dict[str, tuple[type[InferenceError], str]] = {
    "a sentence alone": (InferenceInvalidAnswerError, "boom: upstream reset"),
    "a page alone": (InferenceInvalidAnswerError, "<html><body>boom</body></html>"),
    "JSON alone": (InferenceServerError, ERROR),
    "an event alone": (InferenceServerError, f"data: {ERROR}\n\n"),
}
CUT = {"cut between events": "", "cut in data": 'data: {"id": "x", "cho', "cut in a field": "event: message\ndata: "}


class Outcome(NamedTuple):
    """What came of a streamed call."""

    text: str
    error: InferenceError | None
    counts: tuple[int | None, int | None] | None


@cache
def outcomes(sdk: str) -> dict[str, Outcome]:
    """Stream every reply of this module with one worker."""
    vendor = VENDORS[sdk]
    replies = {
        **{name: frame(vendor) for name, frame in FRAMINGS.items()},
        **{name: reply(vendor.beginning(vendor.middle) + text) for name, (_, text) in ERRORS.items()},
        **{name: reply(text) for name, (_, text) in FOREIGN.items()},
        **{name: reply(vendor.beginning(-3) + text) for name, text in CUT.items()},
        "bytes that are no text": reply(vendor.stream().encode().replace(b"He", b"H\xffe")),
    }
    with Replay().on("*", *replies.values()) as replay:
        caller = Caller(plugin=vendor.plugin(), family=InferenceFamily.LLM, sdk=sdk, endpoint=replay.url)

        async def main() -> list[Outcome]:
            clients = SdkClientRegistry()
            worker: Any = caller.worker(clients)
            try:
                return [await outcome(worker, caller) for _ in replies]
            finally:
                await clients.aclose()

        return dict(zip(replies, asyncio.run(main()), strict=True))


async def outcome(worker: LLMWorkerAbstract, caller: Caller) -> Outcome:
    """Make one streamed call."""
    pieces, error = list[str](), None
    try:
        async for piece in worker.stream_text("Hello"):
            pieces.append(piece)
    except InferenceError as exc:
        error = exc
    usage = caller.log.records[-1].usage
    return Outcome("".join(pieces), error, (usage.input_tokens, usage.output_tokens) if usage is not None else None)


@pytest.mark.parametrize("sdk", SDKS)
def test_a_stream_is_read_whatever_its_framing(sdk: str) -> None:
    found = outcomes(sdk)
    assert {} == {name: found[name] for name in FRAMINGS if found[name] != (TEXT, None, (11, 7))}


@pytest.mark.parametrize("sdk", SDKS)
def test_an_error_inside_a_stream_is_named_and_costs_no_text(sdk: str) -> None:
    for name, (kind, _) in ERRORS.items():
        came = outcomes(sdk)[name]
        assert type(came.error) is kind, f"{name}: {came}"
        assert "boom" in came.error.message, f"{name}: {came}"
        assert came.text, f"{name}: {came}"
        assert came.error.answer is not None, f"{name}: {came}"
        assert came.text == came.error.answer.text, f"{name}: {came}"


@pytest.mark.parametrize("sdk", SDKS)
def test_a_body_that_is_no_stream_is_shown(sdk: str) -> None:
    for name, (kind, _) in FOREIGN.items():
        came = outcomes(sdk)[name]
        assert type(came.error) is kind, f"{name}: {came}"
        assert "boom" in came.error.message, f"{name}: {came}"


@pytest.mark.parametrize("sdk", SDKS)
def test_a_stream_that_is_broken_off_is_no_answer(sdk: str) -> None:
    for name in CUT:
        came = outcomes(sdk)[name]
        assert type(came.error) is InferenceServerError, f"{name}: {came}"
        assert "ended before the answer was whole" in came.error.message, f"{name}: {came}"


@pytest.mark.parametrize("sdk", SDKS)
def test_bytes_that_are_no_text_cost_one_character(sdk: str) -> None:
    assert "H\ufffdello é" == outcomes(sdk)["bytes that are no text"].text


@pytest.mark.parametrize("sdk", SDKS)
def test_a_stream_in_place_of_a_whole_answer_is_kept_on_the_error(sdk: str) -> None:
    vendor = VENDORS[sdk]
    with Replay().on("*", reply(vendor.stream())) as replay:
        caller = Caller(plugin=vendor.plugin(), family=InferenceFamily.LLM, sdk=sdk, endpoint=replay.url)
        with pytest.raises(InferenceInvalidAnswerError) as caught:
            caller.llm(lambda worker: worker.gen_text("Hello"))
    answer = caught.value.answer
    assert answer is not None
    assert TEXT == answer.text
    assert answer.usage is not None
    assert 7 == answer.usage.output_tokens
