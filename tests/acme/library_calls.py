"""What a user of the library writes, run in the virtual environment; prints what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass

from pipelex.boot import Pipelex
from pipelex.cogt.exceptions import InferenceError
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.exceptions import PipelexError
from pipelex.reporting.usage_log import UsageLog

MODEL = "acme/acme-small"
_SHOWN = ("error", "status_code", "retry_after", "retryable", "request_id")


@dataclass
class Greeting:
    """A type that an answer is to fit."""

    text: str
    length: int
    tags: list[str]


def _sync(usage_log: UsageLog) -> dict[str, object]:
    with Pipelex.setup(reporting_delegate=usage_log) as px:
        worker = px.llm(MODEL)
        greeting = worker.gen_object_sync("hello there", Greeting)
        job = LLMJob(prompt=LLMPrompt(user_text="hello", system_text="be brief"))
        pieces = worker.stream_text_sync("one two three")
        first = next(pieces)
        del pieces
        return {
            "text": worker.gen_text_sync("hello"),
            "with_system_text": worker.gen_text_sync(job),
            "object": [type(greeting).__name__, greeting.text, greeting.length, greeting.tags],
            "pieces": list(worker.stream_text_sync("one two")),
            "first_piece_alone": first,
            "worker_module": type(worker).__module__,
            "clients_built": len({id(vars(px.llm(MODEL))["_sdk_instance"]) for _ in range(3)}),
        }


async def _async() -> dict[str, object]:
    async with Pipelex.setup() as px:
        worker = px.llm(MODEL)
        return {
            "text": await worker.gen_text("hello"),
            "object": vars(await worker.gen_object("hello", Greeting)),
            "pieces": [piece async for piece in worker.stream_text("one two")],
        }


def _error_of(px: Pipelex, job: LLMJob | str, model: str = MODEL) -> dict[str, object]:
    try:
        px.llm(model).gen_text_sync(job)
    except PipelexError as exc:
        found = exc.to_dict()
        return {"cause": type(exc.__cause__).__name__, **{key: found.get(key) for key in _SHOWN}}
    return {}


def _stream_error(px: Pipelex, prompt: str) -> dict[str, object]:
    pieces: list[str] = []
    try:
        pieces.extend(px.llm(MODEL).stream_text_sync(prompt))
    except InferenceError as exc:
        return {"error": type(exc).__name__}
    return {"pieces": pieces}


def _errors() -> dict[str, object]:
    with Pipelex.setup() as px:
        found: dict[str, object] = {
            f"status {status}": _error_of(px, f"fail with {status}") for status in (400, 403, 413, 418, 429, 500, 503)
        }
        hello = LLMPrompt(user_text="hello")
        found["undeclared"] = _error_of(px, LLMJob(prompt=hello, params=LLMJobParams(temperature=0.5)))
        found["cut off"] = _error_of(px, LLMJob(prompt=hello, params=LLMJobParams(max_tokens=1)))
        found["refused"] = _error_of(px, "refuse")
        found["broken off"] = _error_of(px, "break off")
        found["stream broken off"] = _stream_error(px, "break off")
        found["stream with status 429"] = _stream_error(px, "fail with 429")
        found["unknown model"] = _error_of(px, "hello", "acme/acme-huge")
    os.environ["ACME_API_KEY"] = "another-key"
    with Pipelex.setup() as px:
        found["wrong key"] = _error_of(px, "hello")
    os.environ["ACME_BASE_URL"] = "http://127.0.0.1:9"
    with Pipelex.setup() as px:
        found["no server"] = _error_of(px, "hello")
    return found


def main() -> None:
    usage_log = UsageLog()
    found = {"sync": _sync(usage_log), "async": asyncio.run(_async()), "errors": _errors()}
    records = [
        [record.operation, record.model, record.model_served, vars(record.usage) if record.usage else None]
        for record in usage_log.records
    ]
    json.dump({**found, "records": records}, sys.stdout)


if __name__ == "__main__":
    main()
