"""Google's async client for Gemini, and the listing of its models."""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from json import dumps
from typing import TYPE_CHECKING

import httpx2
from google.genai import Client
from google.genai.types import (
    Content,
    CountTokensConfig,
    FinishReason,
    GenerateContentConfig,
    HttpOptions,
    HttpRetryOptions,
    Part,
    Tool,
)

from pipelex.cogt.exceptions import InferenceError, InferenceRequestError
from pipelex.cogt.inference.event_streams import read_json_events
from pipelex.cogt.inference.http_answers import (
    note_answer,
    refuse_error_in_answer,
    refuse_foreign_redirect,
    require_event_stream,
)
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.plugins.sdk_client_registry import PerLoopClient
from pipelex.providers.google.answer_shape import ANSWER_KEYS, fitting, is_as_documented, read_answer
from pipelex.providers.google.content import all_parts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

    from google.genai.models import AsyncModels
    from google.genai.types import GenerateContentResponse

    from pipelex.cogt.model_backends.backend import InferenceBackend

_NO_KEY = "none"  # an endpoint without a key: what the environment holds for another one is not sent to it
_VERSIONS = ("/v1beta1", "/v1beta", "/v1alpha", "/v1")
_LARGEST_PAGE = 1000
_COUNT_FIELDS = (
    "prompt_token_count",
    "candidates_token_count",
    "thoughts_token_count",
    "tool_use_prompt_token_count",
    "cached_content_token_count",
)
"""The counts of an answer that are added up."""

_opened: ContextVar[list[httpx2.Response] | None] = ContextVar("_opened", default=None)


@contextmanager
def remember_responses(responses: list[httpx2.Response]) -> Iterator[None]:
    """Collect the HTTP responses that are opened meanwhile by this task.

    The SDK's streams, left early, leave their response to the garbage collector: who leaves one closes it.
    """
    token = _opened.set(responses)
    try:
        yield
    finally:
        _opened.reset(token)


async def _refuse_error(response: httpx2.Response) -> None:
    """Raise the error that a status means: the SDK cannot read one whose body is nested too deep, or not in UTF-8."""
    if response.is_success:
        response.status_code = httpx2.codes.OK  # the SDK takes no other one for success
    elif not response.has_redirect_location:
        body, headers = await response.aread(), dict(response.headers)
        raise InferenceError.from_body(body, status_code=response.status_code, headers=headers, url=str(response.url))


async def _remember(response: httpx2.Response) -> None:
    responses = _opened.get()
    if responses is not None:
        responses.append(response)
        if response.is_success and b"alt=sse" in response.url.query:
            await require_event_stream(response)
            vars(response)["aiter_bytes"] = partial(_pieces, response.aiter_bytes)  # which the SDK reads a stream by


