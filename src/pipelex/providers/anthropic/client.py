"""Anthropic's async clients, for its own API and for Amazon Bedrock, and the listing of its models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anthropic import AsyncAnthropic, AsyncAnthropicBedrock, DefaultAsyncHttpxClient, Timeout

from pipelex.cogt.exceptions import InferenceRequestError, ModelListingUnsupportedError
from pipelex.cogt.inference.http_answers import note_answer, refuse_foreign_redirect
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.plugins.inference_backend_registry import require_sdk
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipelex.cogt.model_backends.backend import InferenceBackend

_NO_KEY = "none"  # an endpoint without a key: what the environment holds for another one is not sent to it
_LARGEST_PAGE = 1000


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[AsyncAnthropic | AsyncAnthropicBedrock]:
    """Make the client of a backend. Nothing is sent before the first call.

    Args:
        sdk: ``"anthropic"``, or ``"bedrock_anthropic"`` for Claude on Amazon Bedrock.
        backend: The backend's record; for Bedrock its extras ``region`` and ``profile`` are read here.

    Raises:
        InferenceRequestError: The region of Amazon Bedrock is not known.
    """
    if sdk == "bedrock_anthropic":
        _make_bedrock_client(backend)  # so that wrong settings show here rather than in the first call
        return PerLoopClient(lambda: _make_bedrock_client(backend))
    return PerLoopClient(lambda: _make_anthropic_client(backend))


def _make_anthropic_client(backend: InferenceBackend) -> AsyncAnthropic:
    return AsyncAnthropic(
        api_key=backend.api_key or _NO_KEY,
        base_url=backend.endpoint_without("/v1/messages", "/v1"),
        timeout=_timeout(backend),
        default_headers=backend.headers,
        http_client=_http(backend),
        max_retries=0,
    )


def _timeout(backend: InferenceBackend) -> Timeout:
    # Without a limit for the pool it never equals the SDK's default, in place of which the SDK puts a guess of its own.
    return Timeout(backend.policy.timeout_s, connect=backend.policy.connect_timeout_s, pool=None)


def _http(backend: InferenceBackend) -> DefaultAsyncHttpxClient:
    hooks = {"response": [note_answer, refuse_foreign_redirect]}
    return DefaultAsyncHttpxClient(timeout=_timeout(backend), event_hooks=hooks)


def _make_bedrock_client(backend: InferenceBackend) -> AsyncAnthropicBedrock:
    """Make the client for Bedrock: with a Bedrock API key where there is one, else with the usual AWS credentials."""
    # botocore signs the requests and decodes the streams; who never calls Bedrock need not install it.
    require_sdk(
        spec="boto3", extra="bedrock", msg="The sdk 'bedrock_anthropic' needs the AWS SDK beside Anthropic's own."
    )
    try:
        return AsyncAnthropicBedrock(
            api_key=backend.api_key,
            aws_region=backend.get_extra("region", default="") or None,
            aws_profile=backend.get_extra("profile", default="") or None,
            base_url=backend.endpoint,
            timeout=_timeout(backend),
            default_headers=backend.headers,
            http_client=_http(backend),
            max_retries=0,
        )
    except ValueError as exc:
        msg = f"{exc} In [backends.{backend.name}] the keys are region and profile"
        raise InferenceRequestError(msg, provider=backend.name) from exc


async def list_models(*, sdk: str, backend: InferenceBackend) -> list[ListedModel]:
    """List the models of Anthropic's own API; on Bedrock they are listed by the bedrock plugin's sdks.

    Raises:
        ModelListingUnsupportedError: The sdk is ``bedrock_anthropic``, whose client cannot list.
    """
    if sdk == "bedrock_anthropic":
        raise ModelListingUnsupportedError(sdk=sdk)
    async with _make_anthropic_client(backend) as client:
        return [replace(model, owner="anthropic") async for model in _pages_of_models(client)]


async def _pages_of_models(client: AsyncAnthropic) -> AsyncIterator[ListedModel]:
    """Yield the models page by page. The SDK's own method loses a list over one odd row."""
    query: dict[str, object] = {"limit": _LARGEST_PAGE}
    while True:
        page = await client.get("/v1/models", cast_to=object, options={"params": query})
        for model in ListedModel.rows_of(page):
            yield model
        last = page.get("last_id") if isinstance(page, dict) and page.get("has_more") else None
        if not last or last == query.get("after_id"):
            return
        query["after_id"] = last
