"""The conformance kit on search, over a socket, with Linkup's own SDK and a replay of its format.

``linkup_fetch`` takes addresses alone, and the kit's document is a file: its tests are in test_linkup_fetch.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipelex.generated.builtins import LinkupPlugin
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackVendor
from pipelex.testing.search import SearchConformance
from tests.providers.linkup import wire
from tests.providers.targets import KIT_POLICY

if TYPE_CHECKING:
    from pipelex.cogt.inference.inference_result import InferenceResult
    from pipelex.cogt.search.search_job import SearchAnswer

pytest_plugins = ["pipelex.testing"]

pytestmark = pytest.mark.counterpart("linkup_docs", "search:linkup")


class LinkupVendor(LoopbackVendor["SearchAnswer"]):
    """Linkup as its documentation describes it."""

    def reply(self, request: HttpRequest, answer: InferenceResult[SearchAnswer]) -> HttpReply:
        match request.json()["outputType"]:
            case "structured":
                return HttpReply.json(json.loads(answer.content.text))
            case "searchResults":
                return HttpReply.json(wire.search_results(answer.content.sources))
        return HttpReply.json(wire.sourced_answer(answer.content.text, answer.content.sources))

    def refusal(self, request: HttpRequest, status: int) -> HttpReply:
        return HttpReply.json(wire.error(status, "KIT"), status=status)


class TestLinkup(SearchConformance):
    sdk = "linkup"
    model_id = "standard"
    capabilities = frozenset(SearchConformance.family_capabilities)
    sdk_imports = ("linkup", "httpx")
    extra = "linkup"
    concurrency = 64
    policy = KIT_POLICY

    def plugin(self) -> LinkupPlugin:
        return LinkupPlugin()

    def vendor(self) -> LinkupVendor:
        return LinkupVendor()
