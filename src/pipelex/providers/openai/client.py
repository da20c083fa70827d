"""The client of every sdk that speaks OpenAI's format, and the lister of their models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai import AsyncAzureOpenAI, AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

from pipelex.cogt.exceptions import InferenceRequestError
from pipelex.cogt.inference.http_answers import note_answer, refuse_foreign_redirect
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.plugins.sdk_client_registry import PerLoopClient
from pipelex.providers.openai.dialects import AZURE_V1, Dialect, dialect_of

if TYPE_CHECKING:
    from pipelex.cogt.model_backends.backend import InferenceBackend

_NO_KEY = "no-key"  # for servers that ask for none; the SDK refuses to start without one
_PATHS = ("/chat/completions", "/responses", "/images/generations")  # what the SDK adds, and users write too
_AZURE_PATHS = ("/openai/v1", "/openai")


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[AsyncOpenAI]:
    """Make the client of a backend, one for each event loop.

    Args:
        sdk: The sdk.
        backend: The backend's record.

    Raises:
        InferenceRequestError: The sdk needs an endpoint, and the backend has none.
    """
    _endpoint(sdk, backend)  # so that wrong settings show here rather than in the first call
    return PerLoopClient(lambda: open_client(sdk=sdk, backend=backend))


def open_client(*, sdk: str, backend: InferenceBackend) -> AsyncOpenAI:
    """Open the SDK's client. Its own retries are off: there is one policy, and it is the core's.

    Args:
        sdk: The sdk; what is particular about it stands in the table of dialects.
        backend: The backend's record; its headers are sent with every request.

    Raises:
        InferenceRequestError: The sdk needs an endpoint, and the backend has none.
    """
    dialect, endpoint = dialect_of(sdk), _endpoint(sdk, backend)
    key, headers = _credentials(dialect, backend)
    timeout = Timeout(backend.policy.timeout_s, connect=backend.policy.connect_timeout_s)
    http = DefaultAsyncHttpxClient(timeout=timeout, event_hooks={"response": [note_answer, refuse_foreign_redirect]})
    if dialect.is_azure:
        version = backend.get_extra("api_version", default=AZURE_V1)
        if version != AZURE_V1:
            return AsyncAzureOpenAI(
                azure_endpoint=endpoint,
                api_version=version,
                api_key=key,
                timeout=timeout,
                max_retries=0,
                default_headers=headers,
                http_client=http,
            )
        endpoint = f"{endpoint.rstrip('/')}/openai/v1"
    return AsyncOpenAI(
        base_url=endpoint,
        api_key=key,
        organization=backend.get_extra("organization", default="") or None,
        project=backend.get_extra("project", default="") or None,
        timeout=timeout,
        max_retries=0,
        default_headers=headers,
        http_client=http,
    )


def _endpoint(sdk: str, backend: InferenceBackend) -> str:
    dialect = dialect_of(sdk)
    endpoint = backend.endpoint_without(*(_AZURE_PATHS if dialect.is_azure else _PATHS)) or dialect.endpoint
    if endpoint is None:
        msg = f"The sdk '{sdk}' has no address of its own. Set endpoint in [backends.{backend.name}]"
        raise InferenceRequestError(msg, provider=backend.name)
    return endpoint


def _credentials(dialect: Dialect, backend: InferenceBackend) -> tuple[str, dict[str, str]]:
    """Return the key for the ``Authorization`` header, and the headers beside it."""
    headers = backend.headers
    if dialect.key_header is None:
        return backend.api_key or _NO_KEY, headers
    if backend.api_key is not None:
        headers[dialect.key_header] = backend.api_key
    # the key of the provider behind a gateway, where the gateway does not keep it itself
    return backend.get_extra("provider_key", default="") or _NO_KEY, headers


async def list_models(*, sdk: str, backend: InferenceBackend) -> list[ListedModel]:
    """List the models that the key may use. The SDK's own method loses a list over one odd row."""
    async with open_client(sdk=sdk, backend=backend) as client:
        return ListedModel.rows_of(await client.get("/models", cast_to=object))
