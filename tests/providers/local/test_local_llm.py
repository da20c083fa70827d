"""The local model, run for real: real engine, real weights."""

from __future__ import annotations

import asyncio
import enum
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from pipelex.cogt.exceptions import (
    InferenceCapacityError,
    InferenceModelNotFoundError,
    InferenceRequestError,
    InferenceServerError,
    InferenceTruncatedError,
)
from pipelex.cogt.inference.inference_result import FinishReason
from pipelex.cogt.inference.media import MediaSource
from pipelex.cogt.llm.llm_job import LLMJob, LLMJobParams, LLMPrompt
from pipelex.cogt.model_backends.backend import InferenceBackend
from pipelex.cogt.model_backends.model_spec import Capability, InferenceModelSpec
from pipelex.exceptions import ConfigurationError
from pipelex.plugins.inference_backend_registry import InferenceFamily
from pipelex.providers.local import weights as weights_module
from pipelex.providers.local.client import LocalEngine, default_threads, list_models, make_client
from pipelex.providers.local.llm import LlamaCppLLMWorker
from pipelex.reporting.usage_log import UsageLog

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.counterpart("llama_cpp", "llm:llama_cpp")

CAPABILITIES = frozenset(
    {
        Capability.STRUCTURED_OUTPUT,
        Capability.STREAMING,
        Capability.SYSTEM_TEXT,
        Capability.TEMPERATURE,
        Capability.MAX_TOKENS,
        Capability.SEED,
        Capability.STOP,
    }
)


def make_spec(model_id: str = "smollm2-135m-instruct", max_output_tokens: int | None = None) -> InferenceModelSpec:
    return InferenceModelSpec(
        name="smollm2",
        family=InferenceFamily.LLM,
        backend_name="local",
        sdk="llama_cpp",
        model_id=model_id,
        capabilities=CAPABILITIES,
        max_output_tokens=max_output_tokens,
    )


def make_engine(**extras: str | int) -> LocalEngine:
    return make_client(sdk="llama_cpp", backend=InferenceBackend(name="local", extras=extras))


def make_worker(engine: LocalEngine, log: UsageLog | None = None) -> LlamaCppLLMWorker:
    return LlamaCppLLMWorker(sdk_instance=engine, inference_model=make_spec(), reporting_delegate=log)


def ask(text: str, system: str | None = None, **params: Any) -> LLMJob:
    return LLMJob(prompt=LLMPrompt(user_text=text, system_text=system), params=LLMJobParams(**params))


@pytest.fixture(scope="module")
def engine(smollm2_file: Path) -> Iterator[LocalEngine]:
    """One engine for all tests of this file: loading is what takes time."""
    engine = make_engine(weights=str(smollm2_file), n_ctx=2048)
    yield engine
    engine.close()


@pytest.fixture
def log() -> UsageLog:
    return UsageLog()


@pytest.fixture
def worker(engine: LocalEngine, log: UsageLog) -> LlamaCppLLMWorker:
    return make_worker(engine, log)


def test_it_answers(worker: LlamaCppLLMWorker) -> None:
    answer = worker.gen_text_sync(ask("What is the capital of France? Answer in one sentence.", temperature=0))
    assert "Paris" in answer


def test_usage_counts_what_was_read_and_written(worker: LlamaCppLLMWorker, log: UsageLog) -> None:
    worker.gen_text_sync(ask("What is the capital of France? Answer in one sentence.", temperature=0))
    worker.gen_text_sync(ask("What is the capital of France? Answer in one sentence, please.", temperature=0))
    first, second = [record.usage for record in log.records]
    assert first is not None
    assert second is not None
    assert first.input_tokens is not None
    assert first.output_tokens is not None
    assert second.input_tokens is not None
    assert 15 <= first.input_tokens <= 60
    assert second.input_tokens - first.input_tokens == 2
    assert 1 <= first.output_tokens <= 60
    assert log.records[0].model_served == "smollm2-135m-instruct"
    assert log.records[0].finish_reason is FinishReason.STOP


def test_at_temperature_zero_the_answer_repeats(worker: LlamaCppLLMWorker) -> None:
    job = ask("Write a line about the sea.", temperature=0, max_tokens=60)
    assert worker.gen_text_sync(job) == worker.gen_text_sync(job)


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(worker: LlamaCppLLMWorker) -> None:
    def beginning(seed: int) -> list[str]:
        stream = worker.stream_text_sync(ask("Invent a name for a boat.", temperature=1.0, seed=seed))
        return list(islice(stream, 12))

    assert beginning(7) == beginning(7)
    assert beginning(7) != beginning(8)


