"""Odd answers beyond the conformance kit, which each driver's own suite runs: look-alikes, and bodies of Bedrock's.

botocore reads an answer by its model before the driver does.
"""

from __future__ import annotations

from typing import Any

import pytest

from pipelex.cogt.exceptions import InferenceError
from pipelex.testing.conformance import new_token
from pipelex.testing.loopback import HttpReply
from tests.heavy import heavy_but
from tests.providers.calls import ONCE
from tests.providers.faults.drivers import DRIVERS, play

QUICK = ("openai_img_gen", "mistral extract", "linkup")
"""One driver of each family; their suites are heavy."""


@pytest.mark.parametrize(
    "name", heavy_but(*QUICK, names=(*QUICK, "gateway_img_gen", "azure_rest_img_gen dated", "linkup_fetch"))
)
def test_an_odd_answer_costs_no_content(name: str) -> None:
    DRIVERS[name]._meet_odd_answers()


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
