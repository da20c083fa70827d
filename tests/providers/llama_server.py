"""llama.cpp's own HTTP server with a real model: a counterpart of another project that speaks two vendors' formats.

OpenAI's: ``GET /v1/models``, ``POST /v1/chat/completions`` (text, stream, ``response_format`` json_schema), and
Anthropic's: ``POST /v1/messages``. It holds the key that clients send against its own, so a wrong one is a real 401.
``tests/providers/conftest.py`` makes the fixture known to all tests of the providers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from pipelex.providers.local.install import install
from pipelex.providers.local.weights import SMOLLM2

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "llama-server-canary-4c1f"
ALIAS = "smollm2-135m-instruct"


class LlamaServer(NamedTuple):
    """Where the server listens, without a slash at the end and without ``/v1``; its key; the name of its model."""

    url: str
    api_key: str
    model_id: str


@pytest.fixture(scope="session")
def llama_server() -> Iterator[LlamaServer]:
    """A real model behind llama.cpp's server on a free port of 127.0.0.1, started once for all tests."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(install(SMOLLM2)[0])
    params.model_alias = {ALIAS}
    params.use_jinja, params.warmup, params.ui, params.verbosity = True, False, False, 0
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 8192, 4, 1
    params.cache_ram_mib = 0
    params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [KEY]
    server = xllamacpp.Server(params)
    yield LlamaServer(url=server.listening_address.rstrip("/"), api_key=KEY, model_id=ALIAS)
    del server  # the engine stops with its last reference
