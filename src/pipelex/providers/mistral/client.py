"""Mistral's client, and the listing of its models."""

from __future__ import annotations

import re
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx2
from mistralai.client import Mistral
from mistralai.client.errors import ResponseValidationError
from mistralai.client.models import BaseModelCard, FTModelCard

from pipelex.cogt.inference.http_answers import note_answer, refuse_foreign_redirect, require_event_stream
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend

_STREAM, _JSON = "text/event-stream", "application/json"
_BEGINS_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[{\[]")
_NO_KEY = "none"  # an endpoint without a key: what the environment holds for another one is not sent to it


class MistralClient:
    """Mistral's SDK, with the one method that closes all its connections.

    Args:
        backend: The backend's record.
    """

    def __init__(self, *, backend: InferenceBackend) -> None:
        # The SDK closes its clients in a finalizer only; these are ours, so that they can be closed when they should.
        # How many calls run at once is the base's matter.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=backend.policy.max_concurrency)
        self._connect_timeout = backend.policy.connect_timeout_s
        self._async_client = httpx2.AsyncClient(
            headers=backend.headers,
            follow_redirects=True,
            limits=limits,
            event_hooks={
                "request": [self._limit_connecting],
                "response": [note_answer, refuse_foreign_redirect, _name_content],
            },
        )
        self._unused_client = httpx2.Client(transport=_NoTransport())
        self.sdk = Mistral(
            api_key=backend.api_key or _NO_KEY,
            server_url=backend.endpoint_without("/v1/chat/completions", "/v1"),
            client=self._unused_client,
            async_client=self._async_client,
            retry_config=None,
            timeout_ms=max(1, round(backend.policy.timeout_s * 1000)),
        )

    async def _limit_connecting(self, request: httpx2.Request) -> None:
        """Set what the SDK, which gives each request one limit for all, has no setting for."""
        request.extensions["timeout"]["connect"] = self._connect_timeout

    async def aclose(self) -> None:
        """Close the connections. May be called again."""
        await self._async_client.aclose()
        self._unused_client.close()


async def _name_content(answer: httpx2.Response) -> None:
    """Let the SDK take a stream of events, or JSON, of another content type or status; refuse what is no stream."""
    if not answer.is_success:
        return
    answer.status_code = httpx2.codes.OK  # the SDK reads no other one
    if answer.request.headers.get("accept") == _STREAM:
        await require_event_stream(answer)
        answer.headers["content-type"] = _STREAM
    elif not answer.headers.get("content-type", "").startswith(_JSON) and _BEGINS_JSON.match(await answer.aread()):
        answer.headers["content-type"] = _JSON


class _NoTransport(httpx2.BaseTransport):
    """For the synchronous client that the SDK wants and we never use: setting up TLS for it would take its time."""


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[MistralClient]:  # noqa: ARG001
    """Make the client of a backend. Nothing is sent before the first call."""
    return PerLoopClient(lambda: MistralClient(backend=backend))


async def list_models(*, sdk: str, backend: InferenceBackend) -> list[ListedModel]:  # noqa: ARG001
    """List the models that the key may use; Mistral returns them all at once."""
    async with aclosing(MistralClient(backend=backend)) as client:
        try:
            models = (await client.sdk.models.list_async()).data or []
        except ResponseValidationError as exc:  # the SDK loses a list over one odd row
            return ListedModel.rows_of(exc.body)
    return [_row(model) for model in models if isinstance(model, BaseModelCard | FTModelCard)]


def _row(model: BaseModelCard | FTModelCard) -> ListedModel:
    """Return what the vendor said of a model; what the SDK puts in where it said nothing is left out."""
    said = model.model_fields_set
    return ListedModel(
        id=model.id,
        created=datetime.fromtimestamp(model.created, tz=UTC) if model.created is not None else None,
        owner=model.owned_by if "owned_by" in said else None,
        context_window=model.max_context_length if "max_context_length" in said else None,
    )
