"""Answers that servers give although no documentation has them, through the official SDKs: text, usage and errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTruncatedError,
)
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import AnthropicPlugin, BedrockPlugin, GooglePlugin, MistralPlugin, OpenaiPlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.reporting.reporting_protocol import InferenceUsage
from tests.providers.anthropic import wire as anthropic_wire
from tests.providers.bedrock import wire as bedrock_wire
from tests.providers.calls import ONCE, Caller
from tests.providers.google import wire as google_wire
from tests.providers.mistral import wire as mistral_wire
from tests.providers.openai import wire
from tests.providers.replay import Replay, answer, named_sse, rate_limited, raw, sse

if TYPE_CHECKING:
    from pipelex.cogt.llm.llm_worker_abstract import LLMWorkerAbstract
    from pipelex.plugins.contract import PipelexPlugin
    from pipelex.testing.loopback import HttpReply

pytestmark = pytest.mark.thorough

PLUGINS: dict[str, type[PipelexPlugin]] = {
    "openai": OpenaiPlugin,
    "openai_responses": OpenaiPlugin,
    "anthropic": AnthropicPlugin,
    "google": GooglePlugin,
    "mistral": MistralPlugin,
    "bedrock_boto3": BedrockPlugin,
    "bedrock_aioboto": BedrockPlugin,
}
USAGE = InferenceUsage(input_tokens=11, output_tokens=7)


WHOLE_ANSWERS: dict[str, object] = {
    "openai": wire.completion("Hello"),
    "openai_responses": wire.response("Hello"),
    "anthropic": anthropic_wire.message("Hello"),
    "google": google_wire.text("Hello"),
    "mistral": mistral_wire.completion("Hello"),
}


@dataclass
class City:
    """What a structured call asks for."""

    name: str


class Met:
    """What came of a call."""

    def __init__(self, sdk: str, *replies: HttpReply, operation: str = "gen_text", **caller: Any) -> None:
        self.content: object = None
        self.error: InferenceError | None = None
        with Replay() as replay:
            replay.on("*", *replies)
            call = Caller(
                plugin=PLUGINS[sdk](),
                family=InferenceFamily.LLM,
                sdk=sdk,
                endpoint=replay.url,
                extras={"region": "eu-west-1"} if sdk.startswith("bedrock") else {},
                **{"policy": ONCE, **caller},
            )
            try:
                self.content = call.llm(lambda worker: _call(worker, operation))
            except InferenceError as exc:
                self.error = exc
            self.requests = len(replay.requests)
        (self.record,) = call.log.records

    @property
    def counts(self) -> tuple[int | None, int | None]:
        """Tokens read and written, as reported."""
        usage = self.record.usage or InferenceUsage()
        return usage.input_tokens, usage.output_tokens

    def failed(self, kind: type[InferenceError], *words: str, text: str = "") -> None:
        """Hold the error against its kind and its words, and what it knows of the answer."""
        assert type(self.error) is kind, self.error or self.content
        assert all(word in str(self.error) for word in words), str(self.error)
        answer = self.error.answer
        assert text == (answer.text if answer is not None else "")
        assert self.record.usage == (answer.usage if answer is not None else None)


async def _call(worker: LLMWorkerAbstract, operation: str) -> object:
    match operation:
        case "gen_object":
            return await worker.gen_object("Which city?", City)
        case "stream_text":
            return "".join([piece async for piece in worker.stream_text("Hello")])
        case _:
            return await worker.gen_text("Hello")


def delta(finish_reason: str | None = None, **fields: object) -> dict[str, object]:
    """A chunk of a streamed chat completion."""
    return {"model": "gpt-x", "choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def completion(finish_reason: str = "stop", **message: object) -> HttpReply:
    """A chat completion with another message."""
    whole = wire.completion("", finish_reason=finish_reason)
    return answer({**whole, "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})


class TestRefusals:
    """A refusal is never a success, and says why."""

    @pytest.mark.parametrize("pieces", [[], [delta(content="Hel")]])
    def test_a_streamed_refusal_outlives_the_stop_at_its_end(self, pieces: list[object]) -> None:
        stream = sse([*pieces, delta(refusal="I cannot"), delta(refusal=" help."), delta("stop")])
        met = Met("openai", stream, operation="stream_text")
        met.failed(InferenceRefusedError, "refused to answer: I cannot help.", text="Hel" if pieces else "")

    def test_a_refusal_says_why(self) -> None:
        met = Met("openai", completion(content=None, refusal="I cannot help."))
        met.failed(InferenceRefusedError, "I cannot help.")
        assert (11, 7) == met.counts
        explained = {**anthropic_wire.message("", stop_reason="refusal"), "content": []}
        explained["stop_details"] = {"type": "refusal", "category": "bio", "explanation": "Not this."}
        Met("anthropic", answer(explained)).failed(InferenceRefusedError, "Not this.")
        Met("google", answer(google_wire.text("", reason="RECITATION"))).failed(InferenceRefusedError, "RECITATION")

    def test_a_refusal_may_be_a_block_of_the_content(self) -> None:
        blocks = [{"type": "refusal", "refusal": "I cannot."}]
        Met("openai", completion(content=blocks)).failed(InferenceRefusedError, "I cannot.")
        stream = sse([delta(content=blocks), delta("stop")])
        Met("openai", stream, operation="stream_text").failed(InferenceRefusedError, "I cannot.")

    @pytest.mark.parametrize("whole", [wire.response("", refusal="Not this."), {**wire.response(""), "output": []}])
    def test_a_refusal_of_the_responses_api_is_named_once(self, whole: dict[str, object]) -> None:
        done = {"type": "response.refusal.done", "refusal": "Not this."}
        end = {"type": "response.completed", "response": whole}
        stream = named_sse([(str(event["type"]), event) for event in (done, end)])
        met = Met("openai_responses", stream, operation="stream_text")
        met.failed(InferenceRefusedError, "refused to answer: Not this. (")

    def test_azures_filter_is_named(self) -> None:
        whole = wire.completion("", finish_reason="content_filter")
        whole["choices"][0]["content_filter_results"] = {"hate": {"filtered": True}, "sexual": {"filtered": False}}  # type: ignore[index]  # plain JSON
        Met("openai", answer(whole)).failed(InferenceRefusedError, "refused to answer: hate")


class TestErrorBodies:
    """The vendor's sentence comes out of an error's body as the server sent it."""

    @pytest.mark.parametrize("sdk", ["openai", "openai_responses", "mistral", "anthropic"])
    def test_an_envelope_that_is_null_hides_no_sentence(self, sdk: str) -> None:
        body = {"error": None, "detail": {"message": "inputs tokens + `max_new_tokens` must be <= 4096"}}
        Met(sdk, answer(body, status=422)).failed(InferenceCapacityError, "must be <= 4096")

    def test_a_method_that_the_address_does_not_take_is_a_wrong_request(self) -> None:
        Met("openai", answer({"detail": "Method Not Allowed"}, status=405)).failed(InferenceRequestError, "Not Allowed")

    @pytest.mark.parametrize("status", [409, 418, 451, 499])
    def test_a_status_below_500_that_nothing_is_known_of_is_a_wrong_request(self, status: int) -> None:
        Met("openai", answer({"error": {"message": "odd"}}, status=status)).failed(InferenceRequestError, "odd")

    @pytest.mark.parametrize("sdk", WHOLE_ANSWERS)
    @pytest.mark.parametrize("content_type", ["text/html", "application/json"])
    def test_a_page_with_a_status_of_success_is_shown(self, sdk: str, content_type: str) -> None:
        page = raw(b"<html><body>Please log in</body></html>", content_type=content_type)
        Met(sdk, page).failed(InferenceInvalidAnswerError, ": Please log in")

    @pytest.mark.parametrize(("body", "shown"), [({}, "nothing came"), ({"message": "boom"}, "boom"), ("boom", "boom")])
    def test_json_that_is_no_answer_of_gemini_is_shown(self, body: object, shown: str) -> None:
        Met("google", answer(body)).failed(InferenceInvalidAnswerError, "an answer with a candidate", shown)


class TestErrorsInStreams:
    """An event that holds a sentence in place of a piece ends the stream, with that sentence."""

    @pytest.mark.parametrize("sdk", ["openai", "openai_responses", "mistral", "anthropic"])
    @pytest.mark.parametrize("event", [{"message": "boom"}, {"error": "boom"}, {"detail": [{"msg": "boom"}]}, "boom"])
    def test_no_envelope_is_needed(self, sdk: str, event: object) -> None:
        Met(sdk, named_sse([("error", event)]), operation="stream_text").failed(InferenceServerError, "boom")

    @pytest.mark.parametrize(
        ("end", "kind", "words"),
        [
            ({"choices": [{"delta": {}, "finish_reason": "error"}]}, InferenceInvalidAnswerError, "'error'"),
            (
                {"choices": [{"finish_reason": "error", "error": {"message": "Slow down", "code": 429}}]},
                InferenceRateLimitError,
                "Slow down",
            ),
            ({"error": "Slow down", "status_code": 429}, InferenceRateLimitError, "Slow down"),
        ],
    )
    def test_an_answer_that_ended_with_an_error_is_no_success(
        self, end: dict[str, object], kind: type[InferenceError], words: str
    ) -> None:
        met = Met("openai", sse([delta(content="Hel"), end]), operation="stream_text")
        met.failed(kind, words, text="Hel")

    @pytest.mark.parametrize("event", [None, {}, [], {"type": "ping"}, {"object": "chat.completion.chunk"}])
    def test_an_event_without_a_sentence_is_no_error(self, event: object) -> None:
        stream = sse([delta(content="Hello"), event, delta("stop")])
        assert "Hello" == Met("openai", stream, operation="stream_text").content

    @pytest.mark.parametrize("event", [{"error": {"message": "boom"}}, {"error": "boom"}, {"message": "boom"}])
    def test_an_error_that_googles_sdk_cannot_read_is_shown(self, event: object) -> None:
        stream = sse([google_wire.pieces("Hello")[1], event], last=None)
        met = Met("google", stream, operation="stream_text")
        met.failed(InferenceServerError, "boom", text="H")

    @pytest.mark.parametrize(
        ("sdk", "whole"),
        [
            ("openai", wire.completion("Hello")),
            ("openai_responses", wire.response("Hello")),
            ("anthropic", anthropic_wire.message("Hello")),
            ("google", google_wire.text("Hello")),
            ("google", [google_wire.response({"text": "Hel"}, reason=None), google_wire.text("lo")]),
            ("mistral", mistral_wire.completion("Hello")),
        ],
    )
    def test_a_whole_answer_in_place_of_a_stream_is_kept(self, sdk: str, whole: object) -> None:
        met = Met(sdk, answer(whole), operation="stream_text")
        met.failed(InferenceInvalidAnswerError, "application/json to a stream", text="Hello")
        assert (11, 7) == met.counts

    @pytest.mark.parametrize("sdk", WHOLE_ANSWERS)
    @pytest.mark.parametrize(("before", "after"), [(b"", b""), (b"\xef\xbb\xbf\n", b"\n\ndata: [DONE]\n\n")])
    def test_a_whole_answer_that_is_called_a_stream_is_the_answer(self, sdk: str, before: bytes, after: bytes) -> None:
        body = before + json.dumps(WHOLE_ANSWERS[sdk], indent=1).encode() + after
        met = Met(sdk, raw(body, content_type="text/event-stream"), operation="stream_text")
        assert ("Hello", (11, 7), 1) == (met.content, met.counts, met.requests)


class TestWrappedBodies:
    """A JSON body with something around it is not lost."""

    @pytest.mark.parametrize("sdk", WHOLE_ANSWERS)
    @pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
    @pytest.mark.parametrize(
        ("before", "after"), [(b"", b"\n\ndata: [DONE]\n\n"), (b"\xef\xbb\xbf", b""), (b"data: ", b"\n\n")]
    )
    def test_its_text_and_usage_are_known(self, sdk: str, content_type: str, before: bytes, after: bytes) -> None:
        body = before + json.dumps(WHOLE_ANSWERS[sdk]).encode() + after
        met = Met(sdk, raw(body, content_type=content_type))
        if met.content is None:
            met.failed(InferenceInvalidAnswerError, text="Hello")
        else:
            assert "Hello" == met.content
        assert ((11, 7), 1) == (met.counts, met.requests)


def with_lists_as(change: str, value: object) -> object:
    """Return JSON whose lists of one object are the object, or hold a list of it."""
    if isinstance(value, dict):
        return {name: with_lists_as(change, inner) for name, inner in value.items()}
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        item = with_lists_as(change, value[0])
        return item if change == "object" else [[item]]
    return value


class TestOddParts:
    """Null, missing and mistyped parts cost neither the answer nor its usage."""

    def test_a_content_of_blocks_is_its_text(self) -> None:
        blocks = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "hello"}]
        assert "hello" == Met("openai", completion(content=blocks)).content
        assert "hello" == Met("openai", sse([delta(content=blocks), delta("stop")]), operation="stream_text").content

    @pytest.mark.parametrize("sdk", ["openai", "anthropic"])
    def test_the_text_of_a_block_may_be_below_it(self, sdk: str) -> None:
        blocks = [{"type": "text", "text": {"value": "hello"}}]
        reply = answer({**anthropic_wire.message(""), "content": blocks})
        assert "hello" == Met(sdk, reply if sdk == "anthropic" else completion(content=blocks)).content

    @pytest.mark.parametrize("change", ["object", "list of lists"])
    @pytest.mark.parametrize(("sdk", "whole"), [*WHOLE_ANSWERS.items(), ("bedrock_boto3", bedrock_wire.text("Hello"))])
    def test_an_object_in_place_of_a_list_or_a_list_of_it_costs_nothing(
        self, sdk: str, whole: object, change: str
    ) -> None:
        odd = with_lists_as(change, whole)
        met = Met(sdk, answer(odd))
        assert ("Hello", (11, 7)) == (met.content, met.counts), met.error
        if sdk != "bedrock_boto3":  # whose streams are frames of Amazon's own
            met = Met(sdk, sse([odd]), operation="stream_text")
            assert ("Hello", (11, 7)) == (met.content, met.counts), met.error

    @pytest.mark.parametrize("sdk", ["openai", "mistral"])
    def test_a_lone_tool_call_is_a_call(self, sdk: str) -> None:
        call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
        whole = wire.completion("", finish_reason="tool_calls")
        for place in ("message", "delta"):
            piece = {"index": 0, "finish_reason": "tool_calls", place: {"content": None, "tool_calls": call}}
            odd = {**whole, "choices": piece}
            reply = answer(odd) if place == "message" else sse([odd])
            met = Met(sdk, reply, operation="gen_text" if place == "message" else "stream_text")
            met.failed(InferenceInvalidAnswerError, "a tool call")

    @pytest.mark.parametrize("odd", [{"delta": None}, {}, {"delta": "odd"}])
    def test_a_chunk_without_a_delta_is_passed_over(self, odd: dict[str, object]) -> None:
        stream = sse([delta(content="Hel"), {"choices": [odd]}, delta(content="lo"), delta("stop")])
        assert "Hello" == Met("openai", stream, operation="stream_text").content

    @pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None, "output_tokens": 7}])
    def test_anthropics_usage_may_be_null(self, usage: object) -> None:
        whole = {**anthropic_wire.message("Hello"), "usage": usage}
        assert "Hello" == Met("anthropic", answer(whole)).content
        events = anthropic_wire.events("Hello")
        events = [(name, {**event, "usage": usage} if name == "message_delta" else event) for name, event in events]
        met = Met("anthropic", named_sse(events), operation="stream_text")
        assert ("Hello", 11) == (met.content, met.counts[0])

    def test_a_zero_at_the_end_of_a_stream_replaces_no_count(self) -> None:
        usage = {"input_tokens": 0, "output_tokens": 7}
        events = anthropic_wire.events("Hello")
        events = [(name, {**event, "usage": usage} if name == "message_delta" else event) for name, event in events]
        assert (11, 7) == Met("anthropic", named_sse(events), operation="stream_text").counts

    @pytest.mark.parametrize("change", [{"usage": None}, {"usage": {}}, {"id": None}])
    def test_mistrals_sdk_refuses_what_the_driver_reads(self, change: dict[str, object]) -> None:
        assert "Hello" == Met("mistral", answer({**mistral_wire.completion("Hello"), **change})).content

    def test_bedrocks_counts_may_be_missing(self) -> None:
        whole = {**bedrock_wire.text("Hello"), "usage": {"inputTokens": 11}}
        met = Met("bedrock_boto3", answer(whole))
        assert ("Hello", (11, None)) == (met.content, met.counts)

    def test_groqs_usage_stands_elsewhere(self) -> None:
        last = {**delta("stop"), "x_groq": {"usage": {"prompt_tokens": 11, "completion_tokens": 7}}}
        assert (11, 7) == Met("openai", sse([delta(content="Hi"), last]), operation="stream_text").counts

    @pytest.mark.parametrize("count", [1.5, 7.0, "7", None, [7], {"tokens": 7}, True, -1])
    def test_a_count_of_another_type_costs_no_text_of_gemini(self, count: object) -> None:
        piece = google_wire.text("Hello")
        piece["usageMetadata"] = {"promptTokenCount": 11, "candidatesTokenCount": count}
        for reply, operation in ((answer(piece), "gen_text"), (sse([piece], last=None), "stream_text")):
            met = Met("google", reply, operation=operation)
            assert ("Hello", 11) == (met.content, met.counts[0])

    def test_what_geminis_tools_added_to_the_prompt_is_counted(self) -> None:
        assert 16 == Met("google", answer(google_wire.text("Hi", toolUsePromptTokenCount=5))).counts[0]


class TestEmptyAnswers:
    """An answer without text is an error that says what came in its place, and is paid for."""

    @pytest.mark.parametrize(
        ("sdk", "reply", "words"),
        [
            ("openai", completion(content=""), ("finish reason 'stop'",)),
            ("openai", completion(content="", reasoning_content="hm"), ("what came is reasoning",)),
            (
                "openai",
                completion("tool_calls", content=None, tool_calls=[{"id": "1", "function": {"name": "f"}}]),
                ("finish reason 'tool_calls'", "a tool call"),
            ),
            ("anthropic", answer({**anthropic_wire.message(""), "content": []}), ("finish reason 'end_turn'",)),
            ("google", answer(google_wire.response()), ("finish reason 'STOP'",)),
            ("mistral", answer(mistral_wire.completion(None)), ("finish reason 'stop'",)),
            ("openai_responses", answer({**wire.response(""), "output": None}), ("finish reason 'completed'",)),
        ],
        ids=["chat", "chat reasoning", "chat tools", "anthropic", "google", "mistral", "responses"],
    )
    def test_it_is_an_error_with_its_usage(self, sdk: str, reply: HttpReply, words: tuple[str, ...]) -> None:
        met = Met(sdk, reply)
        met.failed(InferenceInvalidAnswerError, "The answer holds no text", *words)
        assert (11, 7) == met.counts

    def test_a_stream_without_text_is_one_too(self) -> None:
        met = Met("openai", sse([delta(reasoning_content="hm"), delta("stop")]), operation="stream_text")
        met.failed(InferenceInvalidAnswerError, "what came is reasoning")

    @pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled"])
    def test_a_response_that_did_not_end_is_no_success(self, status: str) -> None:
        met = Met("openai_responses", answer({**wire.response("part"), "status": status}))
        met.failed(InferenceInvalidAnswerError, "stopped before its answer was whole", status, text="part")

    def test_a_paused_turn_is_no_success(self) -> None:
        met = Met("anthropic", answer(anthropic_wire.message("part", stop_reason="pause_turn")))
        met.failed(InferenceInvalidAnswerError, "'pause_turn'", text="part")

    @pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "TOO_MANY_TOOL_CALLS"])
    def test_geminis_broken_answers_are_no_success(self, reason: str) -> None:
        met = Met("google", answer(google_wire.response(reason=reason)))
        met.failed(InferenceInvalidAnswerError, reason)
        assert (11, 7) == met.counts


class TestWhatAFailedCallKnows:
    """Text and usage of an answer that is not returned are on its error, and in the report."""

    def test_a_truncated_answer_carries_its_text(self) -> None:
        met = Met("openai", answer(wire.completion("half of", finish_reason="length")))
        met.failed(InferenceTruncatedError, "max_tokens", text="half of")
        assert (11, 7) == met.counts
        stream = sse(wire.completion_chunks(["half", " of"], finish_reason="length"))
        Met("openai", stream, operation="stream_text").failed(InferenceTruncatedError, text="half of")

    def test_an_answer_that_a_driver_rejects_is_counted(self) -> None:
        assert (11, 7) == Met("openai", answer({**wire.completion(""), "choices": []})).counts
        assert (11, 7) == Met("google", answer(google_wire.text("part", reason=None))).counts
        stream = sse(wire.completion_chunks(["He"], finish_reason=None))
        met = Met("openai", stream, operation="stream_text")
        met.failed(InferenceServerError, "no finish reason came", text="He")
        assert (11, 7) == met.counts

    def test_a_streams_missing_end_may_be_usual(self) -> None:
        for stream in (
            sse(wire.completion_chunks(["Hel", "lo"], finish_reason=None)),
            sse(wire.completion_chunks(["Hel", "lo"], finish_reason="")),
        ):
            extras = {"stream_end_unnamed": True}
            assert "Hello" == Met("openai", stream, operation="stream_text", model_extras=extras).content

    def test_the_record_of_a_repeated_call_has_its_last_usage(self) -> None:
        met = Met(
            "openai",
            rate_limited(retry_after=0),
            answer(wire.completion("Hello")),
            policy=CallPolicy(timeout_s=20.0, max_attempts=2),
        )
        assert ("Hello", 2, (11, 7)) == (met.content, met.requests, met.counts)


class TestWrappedJson:
    """JSON inside of something else is found, and the model is not asked a second time."""

    @pytest.mark.parametrize(
        "text",
        [
            '```json\n{"name": "Rome"}\n```',
            '```\n{"name": "Rome"}```',
            '<think>Which {city}?</think>\n{"name": "Rome"}',
            '\ufeff{"name": "Rome"}',
            'Here it is:\n```json\n{"name": "Rome"}\n```\nAnything else?',
            '{"name": "Rome"}\n\nI hope that this helps.',
            'The answer is {"name": "Rome"}.',
            'I look for the {city}.</think>{"name": "Rome"}',
            '```json {"name": "Rome"}```',
            '```json\n{"name": "Rome"}\n',
        ],
        ids=[
            "fence",
            "bare fence",
            "thought",
            "byte order mark",
            "sentences around a fence",
            "sentence after",
            "sentence around",
            "thought without its first tag",
            "fence in one line",
            "fence without its end",
        ],
    )
    def test_it_is_read(self, text: str) -> None:
        met = Met("openai", answer(wire.completion(text)), operation="gen_object")
        assert (City("Rome"), 1) == (met.content, met.requests)

    def test_two_answers_are_none(self) -> None:
        met = Met("openai", answer(wire.completion('{"name": "Rome"} {"name": "Oslo"}')), operation="gen_object")
        assert isinstance(met.error, InferenceInvalidAnswerError)

    def test_the_text_beside_bedrocks_answer_tool_is_no_answer(self) -> None:
        call = {"toolUse": {"toolUseId": "1", "name": "answer", "input": {"name": "Rome"}}}
        second = {"toolUse": {"toolUseId": "2", "name": "answer", "input": {"name": "Oslo"}}}
        whole = bedrock_wire.text("", stop_reason="tool_use")
        whole["output"]["message"]["content"] = [{"text": "I'll give the answer."}, call, second]  # type: ignore[index]  # plain JSON
        met = Met("bedrock_boto3", answer(whole), operation="gen_object", model_extras={"structured_by": "tool"})
        assert City("Rome") == met.content


NO_ANSWER = (InferenceInvalidAnswerError, InferenceServerError)
EVERY_ANSWER = {**WHOLE_ANSWERS, **dict.fromkeys(("bedrock_boto3", "bedrock_aioboto"), bedrock_wire.text("Hello"))}
FINAL = replace(ONCE, max_validation_retries=0)


@pytest.mark.parametrize("sdk", PLUGINS)
class TestOddBodies:
    """What a body is wrapped in costs no answer, and one that cannot be read has a name."""

    def test_a_whole_answer_is_read_whatever_its_content_type_status_or_mark(self, sdk: str) -> None:
        body = json.dumps(EVERY_ANSWER[sdk]).encode()
        for reply in (
            raw(body, content_type="text/plain"),
            raw(body, content_type=""),
            raw(b"\xef\xbb\xbf" + body, content_type="application/json"),
            answer(EVERY_ANSWER[sdk], status=201),
        ):
            met = Met(sdk, reply)
            assert ("Hello", (11, 7)) == (met.content, met.counts), met.error

    def test_a_body_that_is_nested_too_deep_or_empty_is_named(self, sdk: str) -> None:
        deep = b"[" * 5000 + b"]" * 5000
        whole = json.dumps(EVERY_ANSWER[sdk]).encode()[:-1] + b', "more": ' + deep + b"}"
        for reply in (
            raw(whole, content_type="application/json"),
            raw(b"", content_type="application/json", status=204),
        ):
            error = Met(sdk, reply).error
            assert isinstance(error, NO_ANSWER), error
        refused = raw(b'{"error": {"message": "boom", "more": %s}}' % deep, content_type="text/json", status=400)
        Met(sdk, refused).failed(InferenceRequestError, "boom")
        text = json.dumps(EVERY_ANSWER[sdk]).replace("Hello", deep.decode()).encode()
        once = raw(text, content_type="application/json")
        Met(sdk, once, operation="gen_object", policy=FINAL).failed(InferenceInvalidAnswerError, text=deep.decode())

    def test_a_status_of_the_three_hundreds_is_a_fault_of_the_request(self, sdk: str) -> None:
        for status in (300, 305):
            Met(sdk, answer({"error": {"message": "boom"}}, status=status)).failed(InferenceRequestError, "boom")

    def test_the_sentence_of_another_servers_error_is_shown(self, sdk: str) -> None:
        said = {"error": {"message": "boom"}}
        for operation in ("gen_text", "stream_text"):
            Met(sdk, answer(said, status=422), operation=operation).failed(InferenceRequestError, "boom")
        assert "boom" in str(Met(sdk, answer(said), operation="stream_text").error)
        in_utf_16 = raw(json.dumps(said).encode("utf-16"), content_type="application/json; charset=utf-16", status=422)
        Met(sdk, in_utf_16).failed(InferenceRequestError, "boom")


def test_a_mistral_answer_that_ended_with_an_error_keeps_its_text_and_counts() -> None:
    met = Met("mistral", answer(mistral_wire.completion("Hel", finish_reason="error")))
    met.failed(InferenceServerError, "stopped with an error", text="Hel")
    assert (11, 7) == met.counts


@pytest.mark.parametrize(
    ("count", "read"), [(11.0, 11), ("11", 11), ("odd", None), (-1, None), (1e300, None), (10**20, None)]
)
def test_counts_of_bedrock_and_gemini_that_are_no_whole_numbers_cost_no_answer(count: object, read: int | None) -> None:
    bedrock = {**bedrock_wire.text("Hello"), "usage": {"inputTokens": count, "outputTokens": 7}}
    gemini = {**google_wire.text("Hello"), "usageMetadata": {"promptTokenCount": count, "candidatesTokenCount": 7}}
    for sdk, body in (("bedrock_boto3", bedrock), ("google", gemini)):
        met = Met(sdk, answer(body))
        assert ("Hello", read) == (met.content, met.counts[0])


def test_a_stream_of_bedrock_that_is_json_is_named_by_both_sdks() -> None:
    for sdk in ("bedrock_boto3", "bedrock_aioboto"):
        met = Met(sdk, answer({"message": "boom"}), operation="stream_text")
        assert "boom" in str(met.error), met.error