def test_the_system_text_is_heard(worker: LlamaCppLLMWorker, log: UsageLog) -> None:
    question = "What is your name?"
    plain = worker.gen_text_sync(ask(question, temperature=0, stop=("\n",)))
    told = worker.gen_text_sync(ask(question, "You are a robot named Zorblax.", temperature=0, stop=("\n",)))
    assert "Zorblax" in told
    assert "Zorblax" not in plain


def test_the_answer_ends_before_a_stop_text(worker: LlamaCppLLMWorker) -> None:
    question = "What is the capital of France? Answer in one sentence."
    answer = worker.gen_text_sync(ask(question, temperature=0, stop=("Nowhere", "Paris")))
    assert "capital" in answer
    assert "Paris" not in answer


def test_an_answer_cut_off_is_an_error_and_its_usage_is_reported(worker: LlamaCppLLMWorker, log: UsageLog) -> None:
    with pytest.raises(InferenceTruncatedError, match="max_tokens"):
        worker.gen_text_sync(ask("Why is the sky blue?", temperature=0, max_tokens=5))
    assert log.records[0].usage is not None
    assert log.records[0].usage.output_tokens == 5


def test_the_catalogue_bounds_an_answer_where_the_job_does_not(engine: LocalEngine, log: UsageLog) -> None:
    spec = make_spec(max_output_tokens=6)
    worker = LlamaCppLLMWorker(sdk_instance=engine, inference_model=spec, reporting_delegate=log)
    with pytest.raises(InferenceTruncatedError):
        worker.gen_text_sync(ask("Why is the sky blue?", temperature=0))
    assert log.records[0].usage is not None
    assert log.records[0].usage.output_tokens == 6


def test_a_stream_comes_in_pieces_that_make_the_whole(worker: LlamaCppLLMWorker, log: UsageLog) -> None:
    job = ask("What is the capital of France? Answer in one sentence.", temperature=0)
    pieces = list(worker.stream_text_sync(job))
    assert len(pieces) > 3
    assert worker.gen_text_sync(job) == "".join(pieces)
    assert log.records[0].usage is not None
    assert log.records[0].usage.output_tokens == pytest.approx(len(pieces), abs=2)


def test_a_stream_begins_before_the_answer_is_whole(engine: LocalEngine, worker: LlamaCppLLMWorker) -> None:
    """After the first piece hundreds of tokens are still to come, so the engine must still be at work."""
    stream = worker.stream_text_sync(ask("Tell a long story about a fox.", temperature=0, max_tokens=2000))
    assert next(stream)
    calls_waiting = engine._thread().submit(int)
    assert not calls_waiting.done()
    del stream
    assert calls_waiting.result(timeout=10) == 0


def test_a_stream_cut_off_ends_in_an_error(worker: LlamaCppLLMWorker) -> None:
    stream = worker.stream_text_sync(ask("Why is the sky blue?", temperature=0, max_tokens=8))
    assert next(stream)
    with pytest.raises(InferenceTruncatedError):
        list(stream)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


Word = Annotated[str, Field(max_length=20)]  # short, so that the tests are: a model of this size goes on and on


class Person(BaseModel):
    name: Word
    age: int
    favourite: Colour
    email: Word | None = None
    tags: list[Word] = Field(max_length=3)


class Team(BaseModel):
    leader: Person
    size: Literal["small", "large"]
    scores: list[float] = Field(max_length=2)


@dataclass
class Point:
    x: int
    y: int


MARIA = "Maria Lopez is 34 years old, likes blue, plays chess and football. She leads a small team of three."


@pytest.mark.parametrize(
    "schema",
    [
        Person,
        list[int],
        *(
            pytest.param(schema, marks=pytest.mark.heavy)
            for schema in (
                *(Point, Colour, int, bool, str, set[str], tuple[int, str], dict[str, int]),
                *(Person | Point, int | None, Literal["yes", "no"]),
            )
        ),
    ],
)
def test_an_object_is_of_the_type_asked_for(worker: LlamaCppLLMWorker, schema: type[object]) -> None:
    from pydantic import TypeAdapter

    answer = worker.gen_object_sync(ask(f"Extract: {MARIA}", temperature=0), schema)
    assert answer == TypeAdapter(schema).validate_python(answer, strict=True)


def test_an_extraction_is_right(worker: LlamaCppLLMWorker) -> None:
    person = worker.gen_object_sync(ask(f"Extract the person: {MARIA}", temperature=0), Person)
    assert ("Maria Lopez", 34, Colour.BLUE) == (person.name, person.age, person.favourite)


def test_nested_objects_parse(worker: LlamaCppLLMWorker) -> None:
    team = worker.gen_object_sync(ask(f"Extract the team: {MARIA}", temperature=0), Team)
    assert isinstance(team.leader.favourite, Colour)
    assert team.size in {"small", "large"}


