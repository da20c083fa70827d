"""Google's, fal's and Hugging Face's drivers against a mock that others wrote: aimock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.inference._providers import _common
from huggingface_hub.utils import _http

from pipelex.cogt.exceptions import InferenceInvalidAnswerError, InferenceRateLimitError
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage, ImgGenJob, ImgGenJobParams, ImgGenPrompt
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMPrompt
from pipelex.cogt.model_backends.model_spec import CallPolicy
from pipelex.generated.builtins import FalPlugin, GooglePlugin, HuggingfacePlugin
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing.loopback import HttpReply, HttpRequest, LoopbackServer
from tests.providers.calls import Caller
from tests.providers.running import collect
from tests.servers.aimock import OBJECT, PNG, Aimock

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.counterpart(
    "aimock", "img_gen:fal", "img_gen:google", "img_gen:huggingface_img_gen", "llm:google"
)

PATIENT = CallPolicy(max_attempts=1, timeout_s=60.0)
FLUX = "black-forest-labs/FLUX.1-schnell"


@dataclass
class City:
    """A structured answer."""

    name: str
    people: int


@pytest.fixture
def gemini(aimock: Aimock) -> Caller:
    return Caller(
        plugin=GooglePlugin(),
        family=InferenceFamily.LLM,
        sdk="google",
        model_id="gemini-3.8-flash",
        endpoint=aimock.url,
        extras={"api_version": "v1beta"},
        policy=PATIENT,
    )


@pytest.fixture
def painter(gemini: Caller) -> Caller:
    return replace(gemini, family=InferenceFamily.IMG_GEN, model_id="gemini-3.8-flash-image")


class TestGoogle:
    def test_aimock_answers(self, aimock: Aimock, gemini: Caller) -> None:
        assert "Hello from the mock." == gemini.llm(lambda worker: worker.gen_text("hello"))
        assert "/v1beta/models/gemini-3.8-flash:generateContent" == str(aimock.journal()[-1]["path"])
        assert "Hello from the mock." == "".join(gemini.llm(lambda worker: collect(worker.stream_text("hello"))))
        with pytest.raises(InferenceRateLimitError):
            gemini.llm(lambda worker: worker.gen_text("too fast"))

    def test_aimock_answers_with_json(self, gemini: Caller) -> None:
        # aimock knows a schema by OpenAI's name alone
        question = "city by responses"
        assert City(**OBJECT) == gemini.llm(lambda worker: worker.gen_object(question, City))  # type: ignore[arg-type]  # JSON

    def test_aimock_takes_an_image(self, gemini: Caller) -> None:
        prompt = LLMPrompt(user_text="hello", images=(MediaSource(data=PNG, mime_type="image/png"),))
        job = LLMJob(prompt=prompt)
        assert "Hello from the mock." == gemini.llm(lambda worker: worker.gen_text(job))

    def test_aimock_answers_with_an_image(self, aimock: Aimock, painter: Caller) -> None:
        job = ImgGenJob(prompt=ImgGenPrompt(text="a cat", images=(MediaSource(data=PNG),)))
        made = GeneratedImage(data=PNG, mime_type="image/png", width=1, height=1)
        assert made == painter.img_gen(lambda worker: worker.gen_image(job))
        assert "/v1beta/models/gemini-3.8-flash-image:generateContent" == str(aimock.journal()[-1]["path"])

    def test_aimock_answers_with_words_or_429_where_an_image_was_asked_for(self, painter: Caller) -> None:
        with pytest.raises(InferenceInvalidAnswerError, match=r"Hello from the mock\."):
            painter.img_gen(lambda worker: worker.gen_image("hello"))
        with pytest.raises(InferenceRateLimitError):
            painter.img_gen(lambda worker: worker.gen_image("too fast"))


@pytest.fixture
def queue(aimock: Aimock) -> Iterator[str]:
    """A proxy in front of aimock, which tells fal's hosts apart by a header that fal's own proxies set."""

    def forward(request: HttpRequest) -> HttpReply:
        headers = {"Content-Type": "application/json", "x-fal-target-host": "queue.fal.run"}
        address = f"{aimock.url}/fal{request.target}"
        try:
            with urlopen(Request(address, request.body or None, headers, method=request.method)) as answer:
                return HttpReply(status=answer.status, body=answer.read(), headers={"Content-Type": "application/json"})
        except HTTPError as error:
            with error:
                return HttpReply(status=error.code, body=error.read())

    server = LoopbackServer(forward)
    yield server.url
    server.close()


def test_fal_makes_an_image_on_aimock(aimock: Aimock, queue: str) -> None:
    caller = Caller(
        plugin=FalPlugin(),
        family=InferenceFamily.IMG_GEN,
        sdk="fal",
        model_id="fal-ai/flux/schnell",
        endpoint=queue,
        policy=PATIENT,
    )
    assert PNG == caller.img_gen(lambda worker: worker.gen_image("a cat")).data
    paths = [str(entry["path"]) for entry in aimock.journal()]
    assert any(path.endswith("/fal-ai/flux/schnell") for path in paths)
    assert any(path.endswith("/status") or "/status?" in path for path in paths)
    with pytest.raises(InferenceRateLimitError):
        caller.img_gen(lambda worker: worker.gen_image("too fast"))


@pytest.fixture
def _led_to_aimock(aimock: Aimock) -> Iterator[None]:
    """Lead the SDK's provider to aimock and its look-up to a record, by the SDK's own hook for HTTP clients."""
    record = {
        "id": FLUX,
        "inferenceProviderMapping": {"together": {"providerId": "flux", "status": "live", "task": "text-to-image"}},
    }
    hub = LoopbackServer(lambda _: HttpReply.json(record))

    def to_hub(request: httpx2.Request) -> None:
        request.url = httpx2.URL(hub.url).copy_with(raw_path=request.url.raw_path)

    async def to_aimock(request: httpx2.Request) -> None:
        path = request.url.raw_path.removeprefix(b"/together")
        request.url = httpx2.URL(aimock.url).copy_with(raw_path=path)

    _common._fetch_inference_provider_mapping.cache_clear()
    huggingface_hub.set_client_factory(lambda: httpx2.Client(event_hooks={"request": [to_hub]}))
    huggingface_hub.set_async_client_factory(lambda: httpx2.AsyncClient(event_hooks={"request": [to_aimock]}))
    yield
    huggingface_hub.close_session()
    huggingface_hub.set_client_factory(_http.default_client_factory)
    huggingface_hub.set_async_client_factory(_http.default_async_client_factory)
    _common._fetch_inference_provider_mapping.cache_clear()
    hub.close()


@pytest.mark.usefixtures("_led_to_aimock")
def test_hugging_face_makes_an_image_on_aimock(aimock: Aimock) -> None:
    caller = Caller(
        plugin=HuggingfacePlugin(),
        family=InferenceFamily.IMG_GEN,
        sdk="huggingface_img_gen",
        model_id=FLUX,
        endpoint=None,
        api_key="hf_test",
        extras={"provider": "together"},
        policy=PATIENT,
    )
    job = ImgGenJob(prompt=ImgGenPrompt(text="a cat"), params=ImgGenJobParams(size=(64, 64), seed=7))
    image = caller.img_gen(lambda worker: worker.gen_image(job))
    assert GeneratedImage(data=PNG, mime_type="image/png", width=1, height=1) == image
    assert "/v1/images/generations" == str(aimock.journal()[-1]["path"])
