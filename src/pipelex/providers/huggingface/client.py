"""Hugging Face's async inference client: for its inference providers, or for an endpoint of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from huggingface_hub import AsyncInferenceClient

from pipelex.cogt.inference.http_answers import note_answer, refuse_foreign_redirect
from pipelex.plugins.sdk_client_registry import PerLoopClient

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub.inference._providers import PROVIDER_OR_POLICY_T

    from pipelex.cogt.model_backends.backend import InferenceBackend

_NO_KEY = "none"  # an endpoint without a key: what the environment holds for another one is not sent to it


class HuggingFaceClient(AsyncInferenceClient):
    """The SDK's async client, which shows the headers of answers, and does not follow redirects to other hosts."""

    async def _get_async_client(self) -> httpx2.AsyncClient:  # what the SDK's methods send with
        client: httpx2.AsyncClient = await super()._get_async_client()  # type: ignore[no-untyped-call]  # the SDK's
        client.event_hooks = {**client.event_hooks, "response": [note_answer, refuse_foreign_redirect]}
        return client


def make_client(*, sdk: str, backend: InferenceBackend) -> PerLoopClient[AsyncInferenceClient]:  # noqa: ARG001
    """Make the client of a backend. Nothing is sent before the first call.

    Args:
        sdk: The sdk.
        backend: The backend's record. Its ``endpoint`` is the address of an Inference Endpoint. Without one, its
            extra ``provider`` says who serves (``"together"``, ``"nscale"``), and without that it is the first one
            that Hugging Face names for the model.
    """
    policy = backend.policy
    # The SDK hands it on to httpx2 as it is, which takes one limit or these four: connect, read, write, pool.
    timeout = (policy.connect_timeout_s, policy.timeout_s, policy.timeout_s, policy.timeout_s)
    return PerLoopClient(
        lambda: HuggingFaceClient(
            base_url=backend.endpoint,
            provider=cast("PROVIDER_OR_POLICY_T", backend.get_extra("provider", default="auto")),
            api_key=backend.api_key or _NO_KEY,
            headers=backend.headers,
            timeout=cast("float", timeout),
        )
    )