@pytest.mark.heavy
def test_structured_output_holds_at_high_temperature(worker: LlamaCppLLMWorker) -> None:
    """The grammar holds whatever the dice say: no answer ever fails to parse."""

    class Brief(BaseModel):
        name: Word
        favourite: Colour
        points: list[Point] = Field(max_length=2)

    for seed in range(2):
        brief = worker.gen_object_sync(ask("Invent somebody.", temperature=3.0, seed=seed), Brief)
        assert len(brief.points) <= 2


def test_an_object_cut_off_is_an_error(worker: LlamaCppLLMWorker) -> None:
    with pytest.raises(InferenceTruncatedError):
        worker.gen_object_sync(ask(f"Extract: {MARIA}", temperature=0, max_tokens=4), Person)


def test_a_prompt_beyond_the_context_is_a_capacity_error(worker: LlamaCppLLMWorker) -> None:
    with pytest.raises(InferenceCapacityError, match="context size"):
        worker.gen_text_sync("word " * 3000)


def test_a_type_that_nothing_fits_is_refused(worker: LlamaCppLLMWorker) -> None:
    class Impossible(BaseModel):
        name: str = Field(min_length=9, max_length=3)

    with pytest.raises(InferenceRequestError, match="minLength 9 and maxLength 3"):
        worker.gen_object_sync("Anything.", Impossible)


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("images", LLMPrompt(user_text="What is it?", images=(MediaSource(data=b"PNG"),))),
        ("documents", LLMPrompt(user_text="What is it?", documents=(MediaSource(data=b"%PDF"),))),
    ],
)
def test_what_the_engine_would_leave_out_is_refused_although_declared(
    engine: LocalEngine, name: str, prompt: LLMPrompt
) -> None:
    model = replace(make_spec(), capabilities=frozenset(Capability))
    worker = LlamaCppLLMWorker(sdk_instance=engine, inference_model=model, reporting_delegate=None)
    with pytest.raises(InferenceRequestError, match=f"knows no {name}"):
        worker.gen_text_sync(LLMJob(prompt=prompt))


@pytest.mark.parametrize("params", [{"max_tokens": 0}, {"temperature": -1.0}, {"seed": -1}, {"seed": 2**32}])
def test_a_parameter_that_cannot_be_meant_is_refused(worker: LlamaCppLLMWorker, params: dict[str, Any]) -> None:
    with pytest.raises(InferenceRequestError, match=next(iter(params))):
        worker.gen_text_sync(ask("Hello", **params))


def test_calls_at_the_same_time_do_not_mix(worker: LlamaCppLLMWorker) -> None:
    countries = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Spain": "Madrid"}

    async def run() -> list[str]:
        jobs = [
            ask(f"What is the capital of {country}? Answer in one sentence.", temperature=0) for country in countries
        ]
        return await asyncio.gather(*[worker.gen_text(job) for job in jobs])

    for capital, answer in zip(countries.values(), asyncio.run(run()), strict=True):
        assert capital in answer


def test_cancelling_stops_the_generation(worker: LlamaCppLLMWorker, log: UsageLog) -> None:
    """2,000 tokens take half a minute: the next call is served at once only if the first one stopped."""

    async def run() -> str:
        stream = worker.stream_text(ask("Tell a long story about a fox.", temperature=0, max_tokens=1900))
        started = asyncio.Event()

        async def read() -> None:
            async for _ in stream:
                started.set()

        reading = asyncio.ensure_future(read())
        await started.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        return await asyncio.wait_for(worker.gen_text(ask("Say hello.", temperature=0)), timeout=15)

    assert asyncio.run(run())
    assert [record.outcome for record in log.records] == ["abandoned", "ok"]


