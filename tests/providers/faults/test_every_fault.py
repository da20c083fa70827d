"""Every fault once, with one driver and its official SDK: the kind, the retry decision and the message of each.

What the other drivers make of the commonest of them is in test_every_driver.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceServerError,
    InferenceTimeoutError,
)
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers.calls import Caller
from tests.providers.openai import wire
from tests.providers.replay import (
    Deaf,
    NobodyThere,
    Replay,
    answer,
    hang,
    malformed,
    rate_limited,
    raw,
    reset,
    sse,
    stall,
    truncated,
)

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.testing.loopback import HttpReply

PATIENT = CallPolicy(timeout_s=20.0, max_outage_s=0.0)  # outages that all calls share are tested elsewhere
IMPATIENT = CallPolicy(timeout_s=0.3)
HASTY = CallPolicy(timeout_s=20.0, max_outage_s=0.0, connect_timeout_s=0.1)
LONG_AGO, FAR_AHEAD = "Fri, 01 Jan 1999 00:00:00 GMT", "Tue, 01 Jan 2999 00:00:00 GMT"


@dataclass
class City:
    """What a structured call asks for."""

    name: str
    people: int


class Row(NamedTuple):
    """A fault, and what has to come of it."""

    kind: type[InferenceError]
    attempts: int
    """How often the call was tried: three times where the failure may pass, and there is no harm in it."""
    message: str
    """What the caller reads, between the backend's name and the model's."""
    reply: HttpReply | type[NobodyThere] | type[Deaf]
    arrived: int | None = None
    """How many requests the vendor saw, where it is not one for each attempt."""
    operation: str = "gen_text"
    client: CallPolicy = PATIENT
    """How long the SDK waits; the worker's base waits for longer."""
    worker: CallPolicy = PATIENT


def said(text: str, status: int) -> HttpReply:
    """Answer with an error as OpenAI says it."""
    return answer(wire.error(text), status=status, headers={"x-request-id": "req-1"})


HELLO = answer(wire.completion("Hello"))
STREAM = sse(wire.completion_chunks(["He", "l", "l", "o"]))
CUT = "RemoteProtocolError: peer closed connection without sending complete message body"

TABLE = {
    # what the vendor says
    "401": Row(InferenceAuthenticationError, 1, "Bad key", said("Bad key", 401)),
    "403": Row(InferenceAuthenticationError, 1, "Not for you", said("Not for you", 403)),
    "404 model": Row(InferenceModelNotFoundError, 1, "No such model", said("No such model", 404)),
    "408": Row(InferenceTimeoutError, 3, "Too slow", said("Too slow", 408)),
    "413 too long": Row(InferenceCapacityError, 1, "Too long", said("Too long", 413)),
    "429 in seconds": Row(InferenceRateLimitError, 3, "Slow down", rate_limited(retry_after=7)),
    "429 in too many seconds": Row(InferenceRateLimitError, 1, "Slow down", rate_limited(retry_after=3600)),
    "429 until a date": Row(InferenceRateLimitError, 3, "Slow down", rate_limited(retry_after=LONG_AGO)),
    "429 until too far a date": Row(InferenceRateLimitError, 1, "Slow down", rate_limited(retry_after=FAR_AHEAD)),
    "500": Row(InferenceServerError, 3, "Something broke", said("Something broke", 500)),
    "503": Row(InferenceServerError, 3, "Overloaded", said("Overloaded", 503)),
    # what happens on the way
    "connect refused": Row(
        InferenceConnectionError,
        3,
        "The backend cannot be reached (ConnectError: All connection attempts failed)",
        NobodyThere,
        arrived=0,
    ),
    "connect timeout": Row(
        InferenceConnectionError,
        3,
        "The backend cannot be reached (ConnectTimeout)",
        Deaf,
        arrived=0,
        client=HASTY,
        worker=HASTY,
    ),
    "read timeout": Row(
        InferenceTimeoutError, 3, "The backend did not answer in time (ReadTimeout)", hang(), client=IMPATIENT
    ),
    "read timeout in mid-answer": Row(
        InferenceTimeoutError, 3, "The backend did not answer in time (ReadTimeout)", stall(HELLO), client=IMPATIENT
    ),
    "time is up": Row(
        InferenceTimeoutError,
        3,
        "No answer within 0.3 s. Set timeout_s in [backends.vendor] for more",
        hang(),
        worker=IMPATIENT,
    ),
    "reset in mid-answer": Row(
        InferenceServerError, 3, "The connection broke before the answer was whole (ReadError)", reset(HELLO)
    ),
    "truncated answer": Row(
        InferenceServerError,
        3,
        f"The connection broke before the answer was whole ({CUT} (received 246 bytes, expected 492))",
        truncated(HELLO),
    ),
    "truncated stream": Row(
        InferenceServerError,
        1,
        f"The connection broke before the answer was whole ({CUT} (incomplete chunked read))",
        truncated(STREAM),
        operation="stream_text",
    ),
    # what comes in place of an answer
    "malformed JSON": Row(
        InferenceInvalidAnswerError,
        1,
        'The answer is not a chat completion: {"choices": [',
        malformed(),
    ),
    "wrong content type": Row(
        InferenceInvalidAnswerError,
        1,
        "The answer is not a chat completion: nothing came",
        raw(b"<html>", content_type="text/html"),
    ),
    "empty choices": Row(
        InferenceInvalidAnswerError, 1, "The answer holds no choice", answer({**wire.completion(""), "choices": []})
    ),
    "content filter": Row(
        InferenceRefusedError,
        1,
        "The model or its content filter refused to answer",
        answer(wire.completion("", finish_reason="content_filter")),
    ),
    "schema violated": Row(
        InferenceInvalidAnswerError,
        1,
        "The answer does not fit the type that was asked for: people: Field required",
        answer(wire.completion('{"name": "Rome"}')),
        arrived=2,  # the model is shown what is wrong, once
        operation="gen_object",
    ),
}


