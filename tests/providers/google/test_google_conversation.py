"""Conversations with tools over Gemini's API: what is sent; an answer is the same at once and streamed."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64decode
from dataclasses import replace
from typing import Any

import pytest

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRequestError
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import (
    Citation,
    ImagePart,
    PromptCache,
    ReasoningPart,
    TextPart,
    TokenLogprob,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
    ToolResultPart,
)
from pipelex.generated.builtins import GooglePlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from tests.providers import replay as scripted
from tests.providers.calls import ONCE, Caller
from tests.providers.conversations import LOOK, answered, asking, continued, made_elsewhere, streamed
from tests.providers.google import wire
from tests.providers.replay import Replay

pytestmark = pytest.mark.counterpart("google_docs", "llm:google")

GENERATE, STREAM = ":generateContent", ":streamGenerateContent"
PNG = b"\x89PNG\r\n\x1a\nimage"
SIGNATURE = b"\xfb\xff\x00 signed"
SIGNED = b64encode(SIGNATURE).decode()


def caller(replay: Replay) -> Caller:
    return Caller(plugin=GooglePlugin(), family=InferenceFamily.LLM, sdk="google", endpoint=replay.url, policy=ONCE)


def call(city: str, *, id: str | None = None, signed: str | None = None) -> dict[str, object]:
    function = {"name": "look", "args": {"city": city}, **({"id": id} if id else {})}
    return {"functionCall": function, **({"thoughtSignature": signed} if signed else {})}


def whole(*parts: dict[str, object], reason: str = "STOP", **candidate: object) -> dict[str, object]:
    made: Any = {**wire.response(*parts, reason=reason), "responseId": "resp-1"}
    made["candidates"][0] |= candidate
    return dict(made)


def pieces(*chunks: list[dict[str, object]], reason: str = "STOP", **candidate: object) -> list[dict[str, object]]:
    """The chunks of a stream, each with its parts; the last one has the finish reason."""
    made: list[Any] = [{**wire.response(*parts, reason=None), "responseId": "resp-1"} for parts in chunks]
    made[-1]["candidates"][0] |= {"finishReason": reason, **candidate}
    return made


def both(replay: Replay, at_once: dict[str, object], in_pieces: list[dict[str, object]]) -> tuple[Any, Any]:
    """Return the answer at once, and streamed; everything of them but the backend's ids is the same."""
    replay.on("*", scripted.answer(at_once), scripted.sse(in_pieces, last=None))
    one, other = answered(caller(replay), asking()), streamed(caller(replay), asking())
    assert [one.finish_reason, one.finish_detail, one.usage, one.model_served, one.request_id] == [
        other.finish_reason,
        other.finish_detail,
        other.usage,
        other.model_served,
        other.request_id,
    ]
    return one, other


def opaque(**fields: str) -> str:
    return json.dumps(fields)


