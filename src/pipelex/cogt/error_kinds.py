"""What a vendor's statuses, codes and sentences mean, and what the faults below HTTP do: one table for all drivers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipelex.cogt.exceptions import (
    InferenceAuthenticationError,
    InferenceCapacityError,
    InferenceConnectionError,
    InferenceError,
    InferenceInvalidAnswerError,
    InferenceModelNotFoundError,
    InferenceRateLimitError,
    InferenceRefusedError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KIND_OF_STATUS: dict[int, type[InferenceError]] = {
    400: InferenceRequestError,
    401: InferenceAuthenticationError,
    402: InferenceCapacityError,
    403: InferenceAuthenticationError,
    404: InferenceModelNotFoundError,
    405: InferenceRequestError,
    408: InferenceTimeoutError,
    413: InferenceCapacityError,
    415: InferenceRequestError,
    422: InferenceRequestError,
    429: InferenceRateLimitError,
    504: InferenceTimeoutError,
}

_KIND_OF_CODE: dict[str, type[InferenceError]] = {
    # the same status stands for several things; the code tells them apart
    "billing_hard_limit_reached": InferenceCapacityError,
    "billing_not_active": InferenceCapacityError,
    "context_length_exceeded": InferenceCapacityError,
    "exceed_budget_limit": InferenceCapacityError,  # Linkup, as the next one
    "insufficient_funds_credits": InferenceCapacityError,
    "exceed_context_size_error": InferenceCapacityError,  # llama.cpp
    "insufficient_quota": InferenceCapacityError,
    "servicequotaexceededexception": InferenceCapacityError,  # AWS
    "string_above_max_length": InferenceCapacityError,
    "deploymentnotfound": InferenceModelNotFoundError,  # Azure
    "invalid_model": InferenceModelNotFoundError,  # Mistral
    "model_not_found": InferenceModelNotFoundError,
    "content_filter": InferenceRefusedError,
    "contentfilter": InferenceRefusedError,
    "content_policy_violation": InferenceRefusedError,
    "data_inspection_failed": InferenceRefusedError,  # Alibaba
    "flagged_input": InferenceRefusedError,  # OpenRouter
    "moderation_blocked": InferenceRefusedError,
    "responsibleaipolicyviolation": InferenceRefusedError,  # Azure
    "api_key_expired": InferenceAuthenticationError,  # Google, with the status 400, as the next one
    "api_key_invalid": InferenceAuthenticationError,
    "invalid_api_key": InferenceAuthenticationError,
    "modelerrorexception": InferenceServerError,  # AWS: the model failed, not the request
}
"""By code, in lower case."""

_STATUS_OF_CODE: dict[str, int] = {
    # OpenAI, Anthropic
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # AWS
    "validationexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "throttlingexception": 429,
    "internalserverexception": 500,
    "modelstreamerrorexception": 500,
    "serviceunavailableexception": 503,
    # Google (google.rpc.Code)
    "invalid_argument": 400,
    "failed_precondition": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "internal": 500,
    "unavailable": 503,
    "deadline_exceeded": 504,
    # vLLM, in which a number accompanies them, and others who name the status
    "badrequesterror": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "notfounderror": 404,
    "internalservererror": 500,
}
"""By code, in lower case: what an error means that comes inside a stream, or with a status that is none of an error."""

_STATUSES_OF_WORDS = {400, 403, 413, 422}
_KIND_OF_WORDS: tuple[tuple[type[InferenceError], re.Pattern[str]], ...] = tuple(
    (kind, re.compile("|".join(phrases), re.IGNORECASE))
    for kind, phrases in {
        InferenceRefusedError: (
            r"content[ _-]?(filter(ing)?|management|moderation) policy",  # Anthropic; Azure
            r"content exists risk",  # DeepSeek
            r"(blocked|rejected|flagged|filtered) .{0,40}(safety|moderation|content (filter|policy)|usage polic)",
            r"(input|prompt|request|content) was flagged",  # OpenRouter; OpenAI
            r"(violat\w+|against) .{0,40}(content|usage|safety|acceptable use) polic",
            r"(our|the) safety system",  # OpenAI's images
            r"responsible ai practices",  # Google's images
            r"(inappropriate|prohibited) content",  # Alibaba; Gemini
        ),
        InferenceCapacityError: (
            # too long
            r"(prompt|input|request|context) (is )?too (long|large)",  # Anthropic; Bedrock; Ollama
            r"too large for model",  # Mistral
            r"exceeds?\b.{0,60}\bcontext\b",  # llama.cpp; Anthropic's "exceed context limit"
            r"(maximum|max|model'?s) context (length|size|window)",  # OpenAI, vLLM, DeepSeek, Together
            r"maximum prompt length",  # xAI
            r"input token count .{0,40}exceeds",  # Gemini
            r"exceeds? the (maximum )?(number of (input )?tokens|token limit|input length)",
            r"too many (input )?tokens",  # Cohere
            r"reduce the length of",  # OpenAI, Groq
            r"max_new_tokens`? must be <=",  # Hugging Face's text-generation-inference
            # no credit
            r"credit balance",  # Anthropic
            r"(insufficient|exhausted|no) (account )?(balance|credits?|funds|quota)",  # DeepSeek; fal; OpenRouter
            r"(exceeded|used all|out of|ran out of|reached) .{0,40}(credits?|quota|spending limit)",  # OpenAI; xAI
            r"credit limit exceeded",  # Together
            r"(check|update) your (plan and )?billing",
        ),
        InferenceModelNotFoundError: (
            r"model identifier is invalid",  # Bedrock
            r"is not a valid model",  # OpenRouter
        ),
        InferenceAuthenticationError: (r"(incorrect|invalid) api[ _-]?key",),  # xAI, with the status 400
    }.items()
)
"""By sentence: some vendors have one code for everything that is wrong with a request."""
_NOT_TAKEN_BY_SERVER = re.compile(
    # llama.cpp, with the status 500: the weights, or how the server was started, do not take what was sent
    r"(image|audio|video) input is not supported|param requires --jinja flag|failed to parse tool call arguments",
    re.IGNORECASE,
)

_WHAT_HAPPENED: dict[type[InferenceError], str] = {
    InferenceConnectionError: "The backend cannot be reached",
    InferenceTimeoutError: "The backend did not answer in time",
    InferenceServerError: "The connection broke before the answer was whole",
    InferenceInvalidAnswerError: "The answer cannot be read",
}
_KIND_OF_TRANSPORT_FAULT: dict[str, type[InferenceError]] = {
    # httpx and httpx2
    "ConnectError": InferenceConnectionError,
    "ConnectTimeout": InferenceConnectionError,
    "PoolTimeout": InferenceConnectionError,
    "ProxyError": InferenceConnectionError,
    "TimeoutException": InferenceTimeoutError,
    "TransportError": InferenceServerError,
    "DecodingError": InferenceInvalidAnswerError,
    # aiohttp, and botocore over it or over urllib3
    "ClientConnectorError": InferenceConnectionError,
    "ConnectTimeoutError": InferenceConnectionError,
    "ConnectionTimeoutError": InferenceConnectionError,
    "EndpointConnectionError": InferenceConnectionError,
    "NewConnectionError": InferenceConnectionError,
    "ProxyConnectionError": InferenceConnectionError,
    "ReadTimeoutError": InferenceTimeoutError,
    "ServerTimeoutError": InferenceTimeoutError,
    "ClientPayloadError": InferenceServerError,
    "ConnectionClosedError": InferenceServerError,
    "IncompleteRead": InferenceServerError,
    "IncompleteReadError": InferenceServerError,
    "ProtocolError": InferenceServerError,
    "ResponseStreamingError": InferenceServerError,
    "ServerDisconnectedError": InferenceServerError,
    "ResponseParserError": InferenceInvalidAnswerError,
    # the standard library
    "ConnectionRefusedError": InferenceConnectionError,
    "gaierror": InferenceConnectionError,
    "TimeoutError": InferenceTimeoutError,
    "ConnectionError": InferenceServerError,
}


def kind_of(
    status_code: int | None,
    message: str,
    codes: Iterable[str],
    *,
    default: type[InferenceError] = InferenceServerError,
) -> type[InferenceError]:
    """Return the kind of error that a vendor's answer means.

    Args:
        status_code: The HTTP status; ``None`` where the error came with none, or with that of a success.
        message: The vendor's sentence.
        codes: The vendor's codes, the most telling one first.
        default: The kind where there is no status and nothing else is known.
    """
    lowered = [code.lower() for code in codes]
    by_code = next((_KIND_OF_CODE[code] for code in lowered if code in _KIND_OF_CODE), None)
    if by_code is not None:
        return by_code
    if status_code is None:
        status_code = _status_in(lowered)
    if status_code is None or status_code in _STATUSES_OF_WORDS:
        by_words = next((kind for kind, words in _KIND_OF_WORDS if words.search(message)), None)
        if by_words is not None:
            return by_words
    if status_code is None:
        return default
    if status_code == 500 and _NOT_TAKEN_BY_SERVER.search(message):
        return InferenceRequestError
    if status_code < 300:
        return InferenceError
    return _KIND_OF_STATUS.get(status_code, InferenceServerError if status_code >= 500 else InferenceRequestError)


def transport_fault(error: BaseException) -> InferenceError | tuple[type[InferenceError], str] | None:
    """Return the kind and the message of a failure below HTTP, known by the names of the classes in its chain.

    Args:
        error: What the SDK raised.
    """
    from json import JSONDecodeError

    from pipelex.cogt.local_faults import local_fault

    chain = _chain(error)
    ours = next((link for link in chain if isinstance(link, InferenceError)), None)  # raised by an event hook of ours
    if ours is not None:
        return ours
    reason = next(filter(None, map(local_fault, chain)), None)
    if reason is not None:
        return InferenceRequestError, reason
    unread = next((link for link in chain if isinstance(link, JSONDecodeError)), None)
    if unread is not None:  # it knows the body, in which the answer may be, with something around it
        return InferenceError.from_answer(unread.doc, expected="JSON")
    for current in chain:
        for base in type(current).__mro__:
            kind = _KIND_OF_TRANSPORT_FAULT.get(base.__name__)
            if kind is not None:
                detail = f"{type(current).__name__}: {current}".removesuffix(": ")
                return kind, f"{_WHAT_HAPPENED[kind]} ({detail})"
    return None


def seconds_to_wait(headers: Mapping[str, str], in_body: str | None = None) -> float | None:
    """Read how long a backend asks to wait.

    ``retry-after-ms`` (Azure) goes before ``Retry-After`` (RFC 9110: seconds, or a date), and this before the body.

    Args:
        headers: The answer's headers, by names in lower case.
        in_body: What its body says: a duration (``"34s"``), or a sentence ("Please try again in 300ms").
    """
    found = _seconds(headers.get("retry-after-ms", ""), unit=0.001)
    if found is None and "retry-after" in headers:
        found = _seconds(headers["retry-after"])
        found = _seconds_until(headers["retry-after"]) if found is None else found
    if found is None and in_body:
        asked = _ASKED.search(in_body)
        found = _seconds(asked[1] if asked is not None else in_body)
    return found


_SECONDS_OF_UNIT = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
}
_UNITS = "|".join(sorted(_SECONDS_OF_UNIT, key=len, reverse=True))
_DURATION = re.compile(rf"([\d.]+)\s*({_UNITS})(?![a-z])\s*", re.IGNORECASE)
_ASKED = re.compile(rf"(?:try again|retry)\s+(?:in|after)\s+((?:[\d.]+\s*(?:{_UNITS})(?![a-z])\s*)+)", re.IGNORECASE)


def _seconds(text: str, *, unit: float = 1.0) -> float | None:
    """Read a plain number of a unit, or durations with theirs (``"0.2s"``, ``"6m0s"``, ``"300ms"``)."""
    from math import isfinite

    text = text.strip()
    try:
        number = float(text) * unit
    except ValueError:
        parts = _DURATION.findall(text)
        if not parts or _DURATION.sub("", text).strip(" ."):
            return None
        try:
            number = sum(float(count) * _SECONDS_OF_UNIT[name.lower()] for count, name in parts)
        except ValueError:  # "1.2.3s"
            return None
    return max(0.0, number) if isfinite(number) else None


def _seconds_until(date: str) -> float | None:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        until = parsedate_to_datetime(date)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _status_in(codes: list[str]) -> int | None:
    """Return the status that the codes stand for, where one is a number or the name of one."""
    numbers = (int(code) for code in codes if len(code) == 3 and code.isdecimal())
    return next((number for number in numbers if 400 <= number < 600), None) or next(
        (_STATUS_OF_CODE[code] for code in codes if code in _STATUS_OF_CODE), None
    )


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain
