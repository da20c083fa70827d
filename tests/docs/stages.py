"""What the example of each provider's page runs on: answers in the vendor's format, and what cannot be helped."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelex.cogt.search.search_job import SearchSource
from pipelex.testing import samples
from pipelex.testing.loopback import HttpReply, HttpRequest
from tests.providers.anthropic import wire as anthropic
from tests.providers.bedrock import wire as bedrock
from tests.providers.fal import wire as fal
from tests.providers.google import wire as google
from tests.providers.linkup import wire as linkup
from tests.providers.mistral import wire as mistral
from tests.providers.openai import wire as openai
from tests.providers.replay import Replay, answer, named_sse, raw, sse

KEY = "example-key-3f1a"
WHY = "Blue light is scattered most."
PNG = samples.png("example")
IMAGE = f"image/png {len(PNG)}"
SOURCE = SearchSource(url="https://example.org/found", title="Found", snippet="It is so.")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What an example runs on.

    Attributes:
        prints: What it prints.
        backend: The backend whose address is overridden; ``None`` where a variable holds it, or there is none.
        path: What stands behind the server's address in the endpoint.
        more: Further keys of the backend.
        variables: Variables whose value is no key; ``{url}`` is the server's address.
        files: The files that it reads.
        answers: Scripts the server.
    """

    prints: str
    backend: str | None = None
    path: str = ""
    more: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    answers: Callable[[Replay], object] | None = None


def _openai(replay: Replay) -> None:
    replay.on("POST /v1/chat/completions", answer(openai.completion(WHY)))
    replay.on("POST /v1/images/generations", answer(openai.images([PNG])))


def openai_turn(request: HttpRequest) -> HttpReply:
    """Answer a turn of chat completions: call the tool, or answer, streamed where that is asked for."""
    asked: Any = request.json()
    if asked.get("tools") and asked["messages"][-1]["role"] != "tool":
        return answer(_calling(asked["tools"][0]["function"]["name"]))
    return sse(openai.completion_chunks([WHY])) if asked.get("stream") else answer(openai.completion(WHY))


def _calling(tool: str) -> dict[str, object]:
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": '{"city": "Rome"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return {**openai.completion(None), "choices": [choice]}


def anthropic_turn(request: HttpRequest) -> HttpReply:
    """Answer a turn of messages: call the tool, or answer, streamed where that is asked for."""
    asked: Any = request.json()
    if asked.get("tools") and "tool_result" not in str(asked["messages"][-1]):
        use = {"type": "tool_use", "id": "toolu_1", "name": asked["tools"][0]["name"], "input": {"city": "Rome"}}
        return answer({**anthropic.message("", stop_reason="tool_use"), "content": [use]})
    return named_sse(anthropic.events(WHY)) if asked.get("stream") else answer(anthropic.message(WHY))


def _gateway(replay: Replay) -> None:
    _openai(replay)
    replay.on("POST /v1/ocr", answer(mistral.ocr(mistral.page(1, "# Paper"))))
    found = {"title": SOURCE.title, "url": SOURCE.url, "snippet": SOURCE.snippet}
    replay.on("POST /v1/search/my-search-tool", answer({"object": "search", "results": [found]}))


def _openrouter(replay: Replay) -> None:
    row = {"b64_json": b64encode(PNG).decode(), "media_type": "image/png"}
    replay.on("POST /api/v1/chat/completions", answer(openai.completion(WHY)))
    replay.on("POST /api/v1/images", answer({"created": 1, "data": [row]}))


def _google(replay: Replay) -> None:
    model = f"POST /v1/models/{google.MODEL_ID}"
    replay.on(f"{model}:streamGenerateContent", sse(google.pieces(WHY), last=None))
    replay.on(f"POST /v1/models/{google.IMAGE_MODEL_ID}:generateContent", answer(google.image(PNG)))


def _linkup(replay: Replay) -> None:
    replay.on("POST /v1/search", answer(linkup.sourced_answer(WHY, [SOURCE])))
    replay.on("POST /v1/fetch", answer(linkup.page("# About")))


def _mistral(replay: Replay) -> None:
    replay.on("POST /v1/chat/completions", answer(mistral.completion(WHY)))
    replay.on("POST /v1/ocr", answer(mistral.ocr(mistral.page(1, "# One"), mistral.page(2, "Two"))))


def _fal(replay: Replay) -> None:
    fal.script(replay, answer(fal.result(f"{replay.url}/files/cat.png")), image=PNG)


def word_file() -> bytes:
    """Return a document of Word's."""
    import docx

    document, file = docx.Document(), io.BytesIO()
    document.add_paragraph("It went well.")
    document.save(file)
    return file.getvalue()


PAPER = samples.pdf("paper")
STAGES: dict[str, Stage] = {
    "anthropic": Stage(
        prints=WHY,
        backend="anthropic",
        answers=lambda replay: replay.on("POST /v1/messages", named_sse(anthropic.events(WHY))),
    ),
    "azure_rest": Stage(
        prints=f"{IMAGE}\n",
        variables={"AZURE_OPENAI_ENDPOINT": "{url}"},
        answers=lambda replay: replay.on("POST /openai/v1/images/generations", answer(openai.images([PNG]))),
    ),
    "bedrock": Stage(
        prints=f"{WHY}\n",
        backend="bedrock",
        more='region = "eu-west-1"\n',
        variables={"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "example-secret"},
        answers=lambda replay: replay.on(bedrock.CONVERSE, answer(bedrock.text(WHY))),
    ),
    "docling": Stage(prints="1 It went well.\n", files={"report.docx": word_file()}),
    "fal": Stage(prints=f"{IMAGE}\n", backend="fal", answers=_fal),
    "gateway": Stage(
        prints=f"{WHY}\nimage/png\n# Paper\n{SOURCE.url}\n",
        variables={"GATEWAY_URL": "{url}/v1"},
        files={"paper.pdf": PAPER},
        answers=_gateway,
    ),
    "google": Stage(prints=f"{WHY}{IMAGE}\n", backend="google", answers=_google),
    "huggingface": Stage(
        prints="image/png 1 1\n",
        backend="huggingface",
        answers=lambda replay: replay.on("*", raw(PNG, content_type="image/png")),
    ),
    "linkup": Stage(prints=f"{WHY}\n{SOURCE.url}\n# About\n", backend="linkup", path="/v1", answers=_linkup),
    "mistral": Stage(
        prints=f"{WHY}\n1 # One\n2 Two\n", backend="mistral", files={"paper.pdf": PAPER}, answers=_mistral
    ),
    "openai": Stage(prints=f"{WHY}\n{IMAGE}\n", backend="openai", path="/v1", answers=_openai),
    "openrouter": Stage(prints=f"{WHY}\n{IMAGE}\n", backend="openrouter", path="/api/v1", answers=_openrouter),
    "portkey": Stage(prints=f"{WHY}\n", backend="portkey", path="/v1", answers=_openai),
    "pypdfium2": Stage(prints="1 paper page 1\n2 paper page 2\n", files={"paper.pdf": PAPER}),
}
"""By provider. The example of ``local`` is not here: what a real model says is not known beforehand."""