ROME = ToolCallPart(id="fc-1", name="look", arguments='{"city": "Rome"}', opaque=opaque(id="fc-1", signature=SIGNED))
OSLO = ToolCallPart(id="fc-2", name="look", arguments='{"city": "Oslo"}', opaque=opaque(id="fc-2"))
HMM: dict[str, object] = {"text": "hmm", "thought": True}
ANSWERS: dict[str, tuple[dict[str, object], list[dict[str, object]], tuple[object, ...], FinishReason]] = {
    "a text": (
        whole({"text": "Hi there"}),
        pieces([{"text": "Hi"}], [{"text": " there"}], [{"text": ""}]),
        (TextPart(text="Hi there"),),
        FinishReason.STOP,
    ),
    "a thought before a text": (
        whole(HMM, {"text": "Hi"}),
        pieces([{"text": "h", "thought": True}], [{"text": "mm", "thought": True}, {"text": "H"}], [{"text": "i"}]),
        (ReasoningPart(text="hmm"), TextPart(text="Hi")),
        FinishReason.STOP,
    ),
    "a signed text after one that is not": (
        whole({"text": "Hi"}, {"text": "there", "thoughtSignature": SIGNED}, {"text": "!"}),
        pieces([{"text": "H"}], [{"text": "i"}, {"text": "there", "thoughtSignature": SIGNED}], [{"text": "!"}]),
        (TextPart(text="Hi"), TextPart(text="there", opaque=opaque(signature=SIGNED)), TextPart(text="!")),
        FinishReason.STOP,
    ),
    "a signature on an empty text": (
        whole({"text": "Hi"}, {"text": "", "thoughtSignature": SIGNED}),
        pieces([{"text": "H"}], [{"text": "i"}], [{"text": "", "thoughtSignature": SIGNED}]),
        (TextPart(text="Hi"), TextPart(text="", opaque=opaque(signature=SIGNED))),
        FinishReason.STOP,
    ),
    "two calls, the first of them signed": (
        whole(HMM, call("Rome", id="fc-1", signed=SIGNED), call("Oslo", id="fc-2")),
        pieces([HMM], [call("Rome", id="fc-1", signed=SIGNED)], [call("Oslo", id="fc-2")]),
        (ReasoningPart(text="hmm"), ROME, OSLO),
        FinishReason.TOOL_CALLS,
    ),
    "a text that was cut": (
        whole({"text": "Half an ans"}, reason="MAX_TOKENS"),
        pieces([{"text": "Half"}], [{"text": " an ans"}], reason="MAX_TOKENS"),
        (TextPart(text="Half an ans"),),
        FinishReason.LENGTH,
    ),
    "a call that was cut": (
        whole(call("Rome", id="fc-1", signed=SIGNED), reason="MAX_TOKENS"),
        pieces([call("Rome", id="fc-1", signed=SIGNED)], reason="MAX_TOKENS"),
        (ROME,),
        FinishReason.LENGTH,
    ),
    "a call that Gemini itself calls malformed": (
        whole(reason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: look("),
        pieces([], reason="MALFORMED_FUNCTION_CALL", finishMessage="Malformed function call: look("),
        (),
        FinishReason.UNFINISHED,
    ),
    "an image": (
        whole({"inlineData": {"mimeType": "image/png", "data": b64encode(PNG).decode()}, "thoughtSignature": SIGNED}),
        pieces(
            [{"inlineData": {"mimeType": "image/png", "data": b64encode(PNG).decode()}, "thoughtSignature": SIGNED}]
        ),
        (ImagePart(source=MediaSource(data=PNG, mime_type="image/png"), opaque=opaque(signature=SIGNED)),),
        FinishReason.STOP,
    ),
}


@pytest.mark.parametrize("title", ANSWERS)
def test_an_answer_is_the_same_at_once_and_streamed(replay: Replay, title: str) -> None:
    at_once, in_pieces, parts, reason = ANSWERS[title]
    one, other = both(replay, at_once, in_pieces)
    assert parts == one.parts == other.parts
    assert (reason is FinishReason.TOOL_CALLS) is bool(one.tool_calls) is bool(other.tool_calls)
    assert (reason, "resp-1", f"{wire.MODEL_ID}-001") == (one.finish_reason, one.request_id, one.model_served)


def test_a_prompt_that_a_filter_refuses_is_an_answer_with_its_reason(replay: Replay) -> None:
    one, _ = both(replay, wire.blocked(), [wire.blocked()])
    assert (FinishReason.CONTENT_FILTER, "SAFETY") == (one.finish_reason, one.finish_detail)


def test_a_call_without_an_id_and_without_arguments_is_completed(replay: Replay) -> None:
    one, other = both(replay, whole({"functionCall": {"name": "look"}}), pieces([{"functionCall": {"name": "look"}}]))
    for answer in (one, other):
        (made,) = answer.tool_calls
        assert ("look", "{}", None) == (made.name, made.arguments, made.opaque)
        assert re.fullmatch(r"[A-Za-z0-9]{9}", made.id)


def sent_contents(replay: Replay) -> list[Any]:
    contents: Any = replay.last.json()["contents"]
    return list(contents)


def bare(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a request with its signature as bytes: JSON takes two alphabets, the bytes are what counts."""
    signature = part.get("thoughtSignature")
    return {**part, "thoughtSignature": urlsafe_b64decode(signature.translate({43: 45, 47: 95}))} if signature else part


@pytest.mark.parametrize("is_streamed", [False, True])
def test_signatures_go_back_where_they_were_and_results_with_the_ids_of_google(
    replay: Replay, is_streamed: bool
) -> None:
    parts: list[dict[str, object]] = [
        HMM,
        {"text": "", "thoughtSignature": SIGNED},
        call("Rome", id="fc-1", signed=SIGNED),
    ]
    parts += [call("Oslo", id="fc-2"), {"executableCode": {"code": "1", "language": "PYTHON"}}]
    first = (
        scripted.sse(pieces(*([part] for part in parts)), last=None) if is_streamed else scripted.answer(whole(*parts))
    )
    replay.on("*", first, scripted.answer(whole({"text": "Rome"})))
    job = asking()
    answer = (streamed if is_streamed else answered)(caller(replay), job)
    assert "Rome" == answered(caller(replay), continued(job, answer)).text
    user, model, results = sent_contents(replay)
    assert ["user", "model", "user"] == [user["role"], model["role"], results["role"]]
    code = {"executableCode": {"code": "1", "language": "PYTHON"}}
    assert [
        {"text": "", "thoughtSignature": SIGNATURE},
        {"functionCall": {"id": "fc-1", "name": "look", "args": {"city": "Rome"}}, "thoughtSignature": SIGNATURE},
        {"functionCall": {"id": "fc-2", "name": "look", "args": {"city": "Oslo"}}},
        code,
    ] == [bare(part) for part in model["parts"]]
    assert [
        {"functionResponse": {"id": "fc-1", "name": "look", "response": {"output": "31 degrees (0)"}}},
        {"functionResponse": {"id": "fc-2", "name": "look", "response": {"output": "31 degrees (1)"}}},
        {"text": "And then?"},
    ] == results["parts"]


def test_a_result_without_an_id_of_google_goes_by_its_place_and_a_failure_is_an_error(replay: Replay) -> None:
    replay.on("*", scripted.answer(whole(call("Rome"), call("Oslo"))), scripted.answer(whole({"text": "Rome"})))
    job = asking()
    answered(caller(replay), continued(job, answered(caller(replay), job), is_error=True))
    _, model, results = sent_contents(replay)
    assert all("id" not in part["functionCall"] for part in model["parts"])
    assert [
        {"name": "look", "response": {"error": "31 degrees (0)"}},
        {"name": "look", "response": {"error": "31 degrees (1)"}},
    ] == [part["functionResponse"] for part in results["parts"][:2]]


def test_calls_of_another_backend_are_marked_and_nothing_opaque_goes_along(replay: Replay) -> None:
    parts: list[dict[str, object]] = [HMM, {"text": "Let me look.", "thoughtSignature": SIGNED}]
    parts += [call("Rome", id="fc-1", signed=SIGNED), call("Oslo", id="fc-2")]
    replay.on("*", scripted.answer(whole(*parts)), scripted.answer(whole({"text": "Rome"})))
    job = asking()
    answered(caller(replay), made_elsewhere(continued(job, answered(caller(replay), job))))
    _, model, results = sent_contents(replay)
    marked = b"skip_thought_signature_validator"
    assert [
        {"text": "Let me look."},
        {"functionCall": {"name": "look", "args": {"city": "Rome"}}, "thoughtSignature": marked},
        {"functionCall": {"name": "look", "args": {"city": "Oslo"}}, "thoughtSignature": marked},
    ] == [bare(part) for part in model["parts"]]
    assert all("id" not in part.get("functionResponse", {}) for part in results["parts"])
    assert not {"hmm", "fc"} & set(re.findall(r"\w+", json.dumps([model, results])))


def test_files_of_a_result_go_inside_of_it(replay: Replay) -> None:
    replay.on("*", scripted.answer(whole(call("Rome", id="fc-1"))), scripted.answer(whole({"text": "Rome"})))
    job = asking()
    answer = answered(caller(replay), job)
    content = (TextPart(text="See:"), ImagePart(source=MediaSource(data=PNG)))
    answered(caller(replay), job.then(answer, ToolResultPart(call_id="fc-1", content=content)))
    (sent,) = sent_contents(replay)[-1]["parts"]
    assert {"output": "See:"} == sent["functionResponse"]["response"]
    (file,) = sent["functionResponse"]["parts"]
    (blob,) = file.values()
    assert PNG == urlsafe_b64decode(blob["data"])


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice(), {"mode": "AUTO"}),
        (ToolChoice(mode=ToolChoiceMode.NONE), {"mode": "NONE"}),
        (ToolChoice(mode=ToolChoiceMode.REQUIRED), {"mode": "ANY"}),
        (ToolChoice(mode=ToolChoiceMode.REQUIRED, name="look"), {"mode": "ANY", "allowedFunctionNames": ["look"]}),
    ],
)
def test_a_tool_and_its_choice_are_sent_as_gemini_names_them(
    replay: Replay, choice: ToolChoice, sent: dict[str, object]
) -> None:
    replay.on("*", scripted.answer(whole({"text": "Hi"})))
    answered(caller(replay), asking(tool_choice=choice))
    body: Any = replay.last.json()
    assert sent == body["toolConfig"]["functionCallingConfig"]
    ((declared,),) = [next(iter(tool.values())) for tool in body["tools"]]
    assert {"name": "look", "description": LOOK.description} == {key: declared[key] for key in ("name", "description")}
    assert dict(LOOK.json_schema) == (declared.get("parametersJsonSchema") or declared["parameters_json_schema"])


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"top_p": 0.5, "top_k": 3}, {"topP": 0.5, "topK": 3}),
        ({"presence_penalty": 0.5, "frequency_penalty": 1.0}, {"presencePenalty": 0.5, "frequencyPenalty": 1.0}),
        ({"top_logprobs": 2}, {"responseLogprobs": True, "logprobs": 2}),
        ({"show_reasoning": True}, {"thinkingConfig": {"include_thoughts": True}}),
        ({"vendor_params": {"generationConfig": {"topK": 9, "seed": 4}}, "top_k": 3}, {"topK": 9, "seed": 4}),
    ],
)
def test_a_parameter_is_sent_as_gemini_names_it(
    replay: Replay, params: dict[str, Any], sent: dict[str, object]
) -> None:
    replay.on("*", scripted.answer(whole({"text": "Hi"})))
    answered(caller(replay), asking(**params))
    config: Any = replay.last.json()["generationConfig"]
    assert sent.items() <= config.items()


def test_the_headers_and_the_body_of_a_model_go_along(replay: Replay) -> None:
    replay.on("*", scripted.answer(whole({"text": "Hi"})))
    model = replace(
        caller(replay), model_headers={"X-Tier": "mine"}, model_body={"labels": {"team": "a"}, "store": True}
    )
    answered(model, asking(vendor_params={"store": False}))
    assert "mine" == replay.last.headers["x-tier"]
    assert {"labels": {"team": "a"}, "store": False}.items() <= replay.last.json().items()


@pytest.mark.parametrize("params", [{"single_tool_call": True}, {"prompt_cache": PromptCache(key="me")}])
def test_what_gemini_has_no_word_for_is_refused_by_name(replay: Replay, params: dict[str, Any]) -> None:
    with pytest.raises(InferenceRequestError, match=next(iter(params))):
        answered(caller(replay), asking(**params))
    assert not replay.requests


TEXT = "Ciao 👋 Rome is warm. Oslo is not."
WARM, COLD = "Rome is warm.", "Oslo is not."


def supports(part: int) -> dict[str, object]:
    """Google's sources: places in bytes of one part, 0 left out."""

    def segment(words: str) -> dict[str, object]:
        start = len(TEXT[: TEXT.index(words)].encode())
        place = {"startIndex": start, "endIndex": start + len(words.encode()), "text": words}
        return {key: value for key, value in {**place, "partIndex": part}.items() if value != 0}

    return {
        "groundingChunks": [
            {"web": {"uri": "https://a.test", "title": "A"}},
            {"retrievedContext": {"uri": "b", "title": "B", "text": "It is cold."}},
        ],
        "groundingSupports": [
            {"segment": segment("Ciao 👋"), "groundingChunkIndices": [0]},
            {"segment": segment(WARM), "groundingChunkIndices": [0, 7]},
            {"segment": segment(COLD), "groundingChunkIndices": [1]},
        ],
    }


@pytest.mark.parametrize("later", [[], [{"text": "", "thoughtSignature": SIGNED}]], ids=["unsigned", "signed"])
def test_citations_are_at_the_words_that_rest_on_them(replay: Replay, later: list[dict[str, object]]) -> None:
    at_once = whole(HMM, {"text": TEXT}, *later, groundingMetadata=supports(1))
    in_pieces = pieces([HMM], [{"text": TEXT[:9]}], [{"text": TEXT[9:]}], [*later], [], groundingMetadata=supports(0))
    one, other = both(replay, at_once, in_pieces)
    assert one.parts == other.parts
    assert [
        ("https://a.test", "A", None, "Ciao 👋"),
        ("https://a.test", "A", None, WARM),
        ("b", "B", "It is cold.", COLD),
    ] == [(c.url, c.title, c.quoted, TEXT[c.start : c.end]) for c in one.citations]


def test_words_that_are_not_in_the_text_have_no_place(replay: Replay) -> None:
    metadata: Any = supports(0)
    metadata["groundingSupports"][0]["segment"]["text"] = "Hello"
    replay.on("*", scripted.answer(whole({"text": TEXT}, groundingMetadata=metadata)))
    first, *_ = answered(caller(replay), asking()).citations
    assert Citation(url="https://a.test", title="A") == first


def test_log_probabilities_come_with_the_answer(replay: Replay) -> None:
    def result(*tokens: tuple[str, float]) -> dict[str, object]:
        found = [{"token": token, "logProbability": value} for token, value in tokens]
        return {"chosenCandidates": found, "topCandidates": [{"candidates": [one]} for one in found]}

    streams = [
        *pieces([{"text": "Hi"}], logprobsResult=result(("Hi", -0.5))),
        *pieces([{"text": "!"}], logprobsResult=result(("!", -1.0))),
    ]
    del streams[0]["candidates"][0]["finishReason"]  # type: ignore[index]  # a JSON value
    replay.on(
        "*",
        scripted.answer(whole({"text": "Hi!"}, logprobsResult=result(("Hi", -0.5), ("!", -1.0)))),
        scripted.sse(streams, last=None),
    )
    job = asking(top_logprobs=1)
    expected = tuple(
        TokenLogprob(token=token, logprob=value, top=((token, value),)) for token, value in (("Hi", -0.5), ("!", -1.0))
    )
    assert expected == answered(caller(replay), job).logprobs == streamed(caller(replay), job).logprobs


def test_tokens_are_counted_with_the_system_text_and_the_tools(replay: Replay) -> None:
    replay.on("*", scripted.answer({"totalTokens": 31}))
    job = asking()
    assert 31 == caller(replay).llm(lambda worker: worker.count_tokens(job))
    assert replay.last.target.endswith(":countTokens")
    body: Any = replay.last.json()
    assert [] == body["contents"]
    request = body["generateContentRequest"]
    assert [{"role": "user", "parts": [{"text": job.prompt.user_text}]}] == request["contents"]
    assert "look" == request["tools"][0]["functionDeclarations"][0]["name"]


def test_an_answer_without_a_count_is_an_error(replay: Replay) -> None:
    replay.on("*", scripted.answer({}))
    with pytest.raises(InferenceInvalidAnswerError, match="no count"):
        caller(replay).llm(lambda worker: worker.count_tokens("Hello"))


def test_an_answer_that_google_wants_to_be_continued_is_continued(replay: Replay) -> None:
    token = b64encode(b"more").decode()
    first = whole({"text": "Hi "}, reason="CONTINUATION", continuationToken=token)
    replay.on("*", scripted.answer(first), scripted.answer(whole({"text": "there"})))
    answer = answered(caller(replay), asking())
    assert ("Hi there", FinishReason.STOP) == (answer.text, answer.finish_reason)
    assert b"more" == urlsafe_b64decode(str(replay.last.json()["continuationToken"]))
    once = answered(caller(replay.on("*", scripted.answer(whole({"text": "there"})))), asking()).usage
    assert once is not None
    assert once.plus(once) == answer.usage


def test_the_text_of_an_answer_whose_continuation_is_empty_is_kept(replay: Replay) -> None:
    first = whole({"text": "Hi "}, reason="CONTINUATION", continuationToken=b64encode(b"more").decode())
    replay.on("*", scripted.answer(first), scripted.answer({"usageMetadata": {"promptTokenCount": 1}}))
    answer = answered(caller(replay), asking())
    assert ("Hi ", FinishReason.LENGTH) == (answer.text, answer.finish_reason)