def test_a_call_cancelled_before_its_turn_is_never_run(
    engine: LocalEngine, worker: LlamaCppLLMWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_requests: list[object] = []
    monkeypatch.setattr(engine, "_run", lambda *args: run_requests.append(args))

    async def run() -> None:
        turn = threading.Event()
        engine._thread().submit(turn.wait, 10)
        call = asyncio.ensure_future(worker.gen_text("Hello"))
        await asyncio.sleep(0)  # lets the call take its place in the queue
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        turn.set()
        await asyncio.wrap_future(engine._thread().submit(int))

    asyncio.run(run())
    assert run_requests == []


def test_closing_ends_the_answer_under_way_and_those_that_wait(smollm2_file: Path) -> None:
    engine = make_engine(weights=str(smollm2_file), n_ctx=512)
    worker = make_worker(engine)

    async def run() -> list[BaseException | str]:
        started = asyncio.Event()
        pieces = []

        async def read() -> str:
            async for piece in worker.stream_text(ask("Tell a long story about a fox.", temperature=0)):
                pieces.append(piece)
                started.set()
            return "".join(pieces)

        calls = [asyncio.ensure_future(read()), asyncio.ensure_future(worker.gen_text("Hello"))]
        await started.wait()
        await asyncio.to_thread(engine.close)
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [InferenceServerError, InferenceServerError] == [type(outcome) for outcome in asyncio.run(run())]
    engine.close()
    with pytest.raises(InferenceServerError, match="closed"):
        worker.gen_text_sync("Hello")


def test_missing_weights_say_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(weights_module, "_in_package", lambda weights: None)
    with pytest.raises(InferenceModelNotFoundError, match="pipelex local install"):
        make_worker(make_engine()).gen_text_sync("Hello")


def test_an_unknown_model_names_the_known_ones() -> None:
    worker = LlamaCppLLMWorker(
        sdk_instance=make_engine(), inference_model=make_spec("smollm3"), reporting_delegate=None
    )
    with pytest.raises(InferenceModelNotFoundError, match="smollm2-135m-instruct"):
        worker.gen_text_sync("Hello")


def test_weights_of_ones_own_that_are_missing_name_the_key(tmp_path: Path) -> None:
    with pytest.raises(InferenceModelNotFoundError, match=r"'weights' in \[backends\.local\]"):
        make_worker(make_engine(weights=str(tmp_path / "none.gguf"))).gen_text_sync("Hello")


def test_a_damaged_weights_file_is_named(tmp_path: Path, smollm2_file: Path) -> None:
    with smollm2_file.open("rb") as file:
        (tmp_path / "half.gguf").write_bytes(file.read(3_000_000))
    engine = make_engine(weights=str(tmp_path / "half.gguf"))
    with pytest.raises(InferenceModelNotFoundError, match=r"cannot load .*half\.gguf"):
        make_worker(engine).gen_text_sync("Hello")
    engine.close()


def test_known_weights_of_another_content_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELEX_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(weights_module, "_in_package", lambda weights: None)
    (tmp_path / "weights").mkdir()
    with (tmp_path / "weights" / weights_module.SMOLLM2.filename).open("wb") as file:
        file.truncate(weights_module.SMOLLM2.size)
    engine = make_engine()
    with pytest.raises(InferenceModelNotFoundError, match=r"is damaged.*pipelex local install"):
        make_worker(engine).gen_text_sync("Hello")
    engine.close()


def test_an_extra_of_the_wrong_type_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"backends\.local\.n_ctx"):
        make_engine(n_ctx="many")


@pytest.mark.parametrize("key", ["n_ctx", "n_threads"])
def test_a_negative_extra_is_refused_with_its_key(key: str) -> None:
    with pytest.raises(InferenceRequestError, match=rf"'{key}' in \[backends\.local\] is -1"):
        make_engine(**{key: -1})


def test_one_core_is_left_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for usable, expected in ((1, 1), (2, 1), (8, 7)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=usable: set(range(n)), raising=False)
        assert expected == default_threads()


def test_the_known_models_are_listed() -> None:
    async def rows(**extras: str | int) -> list[tuple[str, int | None]]:
        backend = InferenceBackend(name="local", extras=extras)
        listed = await list_models(sdk="llama_cpp", backend=backend)
        return [(row.id, row.context_window) for row in listed]

    assert [("smollm2-135m-instruct", 8192)] == asyncio.run(rows())
    assert [("own", 1024)] == asyncio.run(rows(weights="/models/own.gguf", n_ctx=1024))


_ALONE = """
import sys
from tests.providers.local.test_local_llm import BaseModel, Field, ask, make_engine, make_worker
class Code(BaseModel):
    code: str = Field(pattern=r"(?:a|b)\\d{3}")
    note: str = Field(min_length=3, max_length=90000)
engine = make_engine(weights=sys.argv[1], n_ctx=1024)
worker = make_worker(engine)
worker.gen_text_sync(ask("Say hello.", temperature=0))
try:
    worker.gen_object_sync(ask("Give the code a123.", max_tokens=40), Code)
except Exception as exc:
    if type(exc).__name__ not in ("InferenceInvalidAnswerError", "InferenceTruncatedError"):
        raise
if len(sys.argv) > 2:
    engine.close()
"""


@pytest.mark.parametrize("closing", [["close"], pytest.param([], marks=pytest.mark.heavy)])
def test_the_engine_prints_nothing_and_lets_the_process_end(smollm2_file: Path, closing: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _ALONE, str(smollm2_file), *closing],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (0, "", "") == (run.returncode, run.stdout, run.stderr)
