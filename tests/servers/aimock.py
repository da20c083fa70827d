"""aimock: a mock of OpenAI, Azure and others, by CopilotKit (https://github.com/CopilotKit/aimock)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import urlopen

import pytest

from pipelex.testing import samples
from tests.servers.node import NodePackage, free_port, installed, running

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = NodePackage.pinned("aimock")
PNG = samples.png("kit-000001")
OBJECT = {"name": "Rome", "people": 3}
FIXTURES = [
    {"match": {"userMessage": "city", "responseFormat": "json_schema"}, "response": {"content": json.dumps(OBJECT)}},
    # the mock knows no responseFormat for the Responses API
    {"match": {"userMessage": "city by responses"}, "response": {"content": json.dumps(OBJECT)}},
    {"match": {"userMessage": "hello"}, "response": {"content": "Hello from the mock."}},
    {
        "match": {"userMessage": "too fast"},
        "response": {"error": {"message": "Slow down", "type": "rate_limit_error"}, "status": 429},
    },
    {
        "match": {"userMessage": "cat", "endpoint": "fal"},
        "response": {"json": {"images": [{"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}]}},
    },
    {
        "match": {"userMessage": "cat", "endpoint": "image"},
        "response": {"image": {"b64Json": base64.b64encode(PNG).decode()}},
    },
    # of Gemini's parts that are files the mock knows sound alone, of whatever type it is said to be
    {
        "match": {"userMessage": "cat", "endpoint": "chat"},
        "response": {"audio": {"b64Json": base64.b64encode(PNG).decode(), "contentType": "image/png"}},
    },
]


class Aimock(NamedTuple):
    """Where the mock listens, without a slash at the end."""

    url: str

    def journal(self) -> list[dict[str, object]]:
        """Return what arrived, as the mock itself wrote it down."""
        with urlopen(f"{self.url}/__aimock/journal") as answer:
            entries = json.load(answer)
        assert isinstance(entries, list)
        return entries


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    """The mock with the fixtures above, on a free port."""
    folder = tmp_path_factory.mktemp("aimock")
    port = free_port()
    (folder / "all.json").write_text(json.dumps({"fixtures": FIXTURES}), encoding="utf-8")
    config = {"port": port, "host": "127.0.0.1", "metrics": False, "llm": {"fixtures": str(folder / "all.json")}}
    (folder / "aimock.json").write_text(json.dumps(config), encoding="utf-8")
    script = installed(PACKAGE) / ".bin" / "aimock"
    with running([str(script.resolve()), "--config", str(folder / "aimock.json")], port=port):
        yield Aimock(f"http://127.0.0.1:{port}")
