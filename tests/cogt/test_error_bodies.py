"""The vendor's sentence is read from any error body, and codes and sentences of record have the right kind."""

from __future__ import annotations

import json

import pytest

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
    say_whom,
)

FLAGGED = {
    "error": {
        "message": "Your input was flagged",
        "code": 403,
        "metadata": {"reasons": ["violence"], "flagged_input": "..."},
    }
}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"error": {"message": "Broken"}}, "Broken"),
        ({"error": 'model "x" not found, try pulling it first'}, 'model "x" not found, try pulling it first'),
        ({"message": "Broken"}, "Broken"),
        ({"Message": "Broken", "Code": "ValidationException"}, "Broken"),
        ({"detail": "Unauthorized"}, "Unauthorized"),
        ({"detail": {"message": "Broken", "code": 3}}, "Broken"),
        ({"detail": [{"loc": ["body", "x"], "msg": "field required", "input": "secret"}]}, "body.x: field required"),
        ({"errors": [{"message": "One"}, {"message": "Two"}]}, "One; Two"),
        ({"object": "error", "message": "context too long"}, "context too long"),
        ({"error": "invalid_grant", "error_description": "The token is old"}, "The token is old"),
        ([{"error": {"message": "Broken", "status": "INTERNAL"}}], "Broken"),
        ({"error": {"message": '{"error": {"message": "Inner"}}'}}, "Inner"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error":{"message":"Inner"}}'}}},
            "Provider returned error (Inner)",
        ),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "upstream is busy"}}},
            "Provider returned error (upstream is busy)",
        ),
        (FLAGGED, "Your input was flagged (reasons: violence)"),
        ({"strange": [1]}, '{"strange": [1]}'),
        ({"error": {"code": 7}}, '{"error": {"code": 7}}'),
        ("upstream connect error", "upstream connect error"),
        ("<html><head><style>a{}</style></head><body><h1>502</h1>Bad&nbsp;gateway</body></html>", "502 Bad gateway"),
        ('data: {"error": {"message": "Broken"}}\n\ndata: [DONE]\n\n', "Broken"),
        ("x" * 600, f"{'x' * 500}..."),
        ("", "The answer is an error without text (status 418)"),
        ({}, "The answer is an error without text (status 418)"),
        (None, "The answer is an error without text (status 418)"),
        (b"\xff\xfe", "��"),
        ("[" * 5000, f"{'[' * 500}..."),
    ],
)
def test_the_sentence_is_found_in_a_body_of_any_shape(body: object, sentence: str) -> None:
    shapes = [body] if not isinstance(body, dict | list) else [body, json.dumps(body), json.dumps(body).encode()]
    assert {sentence} == {InferenceError.from_body(shape, status_code=418).message for shape in shapes}


TOO_LONG = [
    "prompt is too long: 207889 tokens > 200000 maximum",  # Anthropic
    "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length",
    "The model returned the following errors: prompt is too long",  # Bedrock
    "Input is too long for requested model.",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",  # Gemini
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",  # Mistral
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",  # OpenAI
    "the request exceeds the available context size. try increasing the context size",  # llama.cpp
    "Please reduce the length of the messages or completion.",  # Groq
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",  # xAI
    "prompt too long; exceeded max context length by 12 tokens",  # Ollama
    "too many tokens: size limit exceeded by 100 tokens",  # Cohere
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
]
NO_CREDIT = [
    "Your credit balance is too low to access the Anthropic API.",
    "Insufficient Balance",  # DeepSeek
    "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.",
    "Your team has either used all available credits or reached its monthly spending limit.",  # xAI
    "You exceeded your current quota, please check your plan and billing details.",
    "Credit limit exceeded, please add credits to your account",
]
REFUSED = [
    "Output blocked by content filtering policy",  # Anthropic
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    "Your request was rejected as a result of our safety system.",
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    "Content Exists Risk",  # DeepSeek
    "Your chosen model requires moderation and your input was flagged for 'violence'.",  # OpenRouter
    "Input data may contain inappropriate content.",  # Alibaba
]
OTHERWISE = [
    "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens",
    "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
    "The maximum tokens you requested exceeds the model limit of 4096.",
    "temperature: Input should be less than or equal to 1",
    "response_format: Extra inputs are not permitted",
    "Unrecognized request argument supplied: stream_options",
    "messages: text content blocks must be non-empty",
]


@pytest.mark.parametrize(
    ("sentences", "kind"),
    [
        (TOO_LONG, InferenceCapacityError),
        (NO_CREDIT, InferenceCapacityError),
        (REFUSED, InferenceRefusedError),
        (OTHERWISE, InferenceRequestError),
    ],
)
def test_the_vendors_sentences_of_record_have_their_kind(sentences: list[str], kind: type[InferenceError]) -> None:
    wrong = {sentence: type(error).__name__ for sentence in sentences if type(error := told(sentence)) is not kind}
    assert {} == wrong


SAID_WITH_500 = (
    "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    "tools param requires --jinja flag",
    "Failed to parse tool call arguments as JSON: [json.exception.parse_error.101]",
)


@pytest.mark.parametrize("sentence", SAID_WITH_500)
def test_a_request_that_a_server_refuses_with_500_is_not_repeated(sentence: str) -> None:
    body = {"error": {"code": 500, "message": sentence, "type": "server_error"}}
    error = InferenceError.from_body(body, status_code=500)
    assert (InferenceRequestError, False) == (type(error), error.retryable)
    assert InferenceServerError is type(told("The model crashed", 500))


