"""The model lister: what stands behind ``pipelex show models acme``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from acme import AcmeClient

from my_pkg.acme_errors import classify
from pipelex.cogt.model_backends.listed_model import ListedModel
from pipelex.plugins.model_lister_registry import translate_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelex.cogt.model_backends.backend import InferenceBackend


async def list_acme_models(
    *,
    sdk: str,  # noqa: ARG001 - this plugin serves one sdk
    backend_name: str,
    backend: InferenceBackend,
    flat: bool,  # noqa: ARG001 - the command draws the rows
    any_listed: bool,  # noqa: ARG001 - likewise
) -> Sequence[ListedModel]:
    """Ask the server for its models.

    Args:
        sdk: The sdk whose models are wanted.
        backend_name: The configured name of the backend.
        backend: The backend's configuration record.
        flat: Whether the user asked for plain lines.
        any_listed: Whether another sdk of this command was listed before.

    Returns:
        The models, in the server's order.

    Raises:
        InferenceError: The server cannot be asked; its subclass says why.
    """
    client = AcmeClient(api_key=backend.api_key, base_url=backend.endpoint)
    with translate_errors(classify, provider=backend_name):
        models = await client.list_models()
    return [
        ListedModel(
            id=model.id,
            created=datetime.fromtimestamp(model.created, tz=UTC),
            owner=model.owner,
            context_window=model.context_window,
        )
        for model in models
    ]
