"""Who speaks OpenAI's wire format, and in what each differs: look-alikes are rows of this table, not drivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

LimitName = Literal["max_tokens", "max_completion_tokens"]
LIMIT_NAMES: tuple[str, ...] = get_args(LimitName)

AZURE_V1 = "v1"
"""The Azure API that has no dated versions: the same paths as OpenAI's own, under ``/openai/v1``."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How an sdk differs from the others of the family.

    Attributes:
        endpoint: The vendor's address; ``None`` where every user has their own, which the backend then has to say.
        key_header: The header that carries the key, where it is not ``Authorization: Bearer``.
        is_azure: Whether the endpoint is an Azure resource, with Azure's paths below it.
        limit_name: What the limit of an answer is called in chat completions. OpenAI's reasoning models refuse
            ``max_tokens``; most who copied the format know nothing else.
    """

    endpoint: str | None = None
    key_header: str | None = None
    is_azure: bool = False
    limit_name: LimitName = "max_tokens"


_OPENAI = Dialect(endpoint="https://api.openai.com/v1", limit_name="max_completion_tokens")
_AZURE = Dialect(is_azure=True, limit_name="max_completion_tokens")
_OPENROUTER = Dialect(endpoint="https://openrouter.ai/api/v1")
_PORTKEY = Dialect(endpoint="https://api.portkey.ai/v1", key_header="x-portkey-api-key")

_DIALECTS = {
    "openai": _OPENAI,
    "openai_responses": _OPENAI,
    "openai_img_gen": _OPENAI,
    "azure_openai": _AZURE,
    "azure_openai_responses": _AZURE,
    "openrouter": _OPENROUTER,
    "openrouter_img_gen": _OPENROUTER,
    "portkey_completions": _PORTKEY,
    "portkey_responses": _PORTKEY,
}


def dialect_of(sdk: str) -> Dialect:
    """Return how an sdk differs; one that is not in the table needs an endpoint and is plain for the rest."""
    return _DIALECTS.get(sdk, Dialect())