async def _pieces(read: Callable[[], AsyncIterator[bytes]]) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of a streamed answer in the one framing that the SDK takes, each as it can be validated."""
    chunks, rest, begun = read(), b"", b""
    async for chunk in chunks:
        events, end, cut = (rest + chunk).rpartition(b"\n\n")
        if not is_as_documented(events + end):
            rest += chunk
            break
        yield events + end
        rest, begun = cut, b"data: {}\n\n"  # so that what is no event is known to come after some
    async with aclosing(read_json_events(_chain(begun + rest, chunks), keys=ANSWER_KEYS)) as pieces:
        async for piece in pieces:
            yield b"data: %s\n\n" % dumps(fitting(piece)).encode()


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for chunk in rest:
        yield chunk


class RequestConfig(GenerateContentConfig):
    """How to answer: the SDK's record, with a quick answer to a question that the SDK asks for each field.

    The SDK evaluates ``name in config`` before it reads one of some forty fields. pydantic defines no ``in``, so Python
    compares the name with each pair of name and value, and never finds it: a tenth of the time of a whole call.
    """

    def __contains__(self, name: object) -> bool:
        return False


class GoogleClient:
    """The SDK's async client, and the HTTP client below it.

    The HTTP client is ours because the SDK would change to another HTTP library where that one happens to be
    installed, whose failures and limits are not the same.

    Args:
        backend: The backend's record. With the extra ``project`` it is the Gemini Enterprise platform (Vertex AI) of
            that project and of the extra ``location``, with Google's usual credentials in place of a key.

    Raises:
        InferenceRequestError: The backend's settings do not go together.
    """

    def __init__(self, *, backend: InferenceBackend) -> None:
        self._connect_timeout = backend.policy.connect_timeout_s
        self._http = httpx2.AsyncClient(
            headers=backend.headers,
            follow_redirects=True,
            event_hooks={
                "request": [self._limit_connecting],
                "response": [note_answer, refuse_foreign_redirect, _refuse_error, _remember, refuse_error_in_answer],
            },
            # How many calls run at once is the base's matter.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=backend.policy.max_concurrency),
        )
        self._unused_http = httpx2.Client(transport=_NoTransport())
        # The SDK adds the version of the API to the endpoint; one that the endpoint names already is that one.
        endpoint = backend.endpoint_without(*_VERSIONS)
        version = (backend.endpoint or "").rstrip("/").removeprefix(endpoint or "").strip("/") or None
        options = HttpOptions(
            base_url=endpoint,
            api_version=backend.get_extra("api_version", default="") or version,
            timeout=round(backend.policy.timeout_s * 1000),
            retry_options=HttpRetryOptions(attempts=1),
            httpx_async_client=self._http,
            httpx_client=self._unused_http,
        )
        project = backend.get_extra("project", default="")
        self._is_enterprise = bool(project)
        try:
            if project:
                location = backend.get_extra("location", default="global")
                self._sdk = Client(enterprise=True, project=project, location=location, http_options=options).aio
            else:
                self._sdk = Client(enterprise=False, api_key=backend.api_key or _NO_KEY, http_options=options).aio
        except ValueError as exc:
            msg = f"{exc} The keys of [backends.{backend.name}] are api_key, project and location"
            raise InferenceRequestError(msg, provider=backend.name) from exc

    @property
    def models(self) -> AsyncModels:
        """What the SDK does with models: generate and list."""
        return self._sdk.models

    async def generate(
        self, *, model_id: str, contents: list[Content], config: RequestConfig
    ) -> GenerateContentResponse:
        """Ask for a whole answer, and read its body: the SDK refuses a whole answer for one key of another type.

        An answer that Google wants to be continued is continued, as the SDK does with what it reads itself.

        Raises:
            InferenceError: The answer is an error, or something else than an answer.
        """
        config.should_return_http_response = True
        answer = await self._one_answer(model_id, contents, config)
        while (token := _continuation(answer)) is not None:
            config.continuation_token = token
            answer = _joined(answer, await self._one_answer(model_id, contents, config))
        return answer

    async def _one_answer(
        self, model_id: str, contents: list[Content], config: RequestConfig
    ) -> GenerateContentResponse:
        response = await self.models.generate_content(model=model_id, contents=list(contents), config=config)
        body = (response.sdk_http_response.body if response.sdk_http_response is not None else None) or ""
        answer = read_answer(body, is_enterprise=self._is_enterprise)
        if answer is None:
            raise InferenceError.from_answer(body.encode(errors="replace"), expected="an answer with a candidate")
        return answer

    async def count_tokens(self, *, model_id: str, contents: list[Content], config: RequestConfig) -> int | None:
        """Count the tokens of a request; ``None`` where the answer holds no count.

        The SDK lets the Gemini API count contents alone, though it counts whole requests: ``generateContentRequest``
        takes the place of ``contents`` (https://ai.google.dev/api/tokens).
        """
        tools = [tool for tool in config.tools or [] if isinstance(tool, Tool)]
        system = Content(parts=[Part(text=str(config.system_instruction))]) if config.system_instruction else None
        if self._is_enterprise:
            counted = CountTokensConfig(system_instruction=system, tools=tools or None)
        else:
            whole: dict[str, object] = {"model": f"models/{model_id}", "contents": list(map(_plain, contents))}
            if system is not None:
                whole["systemInstruction"] = _plain(system)
            if tools:
                whole["tools"] = list(map(_plain, tools))
            counted = CountTokensConfig(
                http_options=HttpOptions(extra_body={"contents": [], "generateContentRequest": whole})
            )
        return (await self.models.count_tokens(model=model_id, contents=list(contents), config=counted)).total_tokens

    async def _limit_connecting(self, request: httpx2.Request) -> None:
        """Set what the SDK, which gives each request one limit for all, has no setting for."""
        request.extensions["timeout"]["connect"] = self._connect_timeout

    async def aclose(self) -> None:
        """Close all clients: the SDK leaves an HTTP client open that it was given."""
        await self._sdk.aclose()
        await self._http.aclose()
        self._unused_http.close()


def _continuation(answer: GenerateContentResponse) -> bytes | None:
    """Return what an answer is continued by; ``None`` where it has ended."""
    candidate = answer.candidates[0] if answer.candidates else None
    if candidate is None or candidate.finish_reason is not FinishReason.CONTINUATION:
        return None
    return candidate.continuation_token or None


def _joined(first: GenerateContentResponse, rest: GenerateContentResponse) -> GenerateContentResponse:
    """Return an answer and its continuation as one: the parts of both, what both used, and how the last one ended."""
    if not (first.candidates and rest.candidates):
        return _without_continuation(first)
    rest.candidates[0].content = Content(role="model", parts=[*all_parts(first), *all_parts(rest)])
    used, more = first.usage_metadata, rest.usage_metadata
    if used is not None and more is not None:
        for name in _COUNT_FIELDS:
            counts = [count for count in (getattr(used, name), getattr(more, name)) if count is not None]
            setattr(more, name, sum(counts) if counts else None)
    rest.usage_metadata = more or used
    return rest


def _without_continuation(answer: GenerateContentResponse) -> GenerateContentResponse:
    """Return an answer that ends where it was to be continued: its text is kept."""
    for candidate in answer.candidates or ():
        candidate.continuation_token = None
    return answer


def _plain(record: Content | Tool) -> dict[str, object]:
    """Return a record of the SDK as it goes over the wire."""
    return record.model_dump(mode="json", by_alias=True, exclude_none=True)


class _NoTransport(httpx2.BaseTransport):
    """For the synchronous client that the SDK wants and we never use: setting up TLS for it would take its time."""


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[GoogleClient]:  # noqa: ARG001
    """Make the client of a backend. Nothing is sent before the first call."""
    return PerLoopClient(lambda: GoogleClient(backend=backend))


async def list_models(*, sdk: str, backend: InferenceBackend) -> list[ListedModel]:  # noqa: ARG001
    """List the models that the key may call."""
    async with aclosing(GoogleClient(backend=backend)) as client:
        pager = await client.models.list(config={"page_size": _LARGEST_PAGE})
        rows = [
            {"id": (model.name or "").rpartition("/")[2], "context_window": model.input_token_limit}
            async for model in pager
        ]
    return [replace(model, owner="google") for model in ListedModel.rows_of(rows)]