def told(sentence: str, status: int = 400) -> InferenceError:
    return InferenceError.from_body({"error": {"message": sentence}}, status_code=status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, InferenceAuthenticationError), (429, InferenceRateLimitError), (503, InferenceServerError)],
)
def test_a_sentence_decides_only_where_the_status_stands_for_several_things(
    status: int, kind: type[InferenceError]
) -> None:
    assert kind is type(told(NO_CREDIT[4], status))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"message": "no", "code": "insufficient_quota"}}, InferenceCapacityError),
        (429, {"error": {"message": "no", "code": "INSUFFICIENT_FUNDS_CREDITS"}}, InferenceCapacityError),
        (400, {"error": {"message": "no", "code": "content_filter"}}, InferenceRefusedError),
        (
            400,
            {"error": {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            InferenceRefusedError,
        ),
        (403, FLAGGED, InferenceRefusedError),
        (400, {"error": {"message": "no", "details": [{"reason": "API_KEY_INVALID"}]}}, InferenceAuthenticationError),
        (400, {"message": "no", "type": "invalid_model"}, InferenceModelNotFoundError),
        (424, {"Message": "no", "Code": "ModelErrorException"}, InferenceServerError),
        (None, {"error": {"message": "no", "type": "overloaded_error"}}, InferenceServerError),
        (None, {"error": {"message": "no", "code": 429}}, InferenceRateLimitError),
        (None, {"Message": "no", "Code": "throttlingException"}, InferenceRateLimitError),
        (None, {"Message": "no", "Code": "modelTimeoutException"}, InferenceTimeoutError),
        (200, {"type": "error", "error": {"message": "no", "type": "not_found_error"}}, InferenceModelNotFoundError),
        (None, {"error": "no"}, InferenceServerError),
        (451, {"error": "no"}, InferenceRequestError),
    ],
)
def test_a_code_has_its_kind(status: int | None, body: object, kind: type[InferenceError]) -> None:
    assert kind is type(InferenceError.from_body(body, status_code=status))


def test_an_error_with_a_status_of_success_is_found() -> None:
    assert InferenceError.in_answer({"error": None, "choices": []}) is None
    assert InferenceError.in_answer({"message": "an answer"}) is None
    error = InferenceError.in_answer({"object": "error", "message": "context too long", "code": 400})
    assert isinstance(error, InferenceCapacityError)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ("<html>Bad gateway</html>", InferenceInvalidAnswerError, "The answer is not a list: Bad gateway"),
        ({"error": {"message": "busy", "code": 503}}, InferenceServerError, "busy"),
        ({"detail": "prompt is too long"}, InferenceCapacityError, "prompt is too long"),
        ({"choices": ["prompt is too long"]}, InferenceInvalidAnswerError, None),
        (b"", InferenceInvalidAnswerError, "The answer is not a list: nothing came"),
    ],
)
def test_an_answer_that_was_not_asked_for_is_shown(
    answer: object, kind: type[InferenceError], message: str | None
) -> None:
    error = InferenceError.from_answer(answer, expected="a list")
    assert (kind, error.message if message is None else message) == (type(error), error.message)


@pytest.mark.parametrize(
    ("headers", "sentence", "expected"),
    [
        ({"Retry-After": "60", "Retry-After-Ms": "300"}, "", 0.3),
        ({"retry-after-ms": "odd", "retry-after": "2"}, "", 2.0),
        ({"retry-after": "0.2s"}, "", 0.2),
        ({"retry-after": "6m0s"}, "", 360.0),
        ({"retry-after": "Fri, 01 Jan 1999 00:00:00 GMT"}, "", 0.0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({"retry-after": "-1"}, "", 0.0),
        ({}, "Rate limit reached. Please try again in 300ms. Visit us.", 0.3),
        ({}, "Please retry after 20 seconds.", 20.0),
        ({}, "Please try again in 1m26.4s.", 86.4),
        ({}, "Please try again later", None),
        ({"retry-after": "5"}, "Please try again in 300ms", 5.0),
    ],
)
def test_how_long_to_wait_is_read_from_headers_then_from_the_sentence(
    headers: dict[str, str], sentence: str, expected: float | None
) -> None:
    error = InferenceError.from_body({"message": sentence or "Slow down"}, status_code=429, headers=headers)
    assert error.retry_after == (None if expected is None else pytest.approx(expected))


def test_google_says_in_the_body_how_long_to_wait() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    body = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": details}}
    assert 34.5 == InferenceError.from_body(body, status_code=429).retry_after


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<html>404 Not Found</html>", InferenceRequestError),
        ({"detail": "Not Found"}, InferenceRequestError),
        ("", InferenceRequestError),
        ({"error": {"message": "The model `m` does not exist"}}, InferenceModelNotFoundError),
        ({"error": {"message": "no such thing: acme-1"}}, InferenceModelNotFoundError),
        ({"error": {"message": "gone", "code": "model_not_found"}}, InferenceModelNotFoundError),
    ],
)
def test_a_404_that_does_not_name_the_model_names_the_address(body: object, kind: type[InferenceError]) -> None:
    url = "http://us:pass@host/v1/v1/messages?key=1"
    error = say_whom(
        InferenceError.from_body(body, status_code=404, url=url), provider="acme", model="m", model_id="acme-1"
    )
    assert (kind, 404, "acme", "m") == (type(error), error.status_code, error.provider, error.model)
    is_named = "There is nothing at http://host/v1/v1/messages (" in str(error)
    assert (kind is InferenceRequestError) == is_named


def test_a_redirect_names_where_to() -> None:
    error = InferenceError.from_body("", status_code=307, headers={"Location": "https://user:pw@else.where/v1?k=1"})
    assert (InferenceRequestError, False) == (type(error), error.retryable)
    assert "redirects to https://else.where/v1:" in error.message
