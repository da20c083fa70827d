"""LiteLLM's proxy (https://docs.litellm.ai), in a virtual environment of its own.

It serves chat completions of a real model (llama.cpp's server), and ``/v1/ocr`` and ``/v1/search`` of providers that
are played by a scripted server: the proxy translates between them and us, and it is the proxy that is tested against.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.counterparts import pin
from tests.providers.replay import Replay
from tests.servers.node import free_port, wait_until_it_listens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.llama_server import LlamaServer

REQUIREMENT = pin("litellm_proxy")
KEY = "sk-litellm-canary-90"


class LitellmProxy(NamedTuple):
    """Where the proxy listens, up to ``/v1``, and the server that plays the providers of documents and searches."""

    endpoint: str
    upstream: Replay


@pytest.fixture(scope="session")
def litellm_proxy(llama_server: LlamaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LitellmProxy]:
    """The proxy on a free port; installed at the first time, which takes minutes."""
    folder = tmp_path_factory.mktemp("litellm")
    with Replay() as upstream:
        config = folder / "config.yaml"  # JSON is YAML
        config.write_text(json.dumps(_config(llama_server, upstream.url)), encoding="utf-8")
        port = free_port()
        command = [str(_installed()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
        log = folder / "log"
        with log.open("wb") as out:
            server = subprocess.Popen(command, stdout=out, stderr=out, env=env)
            try:
                wait_until_it_listens(server, port=port, log=log)
                yield LitellmProxy(f"http://127.0.0.1:{port}/v1", upstream)
            finally:
                server.terminate()
                server.wait(20)


def _config(llama: LlamaServer, upstream: str) -> dict[str, object]:
    chat = {"model": f"openai/{llama.model_id}", "api_key": llama.api_key, "api_base": f"{llama.url}/v1"}
    ocr = {"model": "mistral/mistral-ocr-latest", "api_key": "upstream-key", "api_base": f"{upstream}/v1"}
    web = {"search_provider": "perplexity", "api_key": "upstream-key", "api_base": upstream}
    return {
        "model_list": [
            {"model_name": "chat", "litellm_params": chat},
            {"model_name": "reader", "litellm_params": ocr, "model_info": {"mode": "ocr"}},
        ],
        "search_tools": [{"search_tool_name": "web", "litellm_params": web}],
        "general_settings": {"master_key": KEY},
    }


def _installed() -> Path:
    """Return the path of the proxy's command, in an environment in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder = Path(base, "pipelex-tests", f"{REQUIREMENT.replace('[proxy]==', '-')}-py{version}")
    if not (folder / ".done").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENT]
        subprocess.run(pip, check=True, capture_output=True)
        (folder / ".done").touch()
    return folder / "bin" / "litellm"