@pytest.mark.parametrize("fault", TABLE)
@pytest.mark.usefixtures("pauses")
def test_a_fault_has_its_kind_its_attempts_and_its_message(fault: str) -> None:
    row = TABLE[fault]
    error, arrived = met(row)
    about = "".join(
        [f", status {error.status_code}" if error.status_code else "", ", request req-1" if error.request_id else ""]
    )
    assert (row.kind, f"[vendor] {row.message} (model 'the-model'{about})", row.attempts) == (
        type(error),
        str(error),
        error.attempts,
    )
    assert (row.attempts if row.arrived is None else row.arrived) == arrived


@pytest.mark.parametrize(("fault", "expected"), [("429 in seconds", 7.0), ("429 until a date", 0.0)])
def test_the_vendor_says_how_long_the_pauses_are(pauses: list[float], fault: str, expected: float) -> None:
    met(TABLE[fault])
    assert {expected} == set(pauses)


def test_a_wrong_row_turns_the_table_red(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setitem(TABLE, "planted", TABLE["500"]._replace(reply=said("Something broke", 401)))
    with pytest.raises(AssertionError, match="InferenceAuthenticationError"):
        test_a_fault_has_its_kind_its_attempts_and_its_message("planted")


def met(row: Row) -> tuple[InferenceError, int]:
    """Let a call meet the fault of a row; return its error, and how many requests the vendor saw."""
    with row.reply() if isinstance(row.reply, type) else Replay().on("*", row.reply) as vendor:
        caller = Caller(
            plugin=OpenaiPlugin(),
            family=InferenceFamily.LLM,
            sdk="openai",
            endpoint=vendor.url,
            policy=row.worker,
            client_policy=row.client,
        )
        with pytest.raises(InferenceError) as caught:
            caller.llm(partial(call, row.operation))
        return caught.value, len(vendor.requests) if isinstance(vendor, Replay) else 0


async def call(operation: str, worker: LLMWorkerAbstract) -> None:
    """Call a worker by the name of the operation."""
    match operation:
        case "gen_text":
            await worker.gen_text("Hello")
        case "gen_object":
            await worker.gen_object("Which city?", City)
        case "stream_text":
            async for piece in worker.stream_text("Hello"):
                assert piece in "Hello"
