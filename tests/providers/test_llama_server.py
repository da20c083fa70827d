"""The real model's server is there, and holds its key."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.providers.llama_server import LlamaServer


def ask(server: LlamaServer, key: str) -> tuple[int, bytes]:
    with closing(HTTPConnection(server.url.removeprefix("http://"), timeout=10)) as connection:
        connection.request(
            "POST",
            "/v1/chat/completions",
            json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}),
            headers={"Authorization": f"Bearer {key}"},
        )
        with connection.getresponse() as response:
            return response.status, response.read()


@pytest.mark.parametrize(("is_right", "status"), [(True, 200), (False, 401)])
def test_only_the_right_key_is_answered(llama_server: LlamaServer, is_right: bool, status: int) -> None:
    got, body = ask(llama_server, llama_server.api_key if is_right else "wrong")
    assert status == got
    if is_right:
        assert llama_server.model_id == json.loads(body)["model"]
