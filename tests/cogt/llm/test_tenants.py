"""Two systems in one process, with two keys and two configurations, share nothing; conversations move between them."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from pipelex.boot import Pipelex
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.conversation_json import conversation_from_json, conversation_to_json
from pipelex.cogt.llm.llm_job import (
    ImagePart,
    LLMJob,
    LLMJobParams,
    LLMPrompt,
    LLMTool,
    TextPart,
    UserMessage,
)
from pipelex.testing import samples
from tests.docs.stages import openai_turn
from tests.providers.anthropic import wire as anthropic
from tests.providers.openai import wire as openai
from tests.providers.replay import Replay, answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipelex.cogt.llm.llm_job import LLMMessage
    from pipelex.reporting.reporting_protocol import InferenceRecord
    from pipelex.testing.loopback import HttpReply, HttpRequest

USER: ContextVar[str] = ContextVar("USER", default="no user")
CHAT = "POST /v1/chat/completions"
SETTINGS = """
[backends.shop]
endpoint = "{url}/v1"
api_key = "${{KEY_{name}}}"
max_concurrency = {slots}
llm.sdk = "openai"

[backends.claude]
endpoint = "{url}"
api_key = "${{KEY_{name}}}"
llm.sdk = "anthropic"
"""


@dataclass
class Tenant:
    """A system of its own, its server and what its delegate got."""

    name: str
    key: str
    slots: int
    server: Replay = field(default_factory=Replay)
    records: list[InferenceRecord] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    is_open: int = 0
    most_open: int = 0

    def report_inference(self, record: InferenceRecord) -> None:
        self.records.append(record)
        self.users.append(USER.get())

    def serve(self, _request: HttpRequest) -> HttpReply:
        with self._lock:
            self.is_open += 1
            self.most_open = max(self.most_open, self.is_open)
            if self.is_open == self.slots:
                self._full.set()
        self._full.wait(10)  # until every slot is taken
        threading.Event().wait(0.02)  # and a little longer, for a call beyond them
        with self._lock:
            self.is_open -= 1
        return answer(openai.completion(self.name))

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._full = threading.Event()

    def start(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server.on(CHAT, self.serve)
        monkeypatch.setenv(f"KEY_{self.name}", self.key)
        (folder / ".pipelex").mkdir(parents=True)
        text = SETTINGS.format(url=self.server.url, name=self.name, slots=self.slots)
        (folder / ".pipelex" / "pipelex.toml").write_text(text)
        self.px = Pipelex.setup(start=folder, reporting_delegate=self)

    @property
    def keys(self) -> set[str]:
        """What the requests of the server were authorized with."""
        return {request.headers.get("authorization", "") for request in self.server.requests}


@pytest.fixture
def tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Tenant, Tenant]]:
    monkeypatch.setenv("PIPELEX_TRUST", f"{tmp_path / 'ADA'}:{tmp_path / 'BOB'}")
    both = Tenant("ADA", "key-of-ada-1", 1), Tenant("BOB", "key-of-bob-2", 3)
    with both[0].server, both[1].server:
        for tenant in both:
            tenant.start(tmp_path / tenant.name, monkeypatch)
        yield both
        for tenant in both:
            tenant.px.close()


def test_keys_limits_reports_and_contexts_are_apart_in_threads_and_tasks(tenants: tuple[Tenant, Tenant]) -> None:
    def call_sync(tenant: Tenant) -> str:
        USER.set(f"{tenant.name} of a thread")
        return tenant.px.llm("shop/gpt-x").gen_text_sync("hello")

    async def call(tenant: Tenant) -> str:
        USER.set(f"{tenant.name} of a task")
        return await tenant.px.llm("shop/gpt-x").gen_text("hello")

    async def call_all() -> list[str]:
        return await asyncio.gather(*map(call, tenants * 4))

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(call_sync, tenants * 4)
        assert ["ADA", "BOB"] * 4 == asyncio.run(call_all())
        assert ["ADA", "BOB"] * 4 == list(answers)
    for tenant in tenants:
        assert {f"Bearer {tenant.key}"} == tenant.keys
        assert 8 == len(tenant.records) == len(tenant.server.requests)
        assert {f"{tenant.name} of a thread", f"{tenant.name} of a task"} == set(tenant.users)
        assert tenant.slots == tenant.most_open


def test_a_job_and_a_conversation_go_to_another_process(tenants: tuple[Tenant, Tenant]) -> None:
    messages = conversation_of(tenants[0])
    tool = LLMTool(name="now", json_schema={"type": "object", "properties": {}})
    job = LLMJob(
        prompt=LLMPrompt(user_text="Why?", system_text="Be kind.", history=messages),
        params=LLMJobParams(tools=(tool,), top_p=0.5),
    )
    sent = pickle.dumps((job, conversation_to_json(messages)))
    run = subprocess.run([sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, check=False, timeout=60)
    assert (0, b"") == (run.returncode, run.stderr)
    there, text = pickle.loads(run.stdout)
    assert job.then("and then?") == there
    assert messages == conversation_from_json(text)
    assert tenants[0].key.encode() not in sent


ELSEWHERE = """
import pickle, sys
from pipelex.cogt.llm.conversation_json import conversation_from_json, conversation_to_json
job, text = pickle.load(sys.stdin.buffer)
assert conversation_from_json(text) == job.prompt.history
sys.stdout.buffer.write(pickle.dumps((job.then("and then?"), conversation_to_json(job.prompt.history))))
"""


def conversation_of(tenant: Tenant) -> tuple[LLMMessage, ...]:
    """Return a conversation whose second message is signed by the tenant's backend."""
    tenant.server.on("POST /v1/messages", answer(anthropic.message("Because.")))
    asked = UserMessage(parts=(TextPart(text="Why?"), ImagePart(source=MediaSource(data=samples.png("x")))))
    job = LLMJob.of([asked])
    return job.then(tenant.px.llm("claude/claude-haiku-4-5").gen_answer_sync(job)).prompt.messages()


def test_what_is_signed_goes_back_to_the_backend_of_its_name_unless_the_name_is_taken_off(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ada, bob = tenants
    loaded = conversation_from_json(conversation_to_json(conversation_of(ada)))
    bob.server.on("POST /v1/messages", answer(anthropic.message("So.")))
    foreign = [replace(message, backend_name=None) if message.role == "assistant" else message for message in loaded]
    for messages, is_signed in ((loaded, True), (foreign, False)):
        bob.px.llm("claude/claude-haiku-4-5").gen_answer_sync(LLMJob.of(messages).then("And?"))
        body = bob.server.last.body
        assert b"Because." in body
        assert is_signed == (b"EqQBCgIYAhIM" in body)


def test_a_run_that_is_cancelled_inside_of_a_tool_gives_its_slot_back(tenants: tuple[Tenant, Tenant]) -> None:
    ada, bob = tenants
    ended: list[str] = []

    async def wait(city: str) -> str:
        """Wait."""
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(city)
        return city

    async def cancel() -> tuple[str, str]:
        ada.server.on(CHAT, openai_turn)
        run = asyncio.create_task(ada.px.llm("shop/gpt-x").run_tools("weather?", [wait]))
        await began.wait()
        other = await bob.px.llm("shop/gpt-x").gen_text("hello")
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        ada.server.on(CHAT, ada.serve)
        return other, await ada.px.llm("shop/gpt-x").gen_text("hello")  # it has one slot

    began = asyncio.Event()
    assert ("BOB", "ADA") == asyncio.run(cancel())
    assert ["Rome"] == ended
    assert (2, 1) == (len(ada.records), len(bob.records))
