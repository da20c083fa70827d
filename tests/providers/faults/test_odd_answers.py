"""Each key of a good answer in turn null, missing or of another type: the drivers of images, pages and searches.

For language models the conformance kit tries the same (``test_an_odd_answer_costs_neither_text_nor_usage``).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pipelex.cogt.exceptions import InferenceError, InferenceErrorCategory
from pipelex.cogt.img_gen.img_gen_job import GeneratedImage
from pipelex.cogt.search.search_job import SearchAnswer
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import HttpReply, LoopbackVendor
from pipelex.testing.odd_answers import Oddity, is_part_of, made_odd, oddities_of, reason_for
from tests.heavy import heavy_but
from tests.providers.calls import ONCE
from tests.providers.faults.drivers import DRIVERS, play

if TYPE_CHECKING:
    from collections.abc import Mapping


pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of Hugging Face's own call

OTHERS = [name for name, driver in DRIVERS.items() if driver.family is not InferenceFamily.LLM]
_QUEUE = {
    **dict.fromkeys(("*_url = *", "request_id = *"), "the addresses of the queue: without them nothing can be asked"),
    **dict.fromkeys(("status = *", "logs = *"), "the SDK reads every status by these keys"),
    **dict.fromkeys(("images = *", "images.0 = *", "images.0.url = *"), "the address of the image, or what holds it"),
}
REASONS: dict[str, Mapping[str, str]] = {"fal": _QUEUE}
"""By driver: changes after which the content is lost although it came, as patterns, each with the reason."""


class Outcome(NamedTuple):
    """What came of a call whose answer was odd."""

    oddity: Oddity
    content: object
    error: BaseException | None
    is_content_lost: bool


def texts_of(content: object) -> str:
    """Return the texts of a reply that carry its content."""
    if isinstance(content, GeneratedImage):
        return base64.b64encode(content.data).decode()
    if isinstance(content, SearchAnswer):
        return "\n".join((content.text, *(source.url for source in content.sources)))
    assert isinstance(content, list)
    return "\n".join(f"{page.number} {page.text}" for page in content)


def outcomes(name: str) -> list[Outcome]:
    """Let one worker of a driver meet each oddity of its vendor's good answer."""
    driver = DRIVERS[name]
    found: list[Outcome] = []

    async def scene(stage: Any, worker: Any) -> None:
        vendor = stage.vendor
        assert isinstance(vendor, LoopbackVendor)
        token = new_token()
        replies: list[HttpReply] = []

        def note(reply: HttpReply) -> HttpReply:
            replies.append(reply)
            return reply

        vendor.change_with(note)
        expected = await driver._call(worker, token, None)
        for number, reply in enumerate(tuple(replies)):
            for oddity in oddities_of(vendor, reply):
                replies.clear()

                def change(reply: HttpReply, oddity: Oddity = oddity, number: int = number) -> HttpReply:
                    is_meant = len(replies) == number
                    return made_odd(vendor, note(reply), oddity) if is_meant else note(reply)

                vendor.change_with(change)
                content: object = None
                error: BaseException | None = None
                try:
                    content = await driver._call(worker, token, None)
                except BaseException as exc:  # what it may be is what is checked
                    error = exc
                lost = is_part_of(vendor, reply, oddity, texts_of(expected))
                is_whole = error is None and texts_of(content) == texts_of(expected)
                found.append(Outcome(oddity, is_whole or content, error, lost))

    with driver.vendor() as vendor:
        play(driver, scene, vendor=vendor)
    return found


def whole(**fields: object) -> dict[str, object]:
    """Return an answer of Bedrock's Converse with other fields."""
    message = {"role": "assistant", "content": [{"text": "Hello"}]}
    return {"output": {"message": message}, "stopReason": "end_turn", **fields}


@pytest.mark.parametrize("name", ["bedrock_boto3", "bedrock_aioboto"])
@pytest.mark.parametrize(
    ("body", "came"),
    [
        (whole(usage="odd", metrics=7), "Hello"),
        (whole(usage={"inputTokens": "odd", "outputTokens": 2}), "Hello"),
        (whole(usage=[], stopReason=None), "Hello"),
        ({"message": "boom"}, "InferenceInvalidAnswerError: The answer is not an answer of Bedrock's Converse: boom"),
        ({"__type": "ThrottlingException", "message": "Too many requests"}, "InferenceRateLimitError: Too many"),
        ({}, "InferenceInvalidAnswerError: The answer is not an answer of Bedrock's Converse"),
        ({"output": None}, "InferenceInvalidAnswerError: The answer is not an answer of Bedrock's Converse"),
        ([1], "InferenceInvalidAnswerError: The answer is not an answer of Bedrock's Converse"),
        ("text", "InferenceInvalidAnswerError: The answer is not an answer of Bedrock's Converse: text"),
        (None, "InferenceInvalidAnswerError: The answer is not an answer of Bedrock's Converse"),
    ],
)
def test_an_odd_body_of_bedrock_is_read_or_named(name: str, body: object, came: str) -> None:
    driver = DRIVERS[name]

    async def scene(stage: Any, worker: Any) -> str:
        stage.vendor.change_with(lambda _: HttpReply.json(body))
        try:
            return str(await driver._call(worker, new_token(), None))
        except InferenceError as exc:
            return f"{type(exc).__name__}: {exc.message}"

    with driver.vendor() as vendor:
        assert play(driver, scene, vendor=vendor, worker=ONCE, client=ONCE).startswith(came)


@pytest.mark.parametrize(
    "name", heavy_but("openai_img_gen", "gateway_search", "mistral extract", "linkup", names=OTHERS)
)
def test_an_odd_answer_costs_no_content(name: str) -> None:
    wrong = []
    for oddity, content, error, is_lost in outcomes(name):
        if error is not None:
            is_known = isinstance(error, InferenceError) and error.category is not InferenceErrorCategory.UNKNOWN
            if is_known and (is_lost or reason_for(oddity, REASONS.get(name, {}))):
                continue
            wrong.append(f"{oddity}: {type(error).__name__}: {error}")
        elif content is not True and not is_lost and not reason_for(oddity, REASONS.get(name, {})):
            wrong.append(f"{oddity}: {str(content)[:300]}")
    assert [] == wrong
